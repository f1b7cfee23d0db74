package sink

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// tool is what the conformance tests ask of a fake.
type tool interface {
	http.RoundTripper
	Fail(fake.Fault)
	Count(method string) int
	Requests() []fake.Request
	Marks() []string
}

// subject is one sink and the tool it talks to.
type subject struct {
	build          Build
	options        any
	tool           func() tool
	opened, sealed int      // markers that the tool shows after Open, and after Seal
	method         string   // by which it makes a marker
	verdict        string   // how the tool shows that it is to be rolled back
	sealing        string   // the path by which Seal makes a marker, where it makes others too
	keyed          bool     // it can't find a marker, but its messages carry ids that are the same in every run
	anonymous      bool     // the tool shows no deploy id
	picky          bool     // refuses what hostile texts are, for certain
	forbidden      []string // what hostile text must not become
}

// conformance are all sinks that talk to a tool over HTTP.
var conformance = map[string]subject{
	"grafana": {build: buildGrafana, options: grafanaOptions{Remote: at("https://tool.example"), Token: httpx.NewSecret(secretToken)},
		tool: func() tool { return fake.NewGrafana(secretToken) }, opened: 1, sealed: 1, method: "POST", forbidden: []string{"<script", "<img"}},
	"datadog": {build: buildDatadog, options: datadogOptions{Remote: at("https://tool.example"), APIKey: httpx.NewSecret(secretToken)},
		tool: func() tool { return fake.NewDatadog(secretToken) }, opened: 1, sealed: 2, method: "POST", forbidden: []string{"@", "%%%"}},
	"slack": {build: buildSlack, options: slackOptions{Webhook: httpx.NewSecret("https://tool.example/services/T0/B0/" + secretToken)},
		tool: func() tool { return fake.NewSlack("/services/T0/B0/" + secretToken) }, opened: 1, sealed: 2, method: "POST", forbidden: []string{"<!", "<@", "<script", "<x"}},
	"teams": {build: buildTeams, options: teamsOptions{Webhook: httpx.NewSecret("https://tool.example/workflows/1/invoke?api-version=1&sig=" + secretToken)},
		tool: func() tool { return fake.NewTeams(secretToken) }, opened: 1, sealed: 2, method: "POST", forbidden: []string{"\"TextBlock\"", "{{", "<at>", "@{"}},
	"otlp": {build: buildOTLP, options: otlpOptions{Remote: at("https://tool.example/otlp/v1/traces"), Token: httpx.NewSecret(secretToken)},
		tool: func() tool { return fake.NewOTLP("/otlp", secretToken) }, opened: 0, sealed: 1, method: "POST", keyed: true},
	"pagerduty": {build: buildPagerDuty, options: pagerdutyOptions{Remote: at("https://tool.example"), RoutingKey: httpx.NewSecret(secretToken)},
		tool: func() tool { return fake.NewPagerDuty(secretToken) }, opened: 1, sealed: 2, method: "POST"},
	"newrelic": {build: buildNewRelic, options: newrelicOptions{Remote: at("https://tool.example"), APIKey: httpx.NewSecret(secretToken), Entity: "MTIzNDU2Nzg5"},
		tool: func() tool { return fake.NewNewRelic(secretToken, "MTIzNDU2Nzg5") }, opened: 1, sealed: 2, method: "POST", verdict: "ROLLBACK"},
	"honeycomb": {build: buildHoneycomb, options: honeycombOptions{Remote: at("https://tool.example"), APIKey: httpx.NewSecret(secretToken), Dataset: "shop", Type: "deploy"},
		tool: func() tool { return fake.NewHoneycomb(secretToken, "shop") }, opened: 1, sealed: 1, method: "POST"},
	"sentry": {build: buildSentry, options: sentryOptions{Remote: at("https://tool.example"), Token: httpx.NewSecret(secretToken), Organization: "acme", Projects: []string{"checkout"}},
		tool: func() tool { return fake.NewSentry("acme", "checkout", secretToken) }, opened: 1, sealed: 2, method: "POST", picky: true, sealing: "/api/0/organizations/acme/releases/v2.4.0/deploys"},
	"pushgateway": {build: buildPushgateway, options: pushgatewayOptions{Remote: at("https://tool.example"), Token: httpx.NewSecret(secretToken), Job: "bakegate"},
		tool: func() tool { return fake.NewPushgateway(secretToken) }, opened: 1, sealed: 1, method: "PUT"},
	"github": {build: buildGitHub, options: githubOptions{Remote: at("https://tool.example"), Token: httpx.NewSecret(secretToken), Repository: "acme/checkout"},
		tool: func() tool { return fake.NewGitHub("acme/checkout", secretToken) }, opened: 1, sealed: 1, method: "POST"},
	"gitlab": {build: buildGitLab, options: gitlabOptions{Remote: at("https://tool.example"), Token: httpx.NewSecret(secretToken), Project: "acme/checkout"},
		tool: func() tool { return fake.NewGitLab("acme/checkout", secretToken) }, opened: 1, sealed: 1, method: "POST", verdict: `"failed"`, anonymous: true},
	"cdevents": {build: buildCDEvents, options: cdeventsOptions{Remote: at("https://tool.example/events"), Token: httpx.NewSecret(secretToken), Mode: "binary", Source: "bakegate"},
		tool: func() tool { return fake.NewCDEvents(secretToken) }, opened: 1, sealed: 3, method: "POST", keyed: true},
	"cdevents structured": {build: buildCDEvents, options: cdeventsOptions{Remote: at("https://tool.example/events"), Token: httpx.NewSecret(secretToken), Mode: "structured", Source: "bakegate"},
		tool: func() tool { return fake.NewCDEvents(secretToken) }, opened: 1, sealed: 3, method: "POST", keyed: true},
	"datadog with dora": {build: buildDatadog, options: datadogOptions{Remote: at("https://tool.example"), APIKey: httpx.NewSecret(secretToken), AppKey: httpx.NewSecret("app-" + secretToken), DORA: true},
		tool: func() tool { return fake.NewDatadog(secretToken) }, opened: 1, sealed: 2, method: "POST", forbidden: []string{"@", "%%%"}},
	"datadog with changes": {build: buildDatadog, options: datadogOptions{Remote: at("https://tool.example"), APIKey: httpx.NewSecret(secretToken), Changes: true},
		tool: func() tool { return fake.NewDatadog(secretToken) }, opened: 2, sealed: 3, method: "POST", forbidden: []string{"@", "%%%"}},
	"webhook": {build: buildWebhook, options: webhookOptions{Remote: at("https://tool.example/hooks/deploy"), Token: httpx.NewSecret(secretToken), Secret: httpx.NewSecret(secretToken)},
		tool: func() tool { return fake.NewWebhook(secretToken, secretToken) }, opened: 1, sealed: 2, method: "POST", keyed: true},
}

