package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
)

// BenchmarkBake is what a bake of 200 metrics over three real backends costs, at a step of 15 s, each metric compared with the history
// that its backend has. It reports the share of one core over the whole run, start and history included, and the memory.
//
//	go test -run '^$' -bench Bake -benchtime 1x -timeout 20m .
func BenchmarkBake(b *testing.B) {
	for _, history := range []time.Duration{time.Hour, 24 * time.Hour} {
		b.Run(history.String(), func(b *testing.B) { bake(b, history) })
	}
}

func bake(b *testing.B, history time.Duration) {
	bin, err := built()
	if err != nil {
		b.Fatal(err)
	}
	f := newFleet(b, history)
	for b.Loop() {
		var log bytes.Buffer
		cmd := exec.Command(bin, "bake", "--out", filepath.Join(b.TempDir(), "out"), "--release", "2",
			"--deploy-started", time.Now().Add(-time.Second).UTC().Format(time.RFC3339), "--deploy-finished", time.Now().UTC().Format(time.RFC3339))
		cmd.Dir, cmd.Stdout, cmd.Stderr = f.dir, &log, &log
		begun := time.Now()
		err := cmd.Run()
		took := time.Since(begun)
		if code := cmd.ProcessState.ExitCode(); code != 0 || took < fleetWindow {
			b.Fatalf("exit %d after %s (%v), want 0 after %s\n%s", code, took, err, fleetWindow, log.String())
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		b.ReportMetric(100*used.Seconds()/took.Seconds(), "%core")
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB")
	}
}

const (
	fleetEach   = 67 // metrics of each of the three backends: 201
	fleetWindow = 5 * time.Minute
	fleetRate   = 20.0 // requests a second of each route, one in a thousand of them fails
)

// fleet is 67 routes whose counters a Prometheus, an InfluxDB and the service itself have.
type fleet struct {
	dir  string
	born time.Time
	past time.Duration // what the backends know
}

func newFleet(b *testing.B, past time.Duration) *fleet {
	b.Helper()
	f := &fleet{dir: b.TempDir(), born: time.Now().Add(-past), past: past}
	app := httptest.NewServer(http.HandlerFunc(f.metrics))
	b.Cleanup(app.Close)
	prom := realtest.Prometheus(b, 15*time.Second, f.history(), realtest.Target{Addr: strings.TrimPrefix(app.URL, "http://")})
	influx := realtest.InfluxDB(b, "telegraf")
	f.feed(b, influx)
	if err := os.WriteFile(filepath.Join(f.dir, "bakegate.yaml"), []byte(f.config(prom.URL, influx, app.URL)), 0o600); err != nil {
		b.Fatal(err)
	}
	return f
}

// count is what a counter shows at a time.
func (f *fleet) count(at time.Time, code string) float64 {
	n := fleetRate * at.Sub(f.born).Seconds()
	if code == "500" {
		return float64(int(n / 1000))
	}
	return float64(int(n))
}

var fleetCodes = []string{"200", "500"}

func (f *fleet) metrics(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for i := range fleetEach {
		for _, code := range fleetCodes {
			fmt.Fprintf(w, "http_requests_total{route=\"r%d\",code=%q} %g\n", i, code, f.count(now, code))
		}
	}
}

func (f *fleet) history() (all []realtest.History) {
	const every = 15 * time.Second
	for i := range fleetEach {
		for _, code := range fleetCodes {
			h := realtest.History{Name: "http_requests_total", Labels: map[string]string{"job": "test", "instance": "before", "route": fmt.Sprint("r", i), "code": code},
				From: f.born, Every: every}
			for at := f.born; at.Before(time.Now().Add(-time.Minute)); at = at.Add(every) {
				h.Values = append(h.Values, f.count(at, code))
			}
			all = append(all, h)
		}
	}
	return all
}

// feed writes the hour before, and goes on until the benchmark ends.
func (f *fleet) feed(b *testing.B, url string) {
	b.Helper()
	const every = 15 * time.Second
	var lines strings.Builder
	add := func(at time.Time) {
		for i := range fleetEach {
			for _, code := range fleetCodes {
				fmt.Fprintf(&lines, "http,route=r%d,code=%s count=%g %d\n", i, code, f.count(at, code), at.UnixNano())
			}
		}
	}
	send := func() error {
		resp, err := http.Post(url+"/write?db=telegraf", "text/plain", strings.NewReader(lines.String()))
		lines.Reset()
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNoContent {
			return fmt.Errorf("InfluxDB said %s: %s", resp.Status, said)
		}
		return nil
	}
	for at := f.born; at.Before(time.Now()); at = at.Add(every) {
		if add(at); lines.Len() < 1<<20 {
			continue
		}
		if err := send(); err != nil {
			b.Fatal(err)
		}
	}
	tick := time.NewTicker(every)
	b.Cleanup(tick.Stop)
	go func() {
		for {
			select {
			case <-b.Context().Done():
				return
			case at := <-tick.C:
				add(at)
				if err := send(); err != nil && b.Context().Err() == nil {
					b.Error(err)
				}
			}
		}
	}()
}

func (f *fleet) config(prom, influx, app string) string {
	var c strings.Builder
	fmt.Fprintf(&c, "version: 1\nservice: shop\nenvironment: production\nbake:\n  window: %s\n  step: 15s\n  baseline: {window: %s}\n  warm-up: 0s\n  sources:\n"+
		"    prom: {prometheus: {url: %q}}\n    influx: {influxdb: {url: %q, database: telegraf}}\n    app: {scrape: {url: %q}}\n  metrics:\n", fleetWindow, f.past, prom, influx, app+"/metrics")
	metric := func(name, from, bad, total, compare string) {
		fmt.Fprintf(&c, "    - {name: %s, from: %s, bad: %q, total: %q, limit: 2%%%s}\n", name, from, bad, total, compare)
	}
	for i := range fleetEach {
		metric(fmt.Sprint("prom-", i), "prom", fmt.Sprintf(`http_requests_total{route="r%d",code="500"}`, i), fmt.Sprintf(`http_requests_total{route="r%d"}`, i), ", compare: before")
		metric(fmt.Sprint("influx-", i), "influx", fmt.Sprintf(`SELECT "count" FROM "http" WHERE "route" = 'r%d' AND "code" = '500' AND $window`, i),
			fmt.Sprintf(`SELECT "count" FROM "http" WHERE "route" = 'r%d' AND $window`, i), ", compare: before")
		metric(fmt.Sprint("app-", i), "app", fmt.Sprintf(`http_requests_total{route="r%d",code="500"}`, i), fmt.Sprintf(`http_requests_total{route="r%d"}`, i), "")
	}
	return c.String()
}
