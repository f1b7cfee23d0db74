package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

const token = "glsa_0123456789"

// fill is a decode that sets the options to what is given.
func fill(options any) func(any) error {
	return func(target any) error {
		reflect.ValueOf(target).Elem().Set(reflect.ValueOf(options))
		return nil
	}
}

// inProcess makes the sink of a fake, without a network, so that the clock of a synctest bubble counts.
func inProcess(t *testing.T, f *fake.Grafana, o grafanaOptions) *grafana {
	t.Helper()
	o.URL, o.Token = "https://grafana.example/sub", httpx.NewSecret(token)
	s, err := buildGrafana(fill(o))
	if err != nil {
		t.Fatal(err)
	}
	g := s.(*grafana)
	if g.api, err = httpx.New(o.Remote, httpx.WithBearer(o.Token), httpx.WithNetwork(prefix{"/sub", f})); err != nil {
		t.Fatal(err)
	}
	return g
}

// prefix is a proxy in front of Grafana.
type prefix struct {
	path string
	to   http.RoundTripper
}

func (p prefix) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.URL.Path = strings.TrimPrefix(in.URL.Path, p.path)
	return p.to.RoundTrip(in)
}

func marker() Marker {
	return Marker{DeployID: "checkout-production-0123456789ab", Service: "checkout", Environment: "production", Version: "v2.4.0",
		Image: "ghcr.io/acme/checkout@sha256:aa", Digest: "sha256:aa", Commit: "c0ffee", RunURL: "https://ci.example/1?a=b&c=d", Actor: "ann",
		Started: time.Now().Add(-time.Minute), Changes: Configuration{Previous: "deploy/staging", Target: "deploy/production",
			Changes: []Change{{"Deployment/checkout:spec.replicas", "2", "1"}, {"ConfigMap/checkout:data.TIMEOUT", "", "1s"}, {"Secret/checkout:data.key", "[secret]", "[secret changed]"}}}}
}

func sealed(m Marker, verdict string) Marker {
	m.Ended, m.Verdict, m.Reason, m.Summary = m.Started.Add(15*time.Minute), verdict, verdict+"/errors", "3.1% of requests fail"
	return m
}

// bubble runs a test in which time costs nothing.
func bubble(t *testing.T, name string, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
			defer stop()
			f(t, ctx)
		})
	})
}

// only is the one annotation that there must be.
func only(t *testing.T, f *fake.Grafana) fake.Annotation {
	t.Helper()
	all := f.Annotations()
	if len(all) != 1 {
		t.Fatalf("%d annotations, want one: %+v", len(all), all)
	}
	return all[0]
}

func TestGrafanaOpenAndSeal(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		f.AddDashboard("shop")
		g := inProcess(t, f, grafanaOptions{Dashboard: "shop", Panel: 2, Tags: []string{"team:shop"}})
		m := marker()
		id, err := g.Open(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		a := only(t, f)
		if id != fmt.Sprint(a.ID) || a.Time != m.Started.UnixMilli() || a.TimeEnd != a.Time || a.DashboardUID != "shop" || a.PanelID != 2 {
			t.Errorf("opened %+v", a)
		}
		if want := []string{"deploy-id:" + m.DeployID, "service:checkout", "environment:production", "version:v2.4.0", "team:shop", "deploy"}; !slices.Equal(a.Tags, want) {
			t.Errorf("tags %q, want %q", a.Tags, want)
		}
		m = sealed(m, "rollback")
		if err := g.Seal(ctx, id, m); err != nil {
			t.Fatal(err)
		}
		a = only(t, f)
		if a.Time != m.Started.UnixMilli() || a.TimeEnd != m.Ended.UnixMilli() || !slices.Contains(a.Tags, "verdict:rollback") || a.DashboardUID != "shop" {
			t.Errorf("sealed %+v", a)
		}
		for _, want := range []string{"<b>deploy of checkout v2.4.0 to production: rollback</b>", "reason: rollback/errors", "3.1% of requests fail",
			`<a href="https://ci.example/1?a=b&amp;c=d">pipeline run</a>`, "image: ghcr.io/acme/checkout\n", "digest: sha256:aa"} {
			if !strings.Contains(a.Text, want) {
				t.Errorf("%q is not in the text %q", want, a.Text)
			}
		}
	})
}

