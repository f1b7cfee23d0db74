package sink

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

const apiKey = "dd-key-0123456789"

func datadogInProcess(t *testing.T, f *fake.Datadog, key string, tags ...string) *datadog {
	t.Helper()
	s, err := buildDatadog(fill(datadogOptions{Site: "datadoghq.eu", APIKey: httpx.NewSecret(key), Tags: tags}))
	if err != nil {
		t.Fatal(err)
	}
	d := s.(*datadog)
	if d.api.URL() != "https://api.datadoghq.eu" {
		t.Fatal(d.api.URL())
	}
	d.api, err = httpx.New(httpx.Remote{URL: d.api.URL()}, httpx.WithHeader("DD-API-KEY", httpx.NewSecret(key)), httpx.WithNetwork(f))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatadogOpenAndSeal(t *testing.T) {
	for verdict, alert := range map[string]string{"pass": "success", "rollback": "error", "hold": "error", "deploy-failed": "error", "inconclusive": "warning", "aborted": "warning"} {
		bubble(t, verdict, func(t *testing.T, ctx context.Context) {
			f := fake.NewDatadog(apiKey)
			d := datadogInProcess(t, f, apiKey, "team:shop")
			m := marker()
			id, err := d.Open(ctx, m)
			if err != nil || id != "7000000000000000000" {
				t.Fatalf("%q %v", id, err)
			}
			m = sealed(m, verdict)
			if err := d.Seal(ctx, id, m); err != nil {
				t.Fatal(err)
			}
			es := f.Events()
			if len(es) != 2 || es[0].AlertType != "info" || es[1].AlertType != alert || es[0].AggregationKey != m.DeployID || es[1].AggregationKey != m.DeployID {
				t.Fatalf("%+v", es)
			}
			if es[0].DateHappened != m.Started.Unix() || es[1].DateHappened != m.Ended.Unix() {
				t.Errorf("times %d %d", es[0].DateHappened, es[1].DateHappened)
			}
			want := []string{"deploy-id:" + m.DeployID, "verdict:" + verdict, "service:checkout", "env:production", "version:v2.4.0", "team:shop", "source:bakegate"}
			if !slices.Equal(es[1].Tags, want) || es[1].Title != "deploy of checkout v2.4.0 to production: "+verdict {
				t.Errorf("%q %q", es[1].Title, es[1].Tags)
			}
		})
	}
}

// An event whose fate is not known is not sent again; one that was surely refused is.
func TestDatadogAtMostOnce(t *testing.T) {
	tests := []struct {
		name      string
		prepare   func(f *fake.Datadog)
		events    int
		posts     int
		uncertain bool
		fails     string // "" for success
		hint      string
	}{
		{"taken, reply lost", func(f *fake.Datadog) { f.Fail(fake.Fault{Hang: true, After: true}) }, 1, 1, true, "no answer within 10s", ""},
		{"hangs", func(f *fake.Datadog) { f.Fail(fake.Fault{Hang: true}) }, 0, 1, true, "no answer within 10s", ""},
		{"500", func(f *fake.Datadog) { f.FailNext(500, 1) }, 0, 1, true, "HTTP 500", ""},
		{"500 behind it", func(f *fake.Datadog) { f.Fail(fake.Fault{Status: 500, After: true}) }, 1, 1, true, "HTTP 500", ""},
		{"429 until the reset", func(f *fake.Datadog) { f.LimitRate(0, 12*time.Second) }, 1, 2, false, "", ""},
		{"429 for longer than anybody waits", func(f *fake.Datadog) { f.LimitRate(0, time.Hour) }, 0, 1, false, "HTTP 429", "more events than Datadog takes"},
		{"200 from something else", func(f *fake.Datadog) { f.Fail(fake.Fault{Status: 200, Body: `{"hello":1}`}) }, 0, 1, true, "is this Datadog?", ""},
		{"a login page", func(f *fake.Datadog) {
			f.Fail(fake.Fault{Status: 200, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}})
		}, 0, 1, true, "a login page", ""},
		{"400", func(f *fake.Datadog) { f.Fail(fake.Fault{Status: 400, Body: `{"errors":["bad"]}`}) }, 0, 1, false, "HTTP 400", ""},
		{"the wrong key", func(f *fake.Datadog) { *f = *fake.NewDatadog("another") }, 0, 1, false, "the api-key was refused", "https://api.datadoghq.eu"},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T, ctx context.Context) {
			f := fake.NewDatadog(apiKey)
			tt.prepare(f)
			_, err := datadogInProcess(t, f, apiKey).Open(ctx, marker())
			if (err == nil) != (tt.fails == "") || err != nil && (!strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), apiKey)) {
				t.Errorf("got %v, want %q", err, tt.fails)
			}
			if Uncertain(err) != tt.uncertain {
				t.Errorf("uncertain %v, want %v", Uncertain(err), tt.uncertain)
			}
			if len(f.Events()) != tt.events || f.Count("POST") != tt.posts {
				t.Errorf("%d events of %d POSTs, want %d of %d", len(f.Events()), f.Count("POST"), tt.events, tt.posts)
			}
			var h *Hinted
			if tt.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint, tt.hint)) {
				t.Errorf("hint of %v, want %q", err, tt.hint)
			}
		})
	}
}

