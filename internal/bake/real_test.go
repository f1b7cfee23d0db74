package bake

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// realSource is the prometheus source for a server.
func realSource(t *testing.T, url string) metric.Source {
	t.Helper()
	src, err := metric.Sources["prometheus"](func(o any) error {
		o.(*metric.PrometheusOptions).URL = url
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// lived is what Prometheus scraped of a process: every 15 s from born until died, counting n a second from a number on.
func lived(app, pod, code string, deploy time.Time, born, died time.Duration, begin, n float64) realtest.History {
	h := realtest.History{Name: "http_requests_total", Labels: map[string]string{"app": app, "pod": pod, "code": code}, From: deploy.Add(born), Every: 15 * time.Second}
	for d := born; d < died; d += h.Every {
		h.Values = append(h.Values, begin+math.Round(n*(d-born).Seconds()))
	}
	return h
}

// The rules on what a real Prometheus returns: the deploy was five hours ago, and its window is read as a late `finish` would.
func TestRulesOnRealPrometheus(t *testing.T) {
	deploy := time.Now().Add(-5 * time.Hour).Truncate(15 * time.Second)
	const before, after, ever = -4 * time.Hour, 30 * time.Minute, 1e6
	history := []realtest.History{
		lived("no5xx", "a", "200", deploy, before, after, ever, 100),
		lived("misnamed", "a", "200", deploy, before, after, ever, 100),
		// a restart two minutes into the window: the same series begins at 0 again
		lived("restart", "a", "200", deploy, before, 2*time.Minute, ever, 100),
		lived("restart", "a", "200", deploy, 2*time.Minute, after, 0, 100),
		// three pods, one of which restarts
		lived("pods", "a", "200", deploy, before, after, ever, 50), lived("pods", "b", "200", deploy, before, after, 7, 30),
		lived("pods", "c", "200", deploy, before, 5*time.Minute, ever, 20), lived("pods", "c", "200", deploy, 5*time.Minute, after, 0, 20),
		// two pods replaced, one after the other, and a failure that appears with the second
		lived("rolling", "a1", "200", deploy, before, 2*time.Minute, ever, 50), lived("rolling", "b1", "200", deploy, before, 4*time.Minute, ever, 50),
		lived("rolling", "a2", "200", deploy, 2*time.Minute, after, 0, 50), lived("rolling", "b2", "200", deploy, 4*time.Minute, after, 0, 50),
		lived("rolling", "b2", "503", deploy, 6*time.Minute, after, 3, 0),
		lived("bad", "a", "200", deploy, before, after, ever, 100), lived("bad", "a", "500", deploy, 0, after, 0, 10),
	}
	src := realSource(t, realtest.Prometheus(t, 15*time.Second, history).URL)
	tests := []struct {
		app, badText string
		total        float64 // of the 15 minutes, exactly
		bad          float64
		outcome      verdict.Outcome
		reason       string
	}{
		{"no5xx", "", 90000, 0, verdict.Pass, ""},
		{"misnamed", `http_requests_total{app="misnamed",status=~"5.."}`, 0, 0, verdict.Unknown, "selector"},
		{"restart", "", 90000 - 1500, 0, verdict.Pass, ""}, // what was counted between the last scrape and the restart is unknowable
		{"pods", "", 90000 - 300, 0, verdict.Pass, ""},
		{"rolling", "", 90000 - 2*750 + 3, 3, verdict.Pass, ""},
		{"bad", "", 0, 0, verdict.Fail, ""},
	}
	for _, tt := range tests {
		t.Run(tt.app, func(t *testing.T) {
			js := &judges{}
			if tt.badText == "" {
				tt.badText = `http_requests_total{app="$service",code=~"5.."}`
			}
			m := Metric{Name: "errors", Bad: Text(tt.badText), Total: `http_requests_total{app="$service"}`, Compare: "before", Limit: &Limit{Max: Bound{V: 0.01, Set: true, Text: "1%"}}}
			o := Options{Metrics: []Metric{m}, Sources: map[string]Spec{"prom": {Source: src}}, Baseline: Baseline{Window: 3 * time.Hour}}.WithDefaults()
			r := Run(t.Context(), Plan{Options: o, Sources: o.sources(), Vars: map[string]string{"service": tt.app}, Deploy: release.Deploy{Started: deploy.Add(-time.Minute), Finished: deploy}, newJudge: js.make, newDeploy: js.together})
			wantFinding(t, r, "bake/errors", tt.outcome, tt.reason)
			if tt.total == 0 {
				return
			}
			got := js.last["errors"]
			if got.after.Total != tt.total || got.after.Events != tt.bad {
				t.Errorf("%v of %v, want %v of %v", got.after.Events, got.after.Total, tt.bad, tt.total)
			}
			contiguous(t, got.seen, deploy, deploy.Add(15*time.Minute))
			if n := len(got.before); n < 178 {
				t.Errorf("%d samples of the baseline, want about 180", n)
			}
			for _, s := range got.before[1:] {
				if s.Total != 100*s.To.Sub(s.From).Seconds() {
					t.Fatalf("the baseline at %s has %v in %s, want 100 a second", s.From, s.Total, s.To.Sub(s.From))
				}
			}
		})
	}
}

// exposer is a process that serves a metrics page and counts requests as time goes.
type exposer struct {
	mu      sync.Mutex
	started time.Time
	rate    map[string]float64 // by code
}

func (e *exposer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for code, n := range e.rate {
		fmt.Fprintf(w, "http_requests_total{code=%q} %d\n", code, int(n*time.Since(e.started).Seconds()))
	}
}

func expose(t *testing.T, pod string, rate map[string]float64) (*exposer, realtest.Target) {
	t.Helper()
	e := &exposer{started: time.Now(), rate: rate}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	return e, realtest.Target{Addr: strings.TrimPrefix(s.URL, "http://"), Labels: map[string]string{"pod": pod}}
}

// liveMetric is short enough for a test that has to wait for real scrapes.
func livePlan(src metric.Source, js *judges, window time.Duration) Plan {
	m := Metric{Name: "errors", Bad: `http_requests_total{code=~"5.."}`, Total: `http_requests_total`, Limit: &Limit{Max: Bound{V: 0.05, Set: true, Text: "5%"}}}
	o := Options{Window: window, Step: time.Second, Metrics: []Metric{m}, Sources: map[string]Spec{"prom": {Source: src}}}.WithDefaults()
	return Plan{Options: o, Sources: o.sources(), Deploy: release.Deploy{Started: time.Now(), Finished: time.Now()}, newJudge: js.make, newDeploy: js.together}
}

// A live deploy: the new pod comes, the old one goes, the backend cannot be reached for a while, and nothing is lost or invented.
func TestLiveRollingReplacementAndOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("watches a real Prometheus for 15 s")
	}
	_, old := expose(t, "old", map[string]float64{"200": 100})
	prom := realtest.Prometheus(t, 250*time.Millisecond, nil, old)
	cut := realtest.CutProxy(t, prom.Addr)
	src, direct, js := realSource(t, cut.URL), realSource(t, prom.URL), &judges{}
	realtest.Poll(t, time.Minute, "the first scrapes", func() bool { return scraped(t, direct) > 4 })
	go func() {
		time.Sleep(2 * time.Second)
		_, fresh := expose(t, "new", map[string]float64{"200": 100})
		prom.AddTarget(fresh)
		time.Sleep(3 * time.Second)
		prom.RemoveTarget(old.Addr)
		cut.Cut()
		time.Sleep(3 * time.Second)
		cut.Resume()
	}()
	p := livePlan(src, js, 12*time.Second)
	var kinds []string
	p.Observe = func(e Event) { kinds = append(kinds, string(e.Kind)) }
	r := Run(t.Context(), p)
	wantFinding(t, r, "bake/errors", verdict.Pass, "")
	got := js.last["errors"]
	checkSamples(t, got.seen)
	// 12 s of at least one pod, and both for as long as they overlap.
	if got.after.Total < 1000 || got.after.Total > 2400 || got.after.Events != 0 {
		t.Errorf("%v of %v, want 0 of 1200 to 2400", got.after.Events, got.after.Total)
	}
	if all := strings.Join(kinds, " "); !strings.Contains(all, "trouble") || !strings.Contains(all, "recovered") {
		t.Errorf("events %s, want trouble and recovered", all)
	}
}

// The first 5xx appears live, and the bake ends early.
func TestLiveFirstFailures(t *testing.T) {
	if testing.Short() {
		t.Skip("watches a real Prometheus for 6 s")
	}
	e, target := expose(t, "a", map[string]float64{"200": 100})
	prom := realtest.Prometheus(t, 250*time.Millisecond, nil, target)
	src, js := realSource(t, prom.URL), &judges{}
	realtest.Poll(t, time.Minute, "the first scrapes", func() bool { return scraped(t, src) > 4 })
	go func() {
		time.Sleep(3 * time.Second)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.rate["500"] = 20
	}()
	start := time.Now()
	r := Run(t.Context(), livePlan(src, js, time.Minute))
	wantFinding(t, r, "bake/errors", verdict.Fail, "")
	if took := time.Since(start); took > 40*time.Second {
		t.Errorf("took %s, want soon after the failures began", took)
	}
}

func scraped(t *testing.T, src metric.Source) (points int) {
	t.Helper()
	series, err := src.Range(context.Background(), []metric.Query{{ID: "q", Kind: metric.Counter, Text: "http_requests_total"}}, time.Now().Add(-time.Minute), time.Now(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range series {
		points += len(s.Points)
	}
	return points
}

// A metrics page that is scraped before the deploy and then baked, with the real judge: one process is replaced by another.
func TestLiveScrape(t *testing.T) {
	if testing.Short() {
		t.Skip("scrapes for 10 s")
	}
	e, target := expose(t, "a", map[string]float64{"200": 500})
	src, err := metric.Sources["scrape"](func(o any) error {
		o.(*metric.ScrapeOptions).URL = "http://" + target.Addr + "/metrics"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := livePlan(src, nil, 6*time.Second)
	p.newJudge, p.newDeploy = nil, nil
	p.Options.Metrics[0].Compare = "before"
	p.Observe = func(e Event) {
		if e.Text != "" {
			t.Log(e.Kind, e.Text)
		}
	}
	p.Resume.Baseline = Warm(t.Context(), p, 4*time.Second)
	if n := p.Resume.Baseline["errors"].Len(); n < 2 {
		t.Fatalf("%d samples before the deploy, want one a second", n)
	}
	e.mu.Lock()
	e.started = time.Now() // the new process counts from 0
	e.mu.Unlock()
	p.Deploy = release.Deploy{Started: time.Now(), Finished: time.Now()}
	r := Run(t.Context(), p)
	f := find(t, r, "bake/errors")
	t.Log(f.Outcome, f.Reason, f.Summary, f.Evidence)
	if f.Outcome == verdict.Fail || len(r.Gaps) != 0 {
		t.Errorf("a good deploy: %+v, gaps %v", f, r.Gaps)
	}
	if len(r.Judgements) != 1 || r.Judgements[0].After.Total < 1500 || r.Judgements[0].After.Total > 4000 {
		t.Errorf("judgements %+v, want about 3000 requests", r.Judgements)
	}
}