// Whatever goes wrong on the way, there is one marker, and it is sealed.
func TestGrafanaNeverTwo(t *testing.T) {
	post := func(f fake.Fault) fake.Fault {
		f.Method, f.Path = "POST", "/api/annotations"
		return f
	}
	tests := []struct {
		name    string
		prepare func(f *fake.Grafana)
		between func(f *fake.Grafana)
		posts   int
		opens   bool // Open succeeds
	}{
		{"nothing goes wrong", nil, nil, 1, true},
		{"500 before it is saved", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Status: 500})) }, nil, 2, true},
		{"500 behind it", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Status: 500, After: true})) }, nil, 1, true},
		{"502 twice, saved the second time", func(f *fake.Grafana) {
			f.Fail(post(fake.Fault{Status: 502}))
			f.Fail(post(fake.Fault{Status: 502, After: true}))
		}, nil, 2, true},
		{"a hang before it is saved", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Hang: true})) }, nil, 2, true},
		{"a hang behind it", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Hang: true, After: true})) }, nil, 1, true},
		{"a reply that is no JSON", func(f *fake.Grafana) {
			f.Fail(post(fake.Fault{Status: 200, After: true, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}))
		}, nil, 1, true},
		{"a reply without an id", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Status: 200, After: true, Body: `{"message":"ok"}`})) }, nil, 1, true},
		{"saved without its tags", func(f *fake.Grafana) { f.LoseTags(1) }, nil, 1, true},
		{"429", func(f *fake.Grafana) {
			f.Fail(post(fake.Fault{Status: 429, Times: 2, Header: http.Header{"Retry-After": {"3"}}}))
		}, nil, 3, true},
		{"the search fails at first", func(f *fake.Grafana) { f.Fail(fake.Fault{Method: "GET", Status: 503, Times: 2}) }, nil, 1, true},
		{"down for the whole of Open", func(f *fake.Grafana) { f.FailNext(503, 4) }, nil, 1, false},
		{"every POST fails", func(f *fake.Grafana) { f.Fail(post(fake.Fault{Status: 500, Times: 3})) }, nil, 4, false},
		{"deleted in between", nil, func(f *fake.Grafana) { f.Delete(1) }, 2, true},
		{"a twin that arrives late", nil, func(f *fake.Grafana) { f.Put(fake.Annotation{Text: "x", Tags: only(t, f).Tags}) }, 1, true},
		{"PATCH fails at first", nil, func(f *fake.Grafana) { f.Fail(fake.Fault{Method: "PATCH", Status: 503, Times: 3}) }, 1, true},
		{"PATCH hangs at first", nil, func(f *fake.Grafana) { f.Fail(fake.Fault{Method: "PATCH", Hang: true, After: true}) }, 1, true},
	}
	for _, tt := range tests {
		for _, known := range []bool{true, false} {
			bubble(t, fmt.Sprintf("%s, id known %v", tt.name, known), func(t *testing.T, ctx context.Context) {
				f := fake.NewGrafana(token)
				g := inProcess(t, f, grafanaOptions{})
				if tt.prepare != nil {
					tt.prepare(f)
				}
				m := marker()
				id, err := g.Open(ctx, m)
				if (err == nil) != tt.opens {
					t.Fatalf("Open: %v", err)
				}
				if tt.between != nil {
					tt.between(f)
				}
				if !known { // the journal is lost: another attempt begins again
					if id, err = g.Open(ctx, m); err != nil {
						t.Fatalf("second Open: %v", err)
					}
					id = id[:0]
				}
				m = sealed(m, "pass")
				if err := g.Seal(ctx, id, m); err != nil {
					t.Fatalf("Seal: %v", err)
				}
				if err := g.Seal(ctx, id, m); err != nil {
					t.Fatalf("second Seal: %v", err)
				}
				a := only(t, f)
				if !slices.Contains(a.Tags, "verdict:pass") || a.Time != m.Started.UnixMilli() || a.TimeEnd != m.Ended.UnixMilli() {
					t.Errorf("not sealed: %+v", a)
				}
				if n := f.Count("POST"); n != tt.posts {
					t.Errorf("%d POSTs, want %d", n, tt.posts)
				}
			})
		}
	}
}

