package sink

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// pushgatewayOptions is the block `pushgateway:`.
type pushgatewayOptions struct {
	httpx.Remote
	Job      string       `yaml:"job"` // default: bakegate
	Username string       `yaml:"username"`
	Password httpx.Secret `yaml:"password"`
	Token    httpx.Secret `yaml:"token"` // sent as Authorization: Bearer TOKEN
}

// pushgateway keeps the last deploy of each service and environment as metrics. A PUT replaces all of a group, however often it is sent.
type pushgateway struct {
	link
	options pushgatewayOptions
}

// pushgatewayValue is the longest value of a label that is sent.
const pushgatewayValue = 200

func buildPushgateway(decode func(any) error) (Sink, error) {
	o := pushgatewayOptions{Job: "bakegate"}
	if err := decode(&o); err != nil {
		return nil, err
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,80}$`).MatchString(o.Job) {
		return nil, fmt.Errorf("job %q, want letters, digits, dots, hyphens and underscores", clean.Cut(o.Job, 80))
	}
	l, err := connect(o.Remote, httpx.WithBearer(o.Token), httpx.WithBasic(o.Username, o.Password))
	if err != nil {
		return nil, err
	}
	return &pushgateway{link: l, options: o}, nil
}

// Traits implements Sink.
func (p *pushgateway) Traits() Traits { return Traits{Find: true, Update: true} }

// Open implements Sink.
func (p *pushgateway) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary, m.Ended = "", "", "", time.Time{}
	return "", p.put(ctx, m)
}

// Seal implements Sink. The group of a deploy that another one took over belongs to that one by now.
func (p *pushgateway) Seal(ctx context.Context, _ string, m Marker) error {
	if m.Verdict == "superseded" {
		return &Warning{Text: "another deploy took over, and the metrics are that one's"}
	}
	return p.put(ctx, m)
}

func (p *pushgateway) put(ctx context.Context, m Marker) error {
	c := &cutter{}
	path := "/metrics/job/" + p.options.Job + pushgatewayLabel("service", c.text("service", m.Service, pushgatewayValue)) +
		pushgatewayLabel("environment", c.text("environment", m.Environment, pushgatewayValue))
	resp, err := p.api.Do(ctx, httpx.Request{Method: http.MethodPut, Path: path, Body: pushgatewayText(m, c), ContentType: "text/plain; version=0.0.4; charset=utf-8"})
	if err != nil {
		return refused(err, pushgatewayHints)
	}
	if err := httpx.NoPage(resp, "an empty reply"); err != nil {
		return err
	}
	return c.warning("the Pushgateway")
}

// pushgatewayLabel is a part of a group's path. What could be taken for a part of the path, or is empty, goes in base64.
func pushgatewayLabel(name, value string) string {
	switch {
	case value == "":
		return "/" + name + "@base64/="
	case url.PathEscape(value) != value || strings.Trim(value, ".") == "":
		return "/" + name + "@base64/" + base64.RawURLEncoding.EncodeToString([]byte(value))
	}
	return "/" + name + "/" + value
}

// pushgatewayText is the group in Prometheus's text format. No timestamps: the Pushgateway refuses them.
func pushgatewayText(m Marker, c *cutter) []byte {
	var b strings.Builder
	metric := func(name, help, value string, labels ...pair) {
		var ls []string
		for _, l := range labels {
			v := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.text(l.key, l.value, pushgatewayValue))
			ls = append(ls, l.key+`="`+v+`"`)
		}
		fmt.Fprintf(&b, "# HELP bakegate_deploy_%s %s\n# TYPE bakegate_deploy_%s gauge\nbakegate_deploy_%s{%s} %s\n", name, help, name, name, strings.Join(ls, ","), value)
	}
	start, end := m.Started, m.Ended
	if start.IsZero() {
		start = m.at()
	}
	metric("started_timestamp_seconds", "When the last deploy started.", unix(start))
	metric("info", "The last deploy.", "1", pair{"deploy_id", m.DeployID}, pair{"version", m.Version}, pair{"commit", m.Commit}, pair{"digest", m.Digest})
	if m.Verdict != "" {
		if end.IsZero() {
			end = time.Now()
		}
		metric("ended_timestamp_seconds", "When the last deploy had its verdict.", unix(end))
		metric("verdict", "The verdict on the last deploy.", "1", pair{"verdict", m.Verdict}, pair{"reason", m.Reason})
	}
	return []byte(b.String())
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

var pushgatewayHints = map[int]string{
	http.StatusUnauthorized: "give username and password, or token, as the Pushgateway or the proxy before it asks for",
	http.StatusForbidden:    "the proxy before the Pushgateway refuses this login",
	http.StatusNotFound:     "check the url: it ends where the Pushgateway begins, before /metrics",
	http.StatusBadRequest:   "another job may push a metric of the same name with another type or help",
}
