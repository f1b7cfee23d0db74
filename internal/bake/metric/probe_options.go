package metric

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// ProbeOptions is the block of probes that the step itself sends.
type ProbeOptions struct {
	Every   time.Duration `yaml:"every"`   // of a probe that has none of its own, default 1s
	Timeout time.Duration `yaml:"timeout"` // likewise, default 5s
	Probes  []ProbeSpec   `yaml:"probes,required"`
}

// ProbeSpec is one probe. One of the protocols is given.
type ProbeSpec struct {
	Name      string          `yaml:"name,required"`
	Every     time.Duration   `yaml:"every"`
	Timeout   time.Duration   `yaml:"timeout"`
	HTTP      *ProbeHTTP      `yaml:"http"`
	GRPC      *ProbeGRPC      `yaml:"grpc"`
	WebSocket *ProbeWebSocket `yaml:"websocket"`
	TCP       *ProbeTCP       `yaml:"tcp"`
	DNS       *ProbeDNS       `yaml:"dns"`
}

// What a pipeline may do to a service, and to itself.
const (
	maxProbes       = 32
	maxProbeRate    = 50  // a second, of all together
	maxProbeAtOnce  = 32  // of one probe
	maxProbesAtOnce = 256 // of all together
	maxProbeTimeout = 30 * time.Second
	maxProbeEvery   = 5 * time.Minute
	probeBody       = 64 << 10
)

// Check implements the configuration's check.
func (o *ProbeOptions) Check(at func(field, format string, args ...any)) {
	s := o.settled()
	for _, p := range s.problems() {
		at(p.field, "%s", p.err)
	}
}

// settled has the defaults in their places.
func (o *ProbeOptions) settled() ProbeOptions {
	s := *o
	s.Probes = slices.Clone(o.Probes)
	for i := range s.Probes {
		p := &s.Probes[i]
		p.Every = firstDuration(p.Every, o.Every, time.Second)
		p.Timeout = firstDuration(p.Timeout, o.Timeout, 5*time.Second)
	}
	return s
}

// firstDuration is the first that was given. One that is given and wrong is kept, to be told.
func firstDuration(ds ...time.Duration) time.Duration {
	for _, d := range ds {
		if d != 0 {
			return d
		}
	}
	return 0
}

// problem is what is wrong with an option.
type problem struct {
	field string
	err   error
}

func (o *ProbeOptions) problems() (ps []problem) {
	say := func(field, format string, args ...any) { ps = append(ps, problem{field, fmt.Errorf(format, args...)}) }
	if n := len(o.Probes); n == 0 || n > maxProbes {
		say("probes", "got %d probes, want 1 to %d", n, maxProbes)
		return ps
	}
	seen := map[string]bool{}
	for i, p := range o.Probes {
		where := fmt.Sprintf("probes[%d]", i)
		if seen[p.Name] {
			say(where+".name", "the name %s is there twice: the probes' counters would be one", clean.Text(p.Name))
		}
		seen[p.Name] = true
		for _, x := range p.problems() {
			say(strings.TrimSuffix(where+"."+x.field, "."), "%w", x.err)
		}
	}
	if len(ps) == 0 {
		ps = o.load()
	}
	return ps
}

// load is what all probes do together.
func (o *ProbeOptions) load() (ps []problem) {
	rate, atOnce := 0.0, 0
	for _, p := range o.Probes {
		rate += 1 / p.Every.Seconds()
		atOnce += p.atOnce()
	}
	if rate > maxProbeRate+1e-9 {
		ps = append(ps, problem{"probes", fmt.Errorf("together they are %.4g probes a second, want at most %d: probe less often (every)", rate, maxProbeRate)})
	}
	if atOnce > maxProbesAtOnce {
		ps = append(ps, problem{"probes", fmt.Errorf("against a service that hangs, %d probes would be under way at once, want at most %d: probe less often (every), or wait less (timeout)", atOnce, maxProbesAtOnce)})
	}
	return ps
}

// atOnce is how many may be under way: enough that none has to be left out when each of them takes until its time-out. Leaving out those
// that would have waited is how a hanging service hides.
func (p ProbeSpec) atOnce() int { return int(p.Timeout/p.Every) + 2 }