func TestDatadogOld(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewDatadog(apiKey)
		d := datadogInProcess(t, f, apiKey)
		m := marker()
		m.Started = time.Now().Add(-40 * time.Hour)
		id, err := d.Open(ctx, m)
		var w *Warning
		if !errors.As(err, &w) || id == "" || !strings.Contains(w.Text, "1999-12-30T08:00:00Z") {
			t.Fatalf("%q %v", id, err)
		}
		if e := f.Events(); len(e) != 1 || time.Since(time.Unix(e[0].DateHappened, 0)) >= 18*time.Hour || !strings.Contains(e[0].Text, w.Text) {
			t.Errorf("%+v", e)
		}
		m.Started = time.Time{}
		if _, err := d.Open(ctx, m); err != nil || f.Events()[1].DateHappened != time.Now().Unix() {
			t.Errorf("%v %+v", err, f.Events())
		}
	})
}

func TestDatadogInjection(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewDatadog(apiKey)
		d := datadogInProcess(t, f, apiKey)
		m := sealed(marker(), "hold")
		m.Service = "shop,env:staging\nverdict:pass %%%%% @pagerduty"
		m.DeployID = strings.Repeat("id,", 100)
		m.Actor = "@slack-alerts"
		m.Commit = strings.Repeat("@", 3000)
		m.Summary = strings.Repeat("é%%%", 3000)
		m.Repository = strings.Repeat("r", 3000)
		m.Version = strings.Repeat("v", 3000)
		if err := d.Seal(ctx, "", m); err != nil {
			t.Fatal(err)
		}
		e := f.Events()[0]
		if strings.Contains(e.Text+e.Title, "@") || strings.Contains(e.Text+e.Title, "%%%") || len(e.Text) > 4000 || len(e.AggregationKey) > 100 {
			t.Errorf("%+v", e)
		}
		if len(e.Tags) != 6 {
			t.Errorf("tags %q", e.Tags)
		}
		for _, tag := range e.Tags {
			if strings.ContainsAny(tag, ",\n") || len(tag) > 200 || tag == "verdict:pass" {
				t.Errorf("tag %q", tag)
			}
		}
	})
}

func TestDatadogOptions(t *testing.T) {
	key := httpx.NewSecret(apiKey)
	for want, o := range map[string]datadogOptions{
		"api-key is missing":                {Site: "datadoghq.com"},
		"site is missing, want one of data": {APIKey: key},
		"both given":                        {APIKey: key, Site: "datadoghq.com", Remote: httpx.Remote{URL: "https://x"}},
		`did you mean "datadoghq.eu"`:       {APIKey: key, Site: "https://app.datadoghq.eu/account"},
		`did you mean "us5.datadoghq.com"`:  {APIKey: key, Site: "us5"},
		`did you mean "datadoghq.com"`:      {APIKey: key, Site: "datadog.com"},
		`did you mean "ap1.datadoghq.com"`:  {APIKey: key, Site: "ap1.datadohq.com"},
		"a site that is newer than":         {APIKey: key, Site: "evil.example"},
		"is plain http":                     {APIKey: key, Remote: httpx.Remote{URL: "http://evil.example"}},
		"without commas":                    {APIKey: key, Site: "datadoghq.com", Tags: []string{"a,b"}},
	} {
		if _, err := buildDatadog(fill(o)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), apiKey) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, site := range datadogSites {
		if _, err := buildDatadog(fill(datadogOptions{Site: site, APIKey: key})); err != nil {
			t.Errorf("%s: %v", site, err)
		}
	}
}

func FuzzContent(f *testing.F) {
	f.Add("a,b\nverdict:pass", "@x %%% <b>", "id")
	f.Fuzz(func(t *testing.T, service, summary, id string) {
		m := Marker{DeployID: id, Service: service, Summary: summary, Version: summary, Actor: service, RunURL: summary, Verdict: "hold"}
		if deployTag(m) == "" || tagValue(deployTag(m), 90) != deployTag(m) {
			t.Errorf("deploy tag %q", deployTag(m))
		}
		w := (&grafana{}).write(m)
		n := 1
		for _, tag := range w.Tags {
			n += len(tag) + 3
			if strings.ContainsAny(tag, ",\n") || len(tag) > grafanaTag || tag == "verdict:pass" {
				t.Errorf("tag %q", tag)
			}
		}
		if n > grafanaAllTags || len(w.Text) > grafanaText || w.Text == "" || !slices.Contains(w.Tags, "verdict:hold") {
			t.Errorf("%d %+v", n, w)
		}
		if text := datadogBody(m, nil); len(text) > datadogText || strings.ContainsAny(text, "@") || strings.Contains(text, "%%%") {
			t.Errorf("text %q", text)
		}
		_ = nearestSite(service)
	})
}
