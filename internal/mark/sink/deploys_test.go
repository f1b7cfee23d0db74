package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// tellAll makes the sink of a fake, and tells it a deploy from start to end.
func tellAll(t *testing.T, ctx context.Context, name, verdict string) (Marker, tool) {
	t.Helper()
	k, f := conformance[name].make(t)
	m := marker()
	id, err := k.Open(ctx, m)
	good(t, "open", err)
	m = sealed(m, verdict)
	good(t, "seal", k.Seal(ctx, id, m))
	return m, f
}

func TestPagerDuty(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		m, f := tellAll(t, ctx, "pagerduty", "rollback")
		marks := f.Marks()
		for i, want := range []string{`"timestamp":"` + stamp(m.Started), `"timestamp":"` + stamp(m.Ended)} {
			if !strings.Contains(marks[i], want) {
				t.Errorf("%s is not in %s", want, marks[i])
			}
		}
		if !strings.Contains(string(f.Requests()[1].Body), `"links":[{"href":"https://ci.example/1?a=b\u0026c=d","text":"pipeline run"}]`) || !strings.Contains(marks[1], ": rollback") {
			t.Errorf("%s", f.Requests()[1].Body)
		}
	})
}

// GraphQL refuses in a 200, and it is certain; what is older than a day is told at the oldest time.
func TestNewRelic(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["newrelic"].make(t)
		m := marker()
		m.Started = time.Now().Add(-40 * time.Hour)
		id, err := k.Open(ctx, m)
		var w *Warning
		if !errors.As(err, &w) || id != "ct-1" || !strings.Contains(w.Text, "24 h") {
			t.Errorf("%q %v", id, err)
		}
		if got := shown(t, f, 1); !strings.Contains(got, `"version":"v2.4.0"`) || !strings.Contains(got, `"commit":"c0ffee"`) || !strings.Contains(got, `"group":"`+m.DeployID) {
			t.Error(got)
		}
		k.(*newrelic).options.Entity = "another0"
		var h *Hinted
		if _, err := k.Open(ctx, marker()); !errors.As(err, &h) || Uncertain(err) || !strings.Contains(err.Error(), "No entity found") {
			t.Errorf("%v", err)
		}
	})
}

func TestHoneycomb(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		m, f := tellAll(t, ctx, "honeycomb", "rollback")
		got := f.(*fake.Honeycomb).Markers()[0]
		want := fake.HoneycombMarker{ID: "000001", Start: m.Started.Unix(), End: m.Ended.Unix(), Type: "deploy", URL: m.RunURL,
			Message: "deploy of checkout v2.4.0 to production: rollback; rollback/errors; 3.1% of requests fail (" + m.DeployID + ")"}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		// The id that Open gave is not there any more.
		k, f := conformance["honeycomb"].make(t)
		good(t, "seal", k.Seal(ctx, "abcdef", m))
		shown(t, f, 1)
	})
}

func TestSentry(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		m, f := tellAll(t, ctx, "sentry", "inconclusive")
		marks := f.Marks()
		var d fake.SentryDeploy
		if err := json.Unmarshal([]byte(marks[1]), &d); err != nil {
			t.Fatal(err)
		}
		if marks[0] != "release v2.4.0" || d.Started != stamp(m.Started) || d.Finished != stamp(m.Ended) || d.Environment != "production" || d.Name != "inconclusive "+m.DeployID {
			t.Errorf("%q %+v", marks[0], d)
		}
		k, f := conformance["sentry"].make(t)
		for _, bad := range []string{"", "a/b", "latest", ".", strings.Repeat("v", 201)} {
			m.Version = bad
			if _, err := k.Open(ctx, m); err == nil || Uncertain(err) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if f.Count("") != 0 {
			t.Error("something was sent")
		}
		k.(*sentry).options.Package = "shop"
		m.Version, m.DeployID = "v1", strings.Repeat("long-", 20)
		good(t, "seal", k.Seal(ctx, "", m))
		if got := shown(t, f, 2); !strings.Contains(got, "release shop@v1") {
			t.Error(got)
		}
	})
}

