package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// idForm is a deploy id, which is made of the run.
var idForm = regexp.MustCompile(`shop-production-[0-9a-f]{12}`)

var update = flag.Bool("update", false, "write the golden files anew")

// typical is a service around one deploy: 40 requests a second, one in a thousand of which fails; 60 ms at the median; two orders a
// second; a database that answers 120 queries a second. Everything is noise around that, the same on every run.
type typical struct {
	name    string
	release time.Time // of the bad (or good) version
	from    time.Time // its history
	until   time.Time
	// What changes at a time behind the deploy; the share or factor that then holds.
	errors, slow, requests, orders, dbErrors func(t time.Duration) float64
	rps                                      float64
	silent                                   func(t time.Duration) bool // nothing was scraped
}

// always is a factor that holds all the time.
func always(v float64) func(time.Duration) float64 { return func(time.Duration) float64 { return v } }

// since is a factor that holds from a time behind the deploy on.
func since(at time.Duration, v, otherwise float64) func(time.Duration) float64 {
	return func(t time.Duration) float64 {
		if t >= at {
			return v
		}
		return otherwise
	}
}

// world is a metrics backend of a typical service, as a source of the bake.
type world struct {
	series map[string][]metric.Series
}

func (w *world) Check(metric.Query) error { return nil }
func (w *world) Traits() metric.Traits    { return metric.Traits{History: true, Labels: true} }

func (w *world) Range(_ context.Context, qs []metric.Query, from, to time.Time, _ time.Duration) (out []metric.Series, err error) {
	now := time.Now()
	for _, q := range qs {
		for _, s := range w.series[q.Text] {
			x := metric.Series{Query: q.ID, Name: s.Name, Labels: s.Labels}
			for _, p := range s.Points {
				if !p.T.Before(from) && p.T.Before(to) && !p.T.After(now) {
					x.Points = append(x.Points, p)
				}
			}
			if len(x.Points) > 0 {
				out = append(out, x)
			}
		}
	}
	return out, nil
}

const scrapeEvery = 15 * time.Second

// bounds of the latency histogram, in seconds.
var latencyBounds = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

func (y typical) world() *world {
	rng := rand.New(rand.NewPCG(1, uint64(len(y.name))))
	names := []string{"requests", "errors", "orders", "db", "db-errors"}
	totals := map[string]float64{}
	buckets := make([]float64, len(latencyBounds)+1)
	w := &world{series: map[string][]metric.Series{}}
	add := func(query, le string, t time.Time, v float64) {
		label := map[string]string{}
		if le != "" {
			label["le"] = le
		}
		ss := w.series[query]
		for i := range ss {
			if ss[i].Labels["le"] == le {
				ss[i].Points = append(ss[i].Points, metric.Point{T: t, V: v})
				return
			}
		}
		w.series[query] = append(ss, metric.Series{Name: query, Labels: label, Points: []metric.Point{{T: t, V: v}}})
	}
	for t := y.from; t.Before(y.until); t = t.Add(scrapeEvery) {
		d := t.Sub(y.release)
		n := poisson(rng, y.rps*scrapeEvery.Seconds()*or(y.requests, 1, d)*(1+0.1*rng.NormFloat64()))
		totals["requests"] += n
		totals["errors"] += min(n, poisson(rng, n*or(y.errors, 0.001, d)))
		totals["orders"] += min(n, poisson(rng, n*0.05*or(y.orders, 1, d)))
		db := poisson(rng, 3*n)
		totals["db"] += db
		totals["db-errors"] += min(db, poisson(rng, db*or(y.dbErrors, 0.0005, d)))
		for range int(n) {
			s := 0.06 * math.Exp(0.6*rng.NormFloat64()) * or(y.slow, 1, d)
			i := 0
			for i < len(latencyBounds) && s > latencyBounds[i] {
				i++
			}
			buckets[i]++
		}
		if y.silent != nil && y.silent(d) {
			continue
		}
		for _, name := range names {
			add(name, "", t, totals[name])
		}
		sum := 0.0
		for i, b := range buckets {
			sum += b
			le := "+Inf"
			if i < len(latencyBounds) {
				le = fmt.Sprint(latencyBounds[i])
			}
			add("latency_seconds", le, t, sum)
		}
	}
	return w
}

