package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// link is the way to a tool, and what it was made of.
type link struct {
	api    *httpx.Client
	remote httpx.Remote
	with   []httpx.Option
}

func connect(r httpx.Remote, with ...httpx.Option) (link, error) {
	api, err := httpx.New(r, with...)
	return link{api: api, remote: r, with: with}, err
}

// connectTo is connect for a tool with one address: its path is taken as it is written, without a slash behind it.
func connectTo(r httpx.Remote, with ...httpx.Option) (l link, path string, err error) {
	if _, err := httpx.New(r, with...); err != nil {
		return link{}, "", err
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return link{}, "", err
	}
	r.URL = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	l, err = connect(r, with...)
	return l, "/" + strings.TrimPrefix(u.EscapedPath(), "/"), err
}

// connectSecret is connect for a webhook whose whole address is a secret: messages show its host alone.
func connectSecret(key string, address httpx.Secret, r httpx.Remote, with ...httpx.Option) (link, error) {
	switch {
	case r.URL != "":
		return link{}, fmt.Errorf("url shows in messages, and the address of this webhook is a secret: give it as %s, as ${NAME}", key)
	case address.IsZero():
		return link{}, fmt.Errorf("%s is missing, want the address of the webhook, as ${NAME}", key)
	}
	u, err := url.Parse(strings.TrimSpace(address.Reveal()))
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(u.Path) < 2 {
		return link{}, fmt.Errorf("%s is not the address of a webhook, want https://host/path", key)
	}
	r.URL = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	return connect(r, append(with, httpx.WithTarget(httpx.NewSecret(u.RequestURI())))...)
}

// call sends v as JSON. A POST is repeated only where it was surely not taken, unless r says that it may be.
func (l link) call(ctx context.Context, r httpx.Request, v any) (*httpx.Response, error) {
	if v != nil {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	if r.Method == "" && v != nil {
		r.Method = http.MethodPost
	}
	return l.api.Do(ctx, r)
}

// phase is the word for the message that a marker makes.
func (m Marker) phase() string {
	if m.Verdict == "" && m.Ended.IsZero() {
		return "open"
	}
	return "seal"
}

// at is when the message's event happened.
func (m Marker) at() time.Time {
	switch {
	case m.phase() == "seal" && !m.Ended.IsZero():
		return m.Ended
	case m.phase() == "open" && !m.Started.IsZero():
		return m.Started
	}
	return time.Now()
}

// interval is the deploy from its start to its end, in this order.
func (m Marker) interval() (start, end time.Time) {
	end = m.Ended
	if end.IsZero() {
		end = time.Now()
	}
	start = m.Started
	if start.IsZero() || start.After(end) {
		start = end
	}
	return start, end
}

// link is the address of the pipeline's run where it is one that a browser may be sent to.
func (m Marker) link() string {
	u, err := url.Parse(m.RunURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(m.RunURL) > 1000 {
		return ""
	}
	return u.String()
}

// document is the marker as JSON, the form of the file and of the generic webhook. Times are RFC 3339.
type document struct {
	Schema      int    `json:"schema"`
	Phase       string `json:"phase"` // open, seal
	DeployID    string `json:"deploy_id"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Version     string `json:"version,omitempty"`
	Image       string `json:"image,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Commit      string `json:"commit,omitempty"`
	Repository  string `json:"repository,omitempty"`
	RunURL      string `json:"run_url,omitempty"`
	Actor       string `json:"actor,omitempty"`
	Started     string `json:"started,omitempty"`
	Ended       string `json:"ended,omitempty"`
	Verdict     string `json:"verdict,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Summary     string `json:"summary,omitempty"`
}

func (m Marker) document() document {
	c := clean.Text
	return document{Schema: 1, Phase: m.phase(), DeployID: c(m.DeployID), Service: c(m.Service), Environment: c(m.Environment), Version: c(m.Version),
		Image: c(m.Image), Digest: c(m.Digest), Commit: c(m.Commit), Repository: c(m.Repository), RunURL: c(m.RunURL), Actor: c(m.Actor),
		Started: stamp(m.Started), Ended: stamp(m.Ended), Verdict: c(m.Verdict), Reason: c(m.Reason), Summary: c(m.Summary)}
}

// cutter cuts texts to what a tool takes, and remembers which.
type cutter struct{ cut []string }

// text is s on one line of at most limit bytes.
func (c *cutter) text(what, s string, limit int) string {
	if len(clean.Cut(s, limit+4)) > limit && !slices.Contains(c.cut, what) {
		c.cut = append(c.cut, what)
	}
	return clean.Cut(s, limit)
}

// escaped is s, cut so far that it is at most limit bytes long when it is escaped.
func (c *cutter) escaped(what, s string, limit int, escape func(string) string) string {
	for n := limit; n > 0; n -= 10 {
		if e := escape(clean.Cut(s, n)); len(e) <= limit {
			c.text(what, s, n)
			return e
		}
	}
	return ""
}

// details are the marker's lines behind the title, each value of at most limit bytes.
func (c *cutter) details(m Marker, limit int) []pair {
	image, _, _ := strings.Cut(m.Image, "@")
	var lines []pair
	for _, p := range []pair{
		{"verdict", m.Verdict}, {"reason", m.Reason}, {"summary", m.Summary}, {"image", image}, {"digest", m.Digest}, {"commit", m.Commit},
		{"repository", m.Repository}, {"by", m.Actor}, {"started", stamp(m.Started)}, {"ended", stamp(m.Ended)}, {"deploy id", m.DeployID},
	} {
		if p.value = c.text(p.key, p.value, limit); p.value != "" {
			lines = append(lines, p)
		}
	}
	return lines
}

// warning says what was cut, nil if nothing was.
func (c *cutter) warning(tool string) error {
	if len(c.cut) == 0 {
		return nil
	}
	return &Warning{Text: fmt.Sprintf("%s takes no more, so this was cut: %s", tool, strings.Join(c.cut, ", "))}
}

// refused adds what to do to an error of a tool, by its status.
func refused(err error, hints map[int]string) error {
	var h *Hinted
	if hint := hints[statusOf(err)]; hint != "" && !errors.As(err, &h) {
		return &Hinted{Err: err, Hint: hint}
	}
	return err
}