// Attempts at the same time cannot see each other before they send; the twins are merged when one looks again.
func TestGrafanaConcurrent(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		m := marker()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := inProcess(t, f, grafanaOptions{}).Open(ctx, m); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for range 2 {
			if err := inProcess(t, f, grafanaOptions{}).Seal(ctx, "", sealed(m, "pass")); err != nil {
				t.Fatal(err)
			}
		}
		only(t, f)
	})
}

// Another deploy, and what people marked themselves, is left alone.
func TestGrafanaLeavesOthersAlone(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		g := inProcess(t, f, grafanaOptions{})
		m, other := marker(), marker()
		other.DeployID += "-2"
		f.Put(fake.Annotation{Text: "by hand", Tags: []string{"deploy", "service:checkout"}})
		for _, m := range []Marker{m, other} {
			id, err := g.Open(ctx, m)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Seal(ctx, id, sealed(m, "pass")); err != nil {
				t.Fatal(err)
			}
		}
		if all := f.Annotations(); len(all) != 3 || all[0].Text != "by hand" || len(all[0].Tags) != 2 || f.Count("DELETE") != 0 {
			t.Errorf("%+v", all)
		}
	})
}

func TestGrafanaTimes(t *testing.T) {
	bubble(t, "a better start is taken", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		g := inProcess(t, f, grafanaOptions{})
		m := marker()
		m.Started = time.Time{}
		id, err := g.Open(ctx, m)
		if err != nil || only(t, f).Time != time.Now().UnixMilli() {
			t.Fatalf("%v %+v", err, only(t, f))
		}
		m.Started = time.Now().Add(-time.Hour)
		again, err := g.Open(ctx, m)
		if err != nil || again != id || only(t, f).Time != m.Started.UnixMilli() {
			t.Errorf("%v %q %+v", err, again, only(t, f))
		}
	})
	bubble(t, "a better start of a marker that no search found", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		f.LoseTags(1)
		g := inProcess(t, f, grafanaOptions{})
		m := marker()
		id, err := g.Open(ctx, m)
		m.Started = m.Started.Add(-time.Hour)
		again, err2 := g.Open(ctx, m)
		if err != nil || err2 != nil || id != again || only(t, f).Time != m.Started.UnixMilli() {
			t.Errorf("%q %v, then %q %v: %+v", id, err, again, err2, only(t, f))
		}
	})
	bubble(t, "an end before the start", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		g := inProcess(t, f, grafanaOptions{})
		m := sealed(marker(), "pass")
		m.Ended = m.Started.Add(-time.Hour)
		if err := g.Seal(ctx, "", m); err != nil {
			t.Fatal(err)
		}
		if a := only(t, f); a.Time != m.Started.UnixMilli() || a.TimeEnd != a.Time {
			t.Errorf("%+v", a)
		}
	})
}