func (p ProbeSpec) problems() (ps []problem) {
	say := func(field, format string, args ...any) { ps = append(ps, problem{field, fmt.Errorf(format, args...)}) }
	if p.Name == "" || len(p.Name) > 100 || p.Name != clean.Text(p.Name) {
		say("name", "got %q, want a name of up to 100 characters, to select it by: probe_requests_total{probe=\"home\"}", clean.Cut(p.Name, 100))
	}
	if p.Every < 20*time.Millisecond || p.Every > maxProbeEvery {
		say("every", "got %s, want 20ms to %s", p.Every, maxProbeEvery)
		return ps
	}
	if p.Timeout < time.Millisecond || p.Timeout > maxProbeTimeout {
		say("timeout", "got %s, want 1ms to %s", p.Timeout, maxProbeTimeout)
		return ps
	}
	if n := p.atOnce(); n > maxProbeAtOnce {
		say("timeout", "%s at one probe every %s would have %d of them under way at once, want at most %d: wait less, or probe less often (every)", p.Timeout, p.Every, n, maxProbeAtOnce)
	}
	_, field, err := p.prober()
	if err != nil {
		say(field, "%w", err)
	}
	return ps
}

// prober makes what sends the probe. The error comes with the option that it is about.
func (p ProbeSpec) prober() (pr prober, field string, err error) {
	var kinds []string
	take := func(kind string, made func(time.Duration) (prober, string, error)) {
		kinds = append(kinds, kind)
		var f string
		if pr, f, err = made(p.Timeout); err != nil {
			field = strings.TrimSuffix(kind+"."+f, ".")
		}
	}
	if p.HTTP != nil {
		take("http", p.HTTP.prober)
	}
	if p.GRPC != nil {
		take("grpc", p.GRPC.prober)
	}
	if p.WebSocket != nil {
		take("websocket", p.WebSocket.prober)
	}
	if p.TCP != nil {
		take("tcp", p.TCP.prober)
	}
	if p.DNS != nil {
		take("dns", p.DNS.prober)
	}
	switch len(kinds) {
	case 0:
		return nil, "", errors.New("it does not say what to probe, want one of: http, grpc, websocket, tcp, dns")
	case 1:
		return pr, field, err
	}
	return nil, "", fmt.Errorf("got %s, want one of them: each is a probe of its own", strings.Join(kinds, " and "))
}

// probeRemote is where a probe over HTTP goes, and what it carries.
type probeRemote struct {
	URL      string                  `yaml:"url,required"`
	Headers  map[string]httpx.Secret `yaml:"headers"` // secrets, sent to this host alone
	CA       string                  `yaml:"ca,file"`
	Insecure bool                    `yaml:"insecure"`
}

// InDir gives a relative path the folder of the configuration.
func (r *probeRemote) InDir(dir string) {
	if r.CA != "" && !filepath.IsAbs(r.CA) {
		r.CA = filepath.Join(dir, r.CA)
	}
}

// open makes the client and the address, of which a query is a part here: what is probed is often behind one.
func (r probeRemote) open(timeout time.Duration, replace ...string) (*httpx.Client, *url.URL, error) {
	text, query, _ := strings.Cut(strings.NewReplacer(replace...).Replace(r.URL), "?")
	if len(r.Headers) == 0 && strings.HasPrefix(strings.ToLower(text), "http://") {
		r.Insecure = true // nothing secret is sent
	}
	remote := httpx.Remote{URL: text, Headers: r.Headers, CA: r.CA, Insecure: r.Insecure, Timeout: timeout}
	c, err := httpx.New(remote, httpx.WithMaxBody(probeBody+1), httpx.WithRetries(0))
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	if strings.Contains(query, "#") {
		return nil, nil, errors.New("url has a fragment behind it: leave out the # and the rest")
	}
	u.RawQuery = query
	return c, u, nil
}

// hostPort checks an address that has to have a port.
func hostPort(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("got %q, want HOST:PORT", clean.Cut(address, 200))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return "", fmt.Errorf("got %q, want HOST:PORT with a port from 1 to 65535", clean.Cut(address, 200))
	}
	return strings.ToLower(host), nil
}
