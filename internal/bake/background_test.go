package bake

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/verdict"
)

// working is a backend that also works between its calls.
type working struct {
	*backend
	started, stopped int
	at               time.Time // of the last stop
}

func (w *working) Start(context.Context) func() {
	w.started++
	return func() { w.stopped++; w.at = time.Now() }
}

// A source that works in the background does so from the first poll of a warm-up or a bake to the last, and no longer.
func TestBackgroundSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &working{backend: shop(time.Now())}
		src.scrape = true
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, &judges{}, m)
		warm := Warm(t.Context(), p, 2*time.Minute)
		if src.started != 1 || src.stopped != 1 {
			t.Errorf("the warm-up started it %d times and stopped it %d times", src.started, src.stopped)
		}
		p.Deploy.Started, p.Deploy.Finished, p.Resume.Baseline = time.Now(), time.Now(), warm
		Run(t.Context(), p)
		if src.started != 2 || src.stopped != 2 || !src.at.Equal(time.Now()) {
			t.Errorf("it was started %d times and stopped %d times, at %s of %s", src.started, src.stopped, src.at, time.Now())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		Run(ctx, p)
		synctest.Wait()
		if src.started != 3 || src.stopped != 3 {
			t.Errorf("cancelled: started %d times, stopped %d times", src.started, src.stopped)
		}
	})
}

// probing is a bake of a few seconds with real probes of a real server.
func probing(t *testing.T, h http.HandlerFunc) Result {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return probingAt(t, server.URL)
}

func probingAt(t *testing.T, url string) Result {
	t.Helper()
	src, err := metric.Sources["probe"](func(target any) error {
		o := target.(*metric.ProbeOptions)
		o.Every, o.Timeout = 50*time.Millisecond, time.Second
		for _, path := range []string{"/", "/cart"} {
			p := metric.ProbeSpec{Name: path, HTTP: &metric.ProbeHTTP{}}
			p.HTTP.URL = url + path
			o.Probes = append(o.Probes, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m := errorsMetric()
	m.Bad, m.Total = `probe_requests_total{result="bad"}`, "probe_requests_total"
	m.Limit = &Limit{Max: Bound{V: 0.1, Set: true, Text: "10%"}}
	p := plan(src, nil, m)
	p.newJudge, p.newDeploy = nil, nil
	p.Options.Window, p.Options.Step = 3*time.Second, 500*time.Millisecond
	warm := time.Duration(0)
	p.Options.WarmUp = &warm
	return Run(t.Context(), p)
}

func TestProbesAreJudged(t *testing.T) {
	t.Parallel()
	broken := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	}
	for _, c := range []struct {
		name    string
		bake    func(t *testing.T) Result
		outcome verdict.Outcome
		reason  string
	}{
		{"one of two paths fails", func(t *testing.T) Result { return probing(t, broken("/cart")) }, verdict.Fail, ""},
		{"nothing fails", func(t *testing.T) Result { return probing(t, broken("")) }, verdict.Pass, ""},
		{"nobody knows the name", func(t *testing.T) Result { return probingAt(t, "http://no-such-host.invalid") }, verdict.Unknown, "backend-down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantFinding(t, c.bake(t), "bake/errors", c.outcome, c.reason)
		})
	}
}