func TestGrafanaWarns(t *testing.T) {
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf("%02d:%s", i, strings.Repeat("x", 90))
	}
	tests := []struct {
		name    string
		options grafanaOptions
		lose    int
		want    string
	}{
		{"a dashboard that is not there", grafanaOptions{Dashboard: "gone"}, 0, `no dashboard with the uid "gone"`},
		{"too many tags", grafanaOptions{Tags: many}, 0, "tags did not fit"},
		{"changes that get lost", grafanaOptions{}, 1, "does not show it"},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T, ctx context.Context) {
			f := fake.NewGrafana(token)
			f.LosePatches(tt.lose)
			g := inProcess(t, f, tt.options)
			m := marker()
			id, err := g.Open(ctx, m)
			if id == "" {
				t.Fatal(err)
			}
			if s := g.Seal(ctx, id, sealed(m, "pass")); s != nil {
				err = s
			}
			var w *Warning
			if !errors.As(err, &w) || !strings.Contains(w.Text, tt.want) || w.Hint == "" {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if a := only(t, f); !slices.Contains(a.Tags, "deploy-id:"+m.DeployID) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestGrafanaRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(f *fake.Grafana)
		want    string
		hint    string
	}{
		{"a wrong token", func(f *fake.Grafana) { *f = *fake.NewGrafana("another") }, "HTTP 401", "does not know the token"},
		{"a token that may only read", func(f *fake.Grafana) { f.ReadOnly() }, "HTTP 403", "role Editor"},
		{"not Grafana", func(f *fake.Grafana) { f.FailNext(404, 9) }, "HTTP 404", "check the url"},
		{"a login page", func(f *fake.Grafana) {
			f.Fail(fake.Fault{Status: 200, Times: 9, Header: http.Header{"Content-Type": {"text/html"}}})
		}, "a login page", ""},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T, ctx context.Context) {
			f := fake.NewGrafana(token)
			tt.prepare(f)
			g := inProcess(t, f, grafanaOptions{})
			_, err := g.Open(ctx, marker())
			var h *Hinted
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint, tt.hint) || Uncertain(err)) {
				t.Errorf("hint of %v, want %q", err, tt.hint)
			}
			if len(f.Annotations()) != 0 {
				t.Error("something was marked")
			}
		})
	}
}

// What comes from outside stays text: no tag, no line, no HTML of its own.
func TestGrafanaInjection(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		f := fake.NewGrafana(token)
		g := inProcess(t, f, grafanaOptions{})
		m := marker()
		m.DeployID = "a,b: c\nverdict:pass" + strings.Repeat("é", 200)
		m.Service = "shop,verdict:pass\nenvironment:x"
		m.Version = strings.Repeat("v", 3000)
		m.Actor = `<img src=x onerror=alert(1)>`
		m.RunURL = `javascript:alert(1)"><script>`
		m.Commit = `https://x/"onmouseover="`
		id, err := g.Open(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := g.Open(ctx, m); err != nil || again != id {
			t.Errorf("not found again: %q %v", again, err)
		}
		m = sealed(m, "hold")
		m.Summary = strings.Repeat("<b>", 5000)
		if err := g.Seal(ctx, id, m); err != nil {
			t.Fatal(err)
		}
		a := only(t, f)
		if slices.Contains(a.Tags, "verdict:pass") || !slices.Contains(a.Tags, "verdict:hold") || len(a.Tags) != 6 {
			t.Errorf("tags %q", a.Tags)
		}
		for _, tag := range a.Tags {
			if strings.ContainsAny(tag, ",\n") || len(tag) > 100 {
				t.Errorf("tag %q", tag)
			}
		}
		if body := strings.NewReplacer("<b>", "", "</b>", "").Replace(a.Text); strings.ContainsAny(body, `<>"`) || len(a.Text) > grafanaText {
			t.Errorf("text %q", a.Text)
		}
	})
}

func TestGrafanaOptions(t *testing.T) {
	remote, secret := httpx.Remote{URL: "https://g"}, httpx.NewSecret(token)
	for want, o := range map[string]grafanaOptions{
		"token is missing":       {Remote: remote},
		"panel is given without": {Remote: remote, Token: secret, Panel: 1},
		"is not a uid":           {Remote: remote, Token: secret, Dashboard: "/d/abc"},
		"an empty tag":           {Remote: remote, Token: secret, Tags: []string{""}},
		"without commas":         {Remote: remote, Token: secret, Tags: []string{"a,b"}},
		"sets itself":            {Remote: remote, Token: secret, Tags: []string{"verdict:pass"}},
		"url is missing":         {Token: secret},
	} {
		if _, err := buildGrafana(fill(o)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := buildGrafana(func(any) error { return errors.New("strict") }); err == nil {
		t.Error("a decode that failed was ignored")
	}
}
