package fake

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// Pushgateway is a fake of Prometheus's Pushgateway: groups by their path, each replaced as a whole by a PUT.
type Pushgateway struct {
	server
	token  string
	groups map[string]string
}

// NewPushgateway makes one behind a proxy that knows one token.
func NewPushgateway(token string) *Pushgateway {
	p := &Pushgateway{token: token, groups: map[string]string{}}
	p.start(p.serve)
	return p
}

// Marks implements what the tests ask of every fake.
func (p *Pushgateway) Marks() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for path, text := range p.groups {
		all = append(all, path+"\n"+text)
	}
	slices.Sort(all)
	return all
}

var (
	pushPath = lazyregexp.New(`^/metrics/job/[^/]+(/[a-zA-Z_]\w*(@base64)?/[^/]+)*$`)
	pushLine = lazyregexp.New(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+\{([a-z_]+="([^"\\\n]|\\\\|\\"|\\n)*"(,|}))*}? -?[0-9.e+]+)$`)
)

func (p *Pushgateway) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+p.token:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case !pushPath.MatchString(r.URL.EscapedPath()):
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method != http.MethodPut || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain"):
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
		if !pushLine.MatchString(line) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "text format parsing error in line "+line)
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups[r.URL.EscapedPath()] = string(body)
	w.WriteHeader(http.StatusOK)
}
