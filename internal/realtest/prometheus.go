package realtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Target is something to scrape: a host and port that serves /metrics, and labels of its own.
type Target struct {
	Addr   string
	Labels map[string]string
}

// History is a series that is there before the server starts.
type History struct {
	Name   string
	Labels map[string]string
	From   time.Time
	Every  time.Duration
	Values []float64
}

// PrometheusServer is a real Prometheus.
type PrometheusServer struct {
	URL  string // http://127.0.0.1:port
	Addr string // 127.0.0.1:port

	t       testing.TB
	flags   []string
	dir     string
	targets []Target
	cmd     *exec.Cmd
	done    chan struct{}
	log     *bytes.Buffer
}

// Prometheus starts a Prometheus that scrapes targets at interval, with history already in its store, and waits until it is ready.
// It ends with the test. Samples have the labels job="test", instance and those of their target.
func Prometheus(t testing.TB, interval time.Duration, history []History, targets ...Target) *PrometheusServer {
	t.Helper()
	p := &PrometheusServer{t: t, targets: targets}
	p.begin(interval, history)
	return p
}

// NativePrometheus is one that asks its targets for native histograms.
func NativePrometheus(t testing.TB, interval time.Duration, targets ...Target) *PrometheusServer {
	t.Helper()
	p := &PrometheusServer{t: t, targets: targets, flags: []string{"--enable-feature=native-histograms"}}
	p.begin(interval, nil)
	return p
}

func (p *PrometheusServer) begin(interval time.Duration, history []History) {
	p.t.Helper()
	Need(p.t, "prometheus")
	p.dir = p.t.TempDir()
	config := fmt.Sprintf("global:\n  scrape_interval: %[1]dms\n  scrape_timeout: %[1]dms\nscrape_configs:\n- job_name: test\n  file_sd_configs:\n  - files: [%[2]q]\n    refresh_interval: 1s\n",
		interval.Milliseconds(), filepath.Join(p.dir, "targets.json"))
	p.write("prometheus.yml", []byte(config))
	p.writeTargets()
	if len(history) > 0 {
		p.backfill(history)
	}
	p.Addr = "127.0.0.1:" + freePort(p.t)
	p.URL = "http://" + p.Addr
	p.start()
	p.t.Cleanup(func() { p.Kill() })
}

func (p *PrometheusServer) write(name string, b []byte) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil { // at once: the server may be reading
		p.t.Fatal(err)
	}
}

func (p *PrometheusServer) writeTargets() {
	p.t.Helper()
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels,omitempty"`
	}
	groups := []group{}
	for _, t := range p.targets {
		groups = append(groups, group{[]string{t.Addr}, t.Labels})
	}
	b, err := json.Marshal(groups)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("targets.json", b)
}

// AddTarget scrapes one more, from within about two seconds on.
func (p *PrometheusServer) AddTarget(t Target) {
	p.t.Helper()
	p.targets = append(p.targets, t)
	p.writeTargets()
}

// RemoveTarget scrapes it no more: its series end with a stale marker.
func (p *PrometheusServer) RemoveTarget(addr string) {
	p.t.Helper()
	p.targets = slices.DeleteFunc(p.targets, func(t Target) bool { return t.Addr == addr })
	p.writeTargets()
}

func (p *PrometheusServer) start() {
	p.t.Helper()
	p.log = &bytes.Buffer{}
	p.cmd = exec.Command("prometheus", append(p.flags,
		"--config.file="+filepath.Join(p.dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(p.dir, "data"),
		"--storage.tsdb.retention.time=30d",
		"--web.listen-address="+p.Addr,
		"--web.enable-remote-write-receiver")...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended shows in its log
		close(done)
	}(p.cmd, p.done)
	for end := time.Now().Add(20 * time.Second); !answers(p.URL + "/-/ready"); time.Sleep(20 * time.Millisecond) {
		if p.ended() || time.Now().After(end) {
			p.Kill()
			p.t.Fatalf("prometheus did not become ready:\n%s", p.log)
		}
	}
}

func (p *PrometheusServer) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop ends the server as an operator does; its data stay.
func (p *PrometheusServer) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the server as a crash does; its data stay.
func (p *PrometheusServer) Kill() { p.end(syscall.SIGKILL) }

func (p *PrometheusServer) end(how syscall.Signal) {
	if p.ended() {
		return
	}
	_ = p.cmd.Process.Signal(how) // an error says that it has ended by itself
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Restart starts the server again at the same address, with its data.
func (p *PrometheusServer) Restart() {
	p.t.Helper()
	p.Stop()
	p.start()
}

// backfill writes history into the store, before the server starts.
func (p *PrometheusServer) backfill(history []History) {
	p.t.Helper()
	promtool := Need(p.t, "promtool")
	path := filepath.Join(p.dir, "history.om")
	f, err := os.Create(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, h := range history {
		h.write(w)
	}
	fmt.Fprintln(w, "# EOF")
	if err := w.Flush(); err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", path, filepath.Join(p.dir, "data")).CombinedOutput()
	if err != nil {
		p.t.Fatalf("promtool: %v\n%s", err, out)
	}
}

func (h History) write(w io.Writer) {
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(h.Labels)) {
		labels = append(labels, k+"="+strconv.Quote(h.Labels[k]))
	}
	name := h.Name + "{" + strings.Join(labels, ",") + "}"
	for i, v := range h.Values {
		at := h.From.Add(time.Duration(i) * h.Every)
		fmt.Fprintf(w, "%s %s %d.%03d\n", name, strconv.FormatFloat(v, 'g', -1, 64), at.Unix(), at.UnixMilli()%1000)
	}
}