func TestPushgateway(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		m, f := tellAll(t, ctx, "pushgateway", "rollback")
		all := shown(t, f, 1)
		for _, want := range []string{"/metrics/job/bakegate/service/checkout/environment/production\n",
			fmt.Sprintf("\nbakegate_deploy_started_timestamp_seconds{} %d.000\n", m.Started.Unix()), fmt.Sprintf("\nbakegate_deploy_ended_timestamp_seconds{} %d.000\n", m.Ended.Unix()),
			`bakegate_deploy_info{deploy_id="` + m.DeployID + `",version="v2.4.0",commit="c0ffee",digest="sha256:aa"} 1`, `bakegate_deploy_verdict{verdict="rollback",reason="rollback/errors"} 1`} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is not in %s", want, all)
			}
		}
		k, f := conformance["pushgateway"].make(t)
		var w *Warning
		if err := k.Seal(ctx, "", sealed(marker(), "superseded")); !errors.As(err, &w) || f.Count("") != 0 {
			t.Errorf("the metrics of the deploy that took over were replaced: %v", err)
		}
	})
}

func TestPushgatewayLabel(t *testing.T) {
	for value, want := range map[string]string{"checkout": "/s/checkout", "": "/s@base64/=", "a/b": "/s@base64/YS9i", "..": "/s@base64/Li4", "é": "/s@base64/w6k"} {
		if got := pushgatewayLabel("s", value); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func TestDeployOptions(t *testing.T) {
	key, there := httpx.NewSecret(secretToken), at("https://x.example")
	for want, build := range map[string]func() (Sink, error){
		"routing-key is missing": func() (Sink, error) { return buildPagerDuty(fill(pagerdutyOptions{})) },
		`region "mars"`:          func() (Sink, error) { return buildPagerDuty(fill(pagerdutyOptions{RoutingKey: key, Region: "mars"})) },
		"both given": func() (Sink, error) {
			return buildPagerDuty(fill(pagerdutyOptions{RoutingKey: key, Region: "eu", Remote: there}))
		},
		"want a user key":  func() (Sink, error) { return buildNewRelic(fill(newrelicOptions{Entity: "MTIzNDU2Nzg5"})) },
		"is not a guid":    func() (Sink, error) { return buildNewRelic(fill(newrelicOptions{APIKey: key, Entity: "x' OR '1"})) },
		"Manage Markers":   func() (Sink, error) { return buildHoneycomb(fill(honeycombOptions{Dataset: "x", Type: "y"})) },
		"dataset \"a/b\"":  func() (Sink, error) { return buildHoneycomb(fill(honeycombOptions{APIKey: key, Dataset: "a/b"})) },
		"type \"\"":        func() (Sink, error) { return buildHoneycomb(fill(honeycombOptions{APIKey: key, Dataset: "x"})) },
		"token is missing": func() (Sink, error) { return buildSentry(fill(sentryOptions{})) },
		"is not a slug":    func() (Sink, error) { return buildSentry(fill(sentryOptions{Token: key, Organization: "a/b"})) },
		"projects is":      func() (Sink, error) { return buildSentry(fill(sentryOptions{Token: key, Organization: "a"})) },
		"job \"a/b\"":      func() (Sink, error) { return buildPushgateway(fill(pushgatewayOptions{Remote: there, Job: "a/b"})) },
		"given twice": func() (Sink, error) {
			return buildPushgateway(fill(pushgatewayOptions{Remote: there, Job: "a", Token: key, Username: "u", Password: key}))
		},
	} {
		if _, err := build(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretToken) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if s, err := buildPagerDuty(fill(pagerdutyOptions{RoutingKey: key, Region: "eu"})); err != nil || s.(*pagerduty).api.URL() != "https://events.eu.pagerduty.com" {
		t.Error(err)
	}
}