// secretToken is every tool's secret here; it must not be seen in any message.
const secretToken = "s3cr3t-0123456789abcdef"

func at(url string) httpx.Remote { return httpx.Remote{URL: url} }

// over puts a network in process under a sink, where the clock of a synctest bubble counts.
func (l *link) over(rt http.RoundTripper) (err error) {
	l.api, err = httpx.New(l.remote, append(slices.Clone(l.with), httpx.WithNetwork(rt))...)
	return err
}

// over does it for both of Datadog's hosts.
func (d *datadog) over(rt http.RoundTripper) error {
	if d.intake.api != nil {
		if err := d.intake.over(rt); err != nil {
			return err
		}
	}
	return d.link.over(rt)
}

// own refuses to reach any host but the tool's.
type own struct {
	t  *testing.T
	to http.RoundTripper
}

func (o own) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "tool.example" {
		o.t.Errorf("%s got a request", r.URL.Host)
	}
	return o.to.RoundTrip(r)
}

func (s subject) make(t *testing.T) (Sink, tool) {
	t.Helper()
	k, err := s.build(fill(s.options))
	if err != nil {
		t.Fatal(err)
	}
	f := s.tool()
	if err := k.(interface{ over(http.RoundTripper) error }).over(own{t, f}); err != nil {
		t.Fatal(err)
	}
	return k, f
}

// tell makes the first message that the tool gets of a deploy.
func (s subject) tell(ctx context.Context, k Sink) error {
	if k.Traits().AtEnd {
		return k.Seal(ctx, "", sealed(marker(), "rollback"))
	}
	_, err := k.Open(ctx, marker())
	return err
}

// first is how many markers tell makes.
func (s subject) first() int {
	if s.opened == 0 {
		return s.sealed
	}
	return s.opened
}

// each runs a test over every sink.
func each(t *testing.T, f func(t *testing.T, ctx context.Context, s subject)) {
	for _, name := range names() {
		bubble(t, name, func(t *testing.T, ctx context.Context) {
			f(t, ctx, conformance[name])
		})
	}
}

func names() []string {
	var all []string
	for n := range conformance {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
