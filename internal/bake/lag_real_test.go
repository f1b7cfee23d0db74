package bake

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/verdict"
)

// A target whose samples are ten seconds old when they are scraped, as behind remote write or a recording rule: Prometheus keeps the
// timestamps that a page states.
func TestLagOnRealPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for samples that are 10 s late")
	}
	const lag, ok, bad = 10 * time.Second, 100, 2
	began := time.Now().Add(-time.Hour)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		at := time.Now().Add(-lag)
		for code, n := range map[string]float64{"200": ok, "500": bad} {
			fmt.Fprintf(w, "http_requests_total{code=%q} %d %d\n", code, int(n*at.Sub(began).Seconds()), at.UnixMilli())
		}
	}))
	t.Cleanup(s.Close)
	prom := realtest.Prometheus(t, 250*time.Millisecond, nil, realtest.Target{Addr: strings.TrimPrefix(s.URL, "http://")})
	src, js := realSource(t, prom.URL), &judges{}
	realtest.Poll(t, 15*time.Second, "the first scrapes", func() bool { return scraped(t, src) > 8 })
	p := livePlan(src, js, 6*time.Second)
	judged := 0
	p.Observe = func(e Event) {
		for _, s := range e.Samples {
			judged++
			if age := e.At.Sub(s.To); age < lag {
				t.Errorf("the window to %s is counted %s behind its end, before its samples arrived", s.To, age)
			}
		}
	}
	r := Run(t.Context(), p)
	wantFinding(t, r, "bake/errors", verdict.Pass, "")
	first := js.last["errors"].seen
	start := p.Deploy.Finished
	contiguous(t, first, start, start.Add(6*time.Second))
	if judged != 6 || len(first) != 6 || len(r.Gaps) != 0 {
		t.Errorf("%d windows told, %d judged, gaps %v, want all 6 and no gap", judged, len(first), r.Gaps)
	}
	sum := judge.Sample{}
	for _, s := range first {
		sum.Total, sum.Bad = sum.Total+s.Total, sum.Bad+s.Bad
		if math.Abs(s.Total-(ok+bad)) > 60 { // a window of 1 s has four scrapes, give or take one that was slow
			t.Errorf("%s: %v requests in a second, want about %d", s.From, s.Total, ok+bad)
		}
	}
	if math.Abs(sum.Total-6*(ok+bad)) > 60 || math.Abs(sum.Bad-6*bad) > 2 {
		t.Errorf("%v of %v, want about %d of %d", sum.Bad, sum.Total, 6*bad, 6*(ok+bad))
	}
	Run(t.Context(), p) // a late `finish` asks for all of it at once
	sameSamples(t, first, js.last["errors"].seen)
}
