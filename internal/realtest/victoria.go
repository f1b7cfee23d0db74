package realtest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// VictoriaMetrics starts a real single-node VictoriaMetrics that scrapes targets at interval, as Prometheus does, and gives its address. It
// hides the newest samples of an expression for offset, whose default there is 30 seconds. flags are further ones.
func VictoriaMetrics(t testing.TB, interval, offset time.Duration, history []History, targets []Target, flags ...string) (url string) {
	t.Helper()
	program := Need(t, "victoria-metrics")
	dir, addr := t.TempDir(), "127.0.0.1:"+freePort(t)
	config := fmt.Sprintf("global:\n  scrape_interval: %[1]dms\n  scrape_timeout: %[1]dms\nscrape_configs:\n- job_name: test\n  static_configs:\n", interval.Milliseconds())
	if len(targets) == 0 {
		config = "scrape_configs: []\n"
	}
	for _, target := range targets {
		config += fmt.Sprintf("  - targets: [%q]\n    labels: {", target.Addr)
		for _, k := range slices.Sorted(maps.Keys(target.Labels)) {
			config += fmt.Sprintf("%s: %q, ", k, target.Labels[k])
		}
		config += "}\n"
	}
	file(t, filepath.Join(dir, "scrape.yml"), config)
	run(t, addr, "/health", program, append(flags, "-httpListenAddr="+addr, "-storageDataPath="+filepath.Join(dir, "data"), "-retentionPeriod=30d",
		"-promscrape.config="+filepath.Join(dir, "scrape.yml"), "-search.latencyOffset="+offset.String(), "-memory.allowedBytes=256MB")...)
	url = "http://" + addr
	for _, h := range history {
		h.importTo(t, url)
	}
	return url
}

// importTo gives a series to a VictoriaMetrics that runs, in the exposition format with times.
func (h History) importTo(t testing.TB, url string) {
	t.Helper()
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(h.Labels)) {
		labels = append(labels, k+"="+strconv.Quote(h.Labels[k]))
	}
	var b bytes.Buffer
	for i, v := range h.Values {
		fmt.Fprintf(&b, "%s{%s} %v %d\n", h.Name, strings.Join(labels, ","), v, h.From.Add(time.Duration(i)*h.Every).UnixMilli())
	}
	for _, path := range []string{"/api/v1/import/prometheus", "/internal/force_flush"} { // it remembers for a while that it found nothing
		resp, err := http.Post(url+path, "text/plain", &b)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("victoria-metrics: %s: %s", path, resp.Status)
		}
	}
}
