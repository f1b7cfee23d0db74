package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bakegate/bakegate/internal/demo/shop"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
)

// built is the real binary, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bakegate-e2e-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bakegate")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

const (
	e2eRPS    = 50
	e2eWindow = 30 * time.Second
	e2eConfig = `version: 1
service: shop
environment: production
bake:
  window: %s
  step: 3s
  warm-up: 0s
  baseline:
    window: 2h
  ready-when:
    version: app_info{job="test",app="$service"}
    timeout: 30s
  sources:
    prom:
      prometheus:
        url: %s
        scrape-interval: 1s
  metrics:
    - name: errors
      bad: http_requests_total{job="test",app="$service",code=~"5.."}
      total: http_requests_total{job="test",app="$service"}
      compare: before
      limit: 3%%
`
)

// scene is a shop with real traffic of 50 requests a second and 0.1% errors, a real Prometheus that scrapes it every second and knows two
// hours of its past, and a proxy in between that can be cut.
type e2e struct {
	t    *testing.T
	shop *shop.Running
	prom *realtest.PrometheusServer
	cut  *realtest.Cut
	dir  string
}

func newE2E(t *testing.T) *e2e {
	t.Helper()
	s, err := shop.Start(shop.Config{Version: "1", ErrorRate: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { stop(); _ = s.Stop() })
	go shop.Load(ctx, s.URL, e2eRPS)
	p := realtest.Prometheus(t, time.Second, past(), realtest.Target{Addr: s.Addr()})
	realtest.Poll(t, time.Minute, "Prometheus has scraped the shop", func() bool { return scraped(p.URL) })
	e := &e2e{t: t, shop: s, prom: p, cut: realtest.CutProxy(t, p.Addr), dir: t.TempDir()}
	e.write("bakegate.yaml", fmt.Sprintf(e2eConfig, e2eWindow, e.cut.URL))
	return e
}

// past is what the shop did for two hours before: 50 requests a second, 0.1% of them failed.
func past() []realtest.History {
	every, n := 15*time.Second, 480
	from := time.Now().Add(-time.Duration(n) * every).Add(-20 * time.Second)
	rng := rand.New(rand.NewPCG(1, 2))
	ok, bad := 0.0, 0.0
	h := func(code string) realtest.History {
		return realtest.History{Name: "http_requests_total", From: from, Every: every,
			Labels: map[string]string{"job": "test", "instance": "past:80", "app": "shop", "code": code, "method": "GET", "handler": "/"}}
	}
	good, failed := h("200"), h("500")
	for range n {
		for range int(e2eRPS * every.Seconds()) {
			if rng.Float64() < 0.001 {
				bad++
			} else {
				ok++
			}
		}
		good.Values, failed.Values = append(good.Values, ok), append(failed.Values, bad)
	}
	return []realtest.History{good, failed}
}

func scraped(url string) bool {
	out, err := exec.Command("promtool", "query", "instant", url, `app_info{job="test"}`).CombinedOutput()
	return err == nil && strings.Contains(string(out), "app_info")
}

func (e *e2e) write(name, text string) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

// run runs the step behind a deploy that has just happened, and returns its exit code and its report.
func (e *e2e) run(args ...string) (int, *report.Report) {
	e.t.Helper()
	bin, err := built()
	if err != nil {
		e.t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(bin, append([]string{"run"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.dir, &log, &log
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		e.t.Fatal(err)
	}
	e.t.Logf("%s", log.String())
	r, err := report.From(record.EntriesIn(filepath.Join(e.dir, "bakegate-out")))
	if err != nil {
		e.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), r
}

// deploy replaces the shop by a version with this error rate, and gives the flags that tell the step when.
func (e *e2e) deploy(errorRate float64) []string {
	started := time.Now()
	e.shop.Replace(shop.Config{Version: "2", ErrorRate: errorRate})
	return []string{"--release", "2", "--deploy-started", started.UTC().Format(time.RFC3339), "--deploy-finished", time.Now().UTC().Add(time.Second).Format(time.RFC3339)}
}

func (e *e2e) want(exit int, reason string, got int, r *report.Report) {
	e.t.Helper()
	if got != exit || r.Verdict.Reason != reason {
		e.t.Errorf("exit %d %s, want %d %s", got, r.Verdict.Reason, exit, reason)
	}
}

func TestEndToEndGood(t *testing.T) {
	t.Parallel()
	e := newE2E(t)
	exit, r := e.run(e.deploy(0.001)...)
	e.want(0, "pass", exit, r)
}

// The error rate goes from 0.1% to 5%: found within 60 s of the first bad minute's data.
func TestEndToEndBad(t *testing.T) {
	t.Parallel()
	e := newE2E(t)
	began := time.Now()
	exit, r := e.run(e.deploy(0.05)...)
	e.want(10, "rollback/errors", exit, r)
	took := time.Since(began)
	t.Logf("detected %s after the deploy", took.Round(100*time.Millisecond))
	if took > 60*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestEndToEndOutageOfTheBackend(t *testing.T) {
	t.Parallel()
	e := newE2E(t)
	args := e.deploy(0.05)
	e.cut.Cut()
	e.write("bakegate.yaml", strings.ReplaceAll(fmt.Sprintf(e2eConfig, e2eWindow, e.cut.URL), "    timeout: 30s\n", "    timeout: 10s\n"))
	exit, r := e.run(args...)
	if exit != 12 || !strings.HasPrefix(r.Verdict.Reason, "inconclusive/") {
		t.Errorf("exit %d %s, want 12", exit, r.Verdict.Reason)
	}
	if !strings.Contains(fmt.Sprint(r.Findings), "refused") {
		t.Errorf("nothing says that Prometheus could not be reached: %+v", r.Findings)
	}
}

// The way to Prometheus is cut once the bake runs, for good: the baseline and the readiness were had, the window was not.
func TestEndToEndCutForTheWindow(t *testing.T) {
	t.Parallel()
	e := newE2E(t)
	args := e.deploy(0.001)
	go func() { e.waitServing(); e.cut.Cut() }()
	exit, r := e.run(args...)
	e.want(12, "inconclusive/backend-down", exit, r)
}

// Cut for a third of the window: what was missed is fetched afterwards, and the verdict is the one it would have had.
func TestEndToEndCutForAThird(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rate   float64
		exit   int
		reason string
	}{"good": {0.001, 0, "pass"}, "bad": {0.05, 10, "rollback/errors"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newE2E(t)
			args := e.deploy(tt.rate)
			go func() { e.waitServing(); e.cut.Cut(); time.Sleep(e2eWindow / 3); e.cut.Resume() }()
			exit, r := e.run(args...)
			e.want(tt.exit, tt.reason, exit, r)
			if tt.exit == 0 && observed(r) < e2eWindow {
				t.Errorf("%s of the window were judged, want all of %s", observed(r), e2eWindow)
			}
		})
	}
}

// Prometheus itself is dead for a third of the window: nobody scraped then. It is judged on what there is, with the gap in the journal.
func TestEndToEndPrometheusDiesForAThird(t *testing.T) {
	t.Parallel()
	e := newE2E(t)
	args := e.deploy(0.001)
	go func() { e.waitServing(); e.prom.Kill(); time.Sleep(e2eWindow / 3); e.prom.Restart() }()
	exit, r := e.run(args...)
	e.want(0, "pass", exit, r)
	if len(r.Gaps) == 0 {
		t.Error("the journal holds no gap")
	}
}

// waitServing waits until the bake watches.
func (e *e2e) waitServing() {
	for range 600 {
		b, _ := os.ReadFile(filepath.Join(e.dir, "bakegate-out", record.JournalName))
		if bytes.Contains(b, []byte("watching")) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// observed is how much of the window was judged.
func observed(r *report.Report) time.Duration {
	var d time.Duration
	for _, s := range r.Samples["errors"].Samples() {
		d += s.To.Sub(s.From)
	}
	return d
}

// The tag was moved between the build and the deploy.
func TestEndToEndTagMoved(t *testing.T) {
	t.Parallel()
	host := realtest.Registry(t, "", "").Addr
	tag, err := name.NewTag(host + "/acme/shop:2")
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for range 2 {
		img, err := random.Image(100, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(tag, img); err != nil {
			t.Fatal(err)
		}
		d, _ := img.Digest()
		digests = append(digests, d.String())
	}
	e := &e2e{t: t, dir: t.TempDir()}
	e.write("bakegate.yaml", fmt.Sprintf("version: 1\nservice: shop\nenvironment: production\nverify:\n  images:\n    - image: %s\n      built:\n        digest: %s\n", tag, digests[0]))
	exit, r := e.run("--", "false")
	e.want(13, "blocked/digest", exit, r)
	e.write("bakegate.yaml", fmt.Sprintf("version: 1\nservice: shop\nenvironment: production\nverify:\n  images:\n    - image: %s\n      built:\n        digest: %s\n", tag, digests[1]))
	exit, r = e.run("--", "true")
	e.want(0, "pass", exit, r)
}

// Metrics that arrive late: only closed windows older than the measured lag are judged, and in the end all of the window is.
func TestEndToEndLag(t *testing.T) {
	t.Parallel()
	const lag, window = 8 * time.Second, 15 * time.Second
	srv := httptest.NewServer(&littleShop{rps: 100, since: time.Now().Add(-time.Hour), version: "1", lag: lag})
	defer srv.Close()
	p := realtest.Prometheus(t, time.Second, nil, realtest.Target{Addr: strings.TrimPrefix(srv.URL, "http://")})
	realtest.Poll(t, time.Minute, "Prometheus has scraped the shop", func() bool { return scraped(p.URL) })
	time.Sleep(5 * time.Second) // some history, from which the lag is measured
	e := &e2e{t: t, dir: t.TempDir()}
	e.write("bakegate.yaml", fmt.Sprintf(`version: 1
service: shop
environment: production
bake:
  window: %s
  step: 1s
  warm-up: 0s
  sources:
    prom:
      prometheus:
        url: %s
  metrics:
    - name: errors
      bad: http_requests_total{job="test",code=~"5.."}
      total: http_requests_total{job="test"}
      limit: 5%%
`, window, p.URL))
	now := time.Now().UTC().Format(time.RFC3339)
	exit, r := e.run("--deploy-started", now, "--deploy-finished", now)
	e.want(0, "pass", exit, r)
	total := 0.0
	for _, s := range r.Samples["errors"].Samples() {
		total += s.Total
	}
	if d := observed(r); d < window-2*time.Second || total < 100*d.Seconds()-150 || total > 100*d.Seconds()+150 {
		t.Errorf("%.0f requests in %s, want 100 a second over %s", total, d, window)
	}
	for entry, err := range record.EntriesIn(filepath.Join(e.dir, "bakegate-out")) {
		if err != nil {
			t.Fatal(err)
		}
		var s report.Samples
		if entry.Type != record.TypeSample || json.Unmarshal(entry.Data, &s) != nil {
			continue
		}
		for _, x := range s.Samples {
			if wait := entry.T.Sub(x.To); wait < lag-time.Second {
				t.Errorf("the window until %s was judged %s later, before its data can have arrived", x.To.Format("15:04:05"), wait)
			}
		}
	}
}

// inProcessRegistry is for tests that need no real one.
func inProcessRegistry(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// verdict.json is what other tools read: its form is held here.
func TestVerdictJSONForm(t *testing.T) {
	t.Parallel()
	host := inProcessRegistry(t)
	e := &e2e{t: t, dir: t.TempDir()}
	e.write("bakegate.yaml", "version: 1\nservice: shop\nenvironment: production\nverify:\n  images:\n    - image: "+host+"/none:1\n      built:\n        digest: sha256:"+strings.Repeat("a", 64)+"\n")
	exit, _ := e.run("--", "true")
	if exit != 13 {
		t.Errorf("exit %d, want 13", exit)
	}
	b, err := os.ReadFile(filepath.Join(e.dir, "bakegate-out", "verdict.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Schema   int    `json:"schema"`
		Verdict  string `json:"verdict"`
		Reason   string `json:"reason"`
		Exit     int    `json:"exit"`
		Summary  string `json:"summary"`
		Findings []struct {
			Check, Outcome, Summary, Hint, Doc string
			Evidence                           []struct{ What, Got, Want string }
		} `json:"findings"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.Schema != 1 || d.Verdict != "blocked" || d.Exit != 13 || d.Summary == "" || len(d.Findings) == 0 || d.Findings[0].Check != "verify/digest" {
		t.Errorf("verdict.json: %s", b)
	}
}

// A signal ends the run in under 5 s, in the deploy command and in the bake, with the markers sealed and the journal closed.
func TestSignalsEndTheRun(t *testing.T) {
	t.Parallel()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		sig     os.Signal
		command []string
	}{
		"TERM in the bake":                      {syscall.SIGTERM, nil},
		"INT in the bake":                       {os.Interrupt, nil},
		"TERM in a deploy command that ignores": {syscall.SIGTERM, []string{"--", "sh", "-c", "trap '' TERM INT; sleep 30 & wait; sleep 30"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := fake.NewGrafana("token-of-the-test")
			defer g.Close()
			s := httptest.NewServer(&littleShop{rps: 100, since: time.Now().Add(-time.Hour), version: "1"})
			defer s.Close()
			e := &e2e{t: t, dir: t.TempDir()}
			e.write("bakegate.yaml", fmt.Sprintf(`version: 1
service: shop
environment: production
mark:
  grafana:
    url: %s
    token: ${GRAFANA_TOKEN}
bake:
  window: 1m
  step: 1s
  sources:
    shop:
      scrape:
        url: %s/metrics
  metrics:
    - name: errors
      bad: http_requests_total{code=~"5.."}
      total: http_requests_total
      limit: 5%%
`, g.URL(), s.URL))
			cmd := exec.Command(bin, append([]string{"run"}, tt.command...)...)
			cmd.Dir, cmd.Env = e.dir, append(os.Environ(), "GRAFANA_TOKEN=token-of-the-test")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			sent := time.Now()
			_ = cmd.Process.Signal(tt.sig)
			_ = cmd.Wait()
			took := time.Since(sent)
			t.Logf("ended %s after the signal", took.Round(time.Millisecond))
			if took > 5*time.Second || cmd.ProcessState.ExitCode() != 15 {
				t.Errorf("exit %d after %s, want 15 within 5s", cmd.ProcessState.ExitCode(), took)
			}
			if as := g.Annotations(); len(as) != 1 || !strings.Contains(fmt.Sprint(as[0].Tags), "verdict:aborted") {
				t.Errorf("annotations: %+v", as)
			}
			var last record.Entry
			var err error
			for last, err = range record.EntriesIn(filepath.Join(e.dir, "bakegate-out")) {
			}
			if err != nil || last.Type != record.TypeVerdict {
				t.Errorf("the journal is not closed: %v", err)
			}
		})
	}
}
