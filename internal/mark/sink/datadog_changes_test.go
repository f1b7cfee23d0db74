package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// hosts writes down which host each path is asked of.
type hosts struct {
	to   http.RoundTripper
	seen []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.seen = append(h.seen, r.Method+" "+r.URL.String()+" "+fmt.Sprint(r.Header.Get("DD-API-KEY") != "", r.Header.Get("DD-APPLICATION-KEY") != ""))
	return h.to.RoundTrip(r)
}

// The changes are an event of their own, in the place where Datadog takes it, with the key of the block.
func TestDatadogChanges(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, err := buildDatadog(fill(datadogOptions{Site: "datadoghq.eu", APIKey: httpx.NewSecret(apiKey), Changes: true, Tags: []string{"team:shop"}}))
		good(t, "build", err)
		f := fake.NewDatadog(apiKey)
		h := &hosts{to: f}
		good(t, "network", k.(*datadog).over(h))
		m := marker()
		id, err := k.Open(ctx, m)
		good(t, "open", err)
		good(t, "seal", k.Seal(ctx, id, sealed(m, "pass")))
		want := []string{"POST https://api.datadoghq.eu/api/v1/events true false", "POST https://event-management-intake.datadoghq.eu/api/v2/events true false", "POST https://api.datadoghq.eu/api/v1/events true false"}
		if !slices.Equal(h.seen, want) {
			t.Errorf("%q", h.seen)
		}
		all := f.Changes()
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		c, a := all[0], all[0].Attributes
		if c.Title != "configuration of checkout in production: 3 changes" || c.AggregationKey != m.DeployID || c.Timestamp != m.Started.UTC().Format("2006-01-02T15:04:05.000Z") ||
			!slices.Equal(c.Tags, []string{"deploy-id:" + m.DeployID, "service:checkout", "env:production", "version:v2.4.0", "source:bakegate", "team:shop"}) {
			t.Errorf("%+v", c)
		}
		if a.Author != (fake.ChangeParty{Name: "ann", Type: "user"}) || a.Changed != (fake.ChangeParty{Name: "checkout/production", Type: "configuration"}) ||
			!slices.Equal(a.Impacted, []fake.ChangeParty{{Name: "checkout", Type: "service"}}) {
			t.Errorf("%+v", a)
		}
		if !maps.Equal(a.PrevValue, map[string]any{"Deployment/checkout:spec.replicas": "2", "Secret/checkout:data.key": "[secret]"}) ||
			!maps.Equal(a.NewValue, map[string]any{"Deployment/checkout:spec.replicas": "1", "ConfigMap/checkout:data.TIMEOUT": "1s", "Secret/checkout:data.key": "[secret changed]"}) {
			t.Errorf("%v -> %v", a.PrevValue, a.NewValue)
		}
		if !strings.Contains(c.Message, "previous: deploy/staging\ntarget: deploy/production\n") || !strings.HasSuffix(c.Message, "ConfigMap/checkout:data.TIMEOUT: (none) -> 1s\nSecret/checkout:data.key: [secret] -> [secret changed]") {
			t.Errorf("%s", c.Message)
		}
	})
}

