package shop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/demo/shop"
)

// metrics returns the metrics page's lines that begin with name.
func metrics(t *testing.T, s *shop.Running, name string) []string {
	t.Helper()
	resp, err := http.Get(s.MetricsURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, name) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func sum(t *testing.T, lines []string, with string) (n float64) {
	t.Helper()
	for _, l := range lines {
		if strings.Contains(l, with) {
			v, err := strconv.ParseFloat(l[strings.LastIndexByte(l, ' ')+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			n += v
		}
	}
	return n
}

func load(t *testing.T, url string, d time.Duration) shop.Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return shop.Load(ctx, url, 300)
}

func TestShopCountsWhatItServes(t *testing.T) {
	s, err := shop.Start(shop.Config{Version: "v7", Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	good := load(t, s.URL, 500*time.Millisecond)
	if good.OK < 50 || good.Failed+good.Refused != 0 {
		t.Fatalf("load: %+v", good)
	}
	lines := metrics(t, s, "http_requests_total")
	if got := sum(t, lines, `code="200"`); got != float64(good.OK) || sum(t, lines, "") != got {
		t.Errorf("counted %v, sent %+v: %v", got, good, lines)
	}
	if strings.Contains(fmt.Sprint(lines), `code="500"`) {
		t.Errorf("a 5xx series before the first error: %v", lines)
	}
	if got := sum(t, metrics(t, s, "http_request_duration_seconds_count"), `version="v7"`); got != float64(good.OK) {
		t.Errorf("histogram counted %v, want %d", got, good.OK)
	}
	s.Shop().SetErrorRate(0.5)
	bad := load(t, s.URL, 500*time.Millisecond)
	if got := sum(t, metrics(t, s, "http_requests_total"), `code="500"`); got == 0 || got != float64(bad.Failed) {
		t.Errorf("counted %v errors, saw %+v", got, bad)
	}
}

func TestReplaceStartsAgain(t *testing.T) {
	s, err := shop.Start(shop.Config{Version: "v1", Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	load(t, s.URL, 100*time.Millisecond)
	before := metrics(t, s, "process_start_time_seconds")
	s.Replace(shop.Config{Version: "v2", ErrorRate: 1})
	if got := metrics(t, s, "http_requests_total"); len(got) != 0 {
		t.Errorf("a fresh process counted already: %v", got)
	}
	if got := metrics(t, s, "app_info"); len(got) != 1 || !strings.Contains(got[0], `version="v2"`) {
		t.Errorf("app_info = %v", got)
	}
	if got := metrics(t, s, "process_start_time_seconds"); fmt.Sprint(got) == fmt.Sprint(before) {
		t.Errorf("start time stayed %v", got)
	}
	if got := load(t, s.URL, 100*time.Millisecond); got.OK != 0 || got.Failed == 0 {
		t.Errorf("error rate 1 gave %+v", got)
	}
}

func TestErrorsAndLatencyBeginLater(t *testing.T) {
	s, err := shop.Start(shop.Config{ErrorRate: 1, ErrorsAfter: time.Hour, Latency: time.Minute, SlowAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if got := load(t, s.URL, 200*time.Millisecond); got.Failed+got.Refused != 0 || got.OK == 0 {
		t.Errorf("load: %+v", got)
	}
}