// inZones puts the requests into three zones. In the one that gets the fewest, 8% fail from two minutes after the release on.
func (y typical) inZones(w *world) {
	rng := rand.New(rand.NewPCG(2, 2))
	delete(w.series, "requests")
	delete(w.series, "errors")
	for _, z := range []struct {
		name         string
		share, later float64
	}{{"eu-west-1a", 0.5, 0.001}, {"eu-west-1b", 0.05, 0.08}, {"eu-west-1c", 0.45, 0.001}} {
		requests := metric.Series{Name: "requests", Labels: map[string]string{"zone": z.name}}
		errors := metric.Series{Name: "errors", Labels: requests.Labels}
		total, bad := 0.0, 0.0
		for t := y.from; t.Before(y.until); t = t.Add(scrapeEvery) {
			n := poisson(rng, z.share*y.rps*scrapeEvery.Seconds())
			total, bad = total+n, bad+min(n, poisson(rng, n*or(since(2*time.Minute, z.later, 0.001), 0.001, t.Sub(y.release))))
			requests.Points = append(requests.Points, metric.Point{T: t, V: total})
			errors.Points = append(errors.Points, metric.Point{T: t, V: bad})
		}
		w.series["requests"], w.series["errors"] = append(w.series["requests"], requests), append(w.series["errors"], errors)
	}
}

func or(f func(time.Duration) float64, usual float64, d time.Duration) float64 {
	if f == nil || d < 0 {
		return usual
	}
	return f(d)
}

// poisson draws a count (Knuth's method for small means, a normal approximation above).
func poisson(rng *rand.Rand, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
	}
	limit, p, n := math.Exp(-mean), 1.0, -1.0
	for p > limit {
		p *= rng.Float64()
		n++
	}
	return n
}

const typicalConfig = `version: 1
service: shop
environment: production
bake:
  window: 15m
  step: 30s
  baseline: {window: 6h}
  sources:
    metrics: {world: {}}
  metrics:
    - {name: errors, bad: errors, total: requests, compare: before, critical: true}
    - {name: latency, histogram: latency_seconds, compare: before}
    - {name: traffic, rate: requests, compare: before}
    - {name: orders, rate: orders, of: requests, compare: before}
    - {name: database, bad: db-errors, total: db, compare: before, upstream: true}
rollback:
  command: kubectl rollout undo deployment/shop
`

func typicals() []typical {
	leak := func(t time.Duration) float64 { return 1 + 3*t.Minutes()/15 }
	return []typical{
		{name: "good"},
		{name: "errors", errors: since(2*time.Minute, 0.03, 0.001)},
		{name: "latency-only", slow: since(time.Minute, 2.2, 1)},
		{name: "traffic-gone", requests: since(4*time.Minute, 0, 1)},
		{name: "business", orders: since(0, 0.5, 1)},
		{name: "slow-leak", slow: leak},
		{name: "upstream-outage", errors: since(3*time.Minute, 0.2, 0.001), dbErrors: since(3*time.Minute, 0.2, 0.0005)},
		{name: "no-data", silent: func(t time.Duration) bool { return t >= 0 }},
		{name: "low-traffic", rps: 0.05},
		{name: "bad-before", errors: always(0.02)},
		{name: "one-zone"},
	}
}

// Verdicts that people will read at night: the log, the final block and the summary of each are kept, and are to be read whenever
// they change (go test -run TestTypicalVerdicts -update).
func TestTypicalVerdicts(t *testing.T) {
	for _, y := range typicals() {
		t.Run(y.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, summary := y.run(t)
				golden(t, y.name+".txt", log)
				golden(t, y.name+".md", summary)
			})
		})
	}
}

func (y typical) run(t *testing.T) (log, summary string) {
	t.Helper()
	dir := t.TempDir()
	y.release = time.Now().Add(-time.Minute)
	y.from, y.until = y.release.Add(-7*time.Hour), y.release.Add(time.Hour)
	if y.rps == 0 {
		y.rps = 40
	}
	config := typicalConfig
	if y.name == "bad-before" { // and so it was for hours
		before := y
		before.release = y.from
		y = before
		config = strings.Replace(config, "compare: before, critical", "compare: before, limit: 1%, critical", 1)
	}
	w := y.world()
	if y.name == "one-zone" {
		config = strings.Replace(config, "compare: before, critical", "compare: before, by: zone, critical", 1)
		y.inZones(w)
	}
	metric.Sources["world"] = func(func(any) error) (metric.Source, error) { return w, nil }
	defer delete(metric.Sources, "world")
	path := filepath.Join(dir, "bakegate.yaml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	started := time.Now().Add(-time.Minute)
	var stdout, stderr bytes.Buffer
	Main(t.Context(), []string{"run", "-c", path, "-o", filepath.Join(dir, "out"), "--release", "v2", "--deploy-started", started.UTC().Format(time.RFC3339),
		"--deploy-finished", time.Now().UTC().Format(time.RFC3339)}, []string{"HOME=" + dir}, &stdout, &stderr)
	b, err := os.ReadFile(filepath.Join(dir, "out", "summary.md"))
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	clean := func(s string) string {
		return idForm.ReplaceAllString(strings.ReplaceAll(s, dir, "DIR"), "shop-production-ID")
	}
	return clean(stderr.String() + stdout.String()), clean(string(b))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "verdicts", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v; got\n%s\nwant\n%s", name, err, got, want)
	}
}