// It is sent where the option says so and something changed, and what becomes of it changes nothing of the deploy's event.
func TestDatadogChangesSent(t *testing.T) {
	tests := []struct {
		name    string
		off     bool
		none    bool
		prepare func(f *fake.Datadog)
		changes int
		fails   string
		warns   string
	}{
		{"on", false, false, nil, 1, "", ""},
		{"off", true, false, nil, 0, "", ""},
		{"nothing changed", false, true, nil, 0, "", ""},
		{"refused", false, false, func(f *fake.Datadog) { f.Fail(fake.Fault{Path: "/api/v2/", Status: 403}) }, 0, "", "HTTP 403"},
		{"fate not known", false, false, func(f *fake.Datadog) { f.Fail(fake.Fault{Path: "/api/v2/", Hang: true, After: true}) }, 1, "", "no answer within 10s"},
		{"another service's 200", false, false, func(f *fake.Datadog) { f.Fail(fake.Fault{Path: "/api/v2/", Status: 200, Body: "{}"}) }, 0, "", "is this Datadog?"},
		{"the deploy's event is refused: a rerun tells both", false, false, func(f *fake.Datadog) { f.Fail(fake.Fault{Path: "/api/v1/", Status: 403}) }, 0, "HTTP 403", ""},
		{"the fate of the deploy's event is not known: no rerun will tell it", false, false, func(f *fake.Datadog) { f.Fail(fake.Fault{Path: "/api/v1/", Status: 500}) }, 1, "HTTP 500", ""},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T, ctx context.Context) {
			s := conformance[map[bool]string{false: "datadog with changes", true: "datadog"}[tt.off]]
			k, tool := s.make(t)
			f := tool.(*fake.Datadog)
			if tt.prepare != nil {
				tt.prepare(f)
			}
			m := marker()
			if tt.none {
				m.Changes.Changes = nil
			}
			_, err := k.Open(ctx, m)
			var w *Warning
			switch warned := errors.As(err, &w); {
			case tt.warns != "" && (!warned || !strings.Contains(w.Text, tt.warns) || !strings.Contains(w.Hint, "https://tool.example")):
				t.Errorf("got %v, want the warning %q", err, tt.warns)
			case tt.fails != "" && (warned || err == nil || !strings.Contains(err.Error(), tt.fails)):
				t.Errorf("got %v, want %q", err, tt.fails)
			case tt.warns == "" && tt.fails == "" && err != nil:
				t.Error(err)
			}
			if n := len(f.Changes()); n != tt.changes {
				t.Errorf("%d change events, want %d", n, tt.changes)
			}
		})
	}
}

// Many and long changes are bounded; what is left out is said.
func TestDatadogChangesBounds(t *testing.T) {
	for _, tt := range []struct{ changes, long, shown int }{{100, 1, 100}, {101, 1, 100}, {3000, 200, 60}, {2, 1000, 2}} {
		bubble(t, fmt.Sprint(tt), func(t *testing.T, ctx context.Context) {
			k, f := conformance["datadog with changes"].make(t)
			m := marker()
			m.Started = time.Now().Add(-40 * time.Hour)
			m.Service, m.Environment, m.Actor = strings.Repeat("s", 300), strings.Repeat("e", 300), strings.Repeat("a", 300)
			m.Changes.Changes = nil
			for i := range tt.changes {
				long := strings.Repeat("é", tt.long/2+1)
				m.Changes.Changes = append(m.Changes.Changes, Change{fmt.Sprint("a", i, "/", long), long + "1", long + "2"})
			}
			_, err := k.Open(ctx, m)
			var w *Warning
			if err != nil && !errors.As(err, &w) {
				t.Fatal(err)
			}
			c := f.(*fake.Datadog).Changes()[0]
			if len(c.Attributes.NewValue) != tt.shown || len(c.Attributes.PrevValue) != tt.shown {
				t.Errorf("%d and %d changes, want %d", len(c.Attributes.PrevValue), len(c.Attributes.NewValue), tt.shown)
			}
			if n := len(f.Requests()[1].Body); n > 80_000 {
				t.Errorf("%d bytes", n)
			}
		})
	}
}

func TestIntakeURL(t *testing.T) {
	for api, want := range map[string]string{"https://api.us5.datadoghq.com": "https://event-management-intake.us5.datadoghq.com", "https://api.new.example/": "https://event-management-intake.new.example/",
		"http://127.0.0.1:8080/dd": "http://127.0.0.1:8080/dd"} {
		if got := intakeURL(api); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
}

// Whatever a configuration holds, the event is one that Datadog takes, and nobody is mentioned.
func FuzzChanges(f *testing.F) {
	f.Add("Deployment/x:spec.image", "a@sha256:1", "", "svc")
	f.Add("@all %%%", "\n", "\xff", "")
	f.Fuzz(func(t *testing.T, where, from, to, service string) {
		m := Marker{DeployID: "x", Service: service, Environment: to, Actor: from, Changes: Configuration{Previous: where, Changes: []Change{{where, from, to}, {from, to, where}}}}
		e, left := (&datadog{}).changeEvent(m)
		if strings.Contains(e.Title+e.Message, "@") || strings.Contains(e.Title+e.Message, "%%%") || len(e.Title) > changeTitle || len(e.Message) > changeText ||
			len(e.Attributes.Changed.Name) > changeName || e.Attributes.Changed.Name == "" || e.Attributes.Author.Name == "" || left > 1 {
			t.Errorf("%+v", e)
		}
	})
}
