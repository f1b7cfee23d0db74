package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAddNote(t *testing.T) {
	var notes []string
	for i := range 100 {
		notes = addNote(notes, fmt.Sprintf("note %d \x1b[31m\n%s", i/2, strings.Repeat("x", 1000)))
	}
	notes = addNote(notes, "")
	if len(notes) != maxNotes || len(notes[0]) > maxNote+len("...") || strings.ContainsAny(strings.Join(notes, ""), "\x1b\n") {
		t.Errorf("got %d: %q", len(notes), notes)
	}
}

// What Prometheus says about a query that it answered is told, without secrets; that a part is missing is a trouble still.
func TestPrometheusNotes(t *testing.T) {
	text := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Replace(reply(t, "prometheus/raw.json"), `"status"`, text+`"status"`, 1))
	}))
	defer server.Close()
	p := prometheusAt(t, server.URL)
	from, to := time.UnixMilli(1795250240000), time.UnixMilli(1795250250000)
	text = `"warnings": ["PromQL warning: mixed"], "infos": ["PromQL info: metric might not be a counter"],`
	got := ask(t, p, Query{Kind: Counter, Text: "x"}, from, to, time.Second)
	if fmt.Sprintf("%q", got[0].Notes) != `["PromQL warning: mixed" "PromQL info: metric might not be a counter"]` {
		t.Errorf("got %q", got[0].Notes)
	}
	text = `"warnings": ["store 10.0.0.7 is unavailable"],`
	_, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "x"}}, from, to, time.Second)
	if q := troubleOf(t, err); q.Trouble != Truncated {
		t.Errorf("got %v", err)
	}
}

// Points that CloudWatch could not calculate are left out, and it says so.
func TestCloudWatchNotes(t *testing.T) {
	c := cloudWatchServer(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Replace(reply(t, "cloudwatch/success.json"), `"StatusCode"`, `"Messages": [{"Code": "ArithmeticError", "Value": "One or more data-points have been dropped due to non-numeric values"}], "StatusCode"`, 1))
	})
	got := ask(t, c, Query{Kind: Gauge, Text: "AWS/Lambda Errors Sum"}, time.Unix(1795250200, 0), time.Unix(1795250500, 0), time.Minute)
	if len(got) != 1 || len(got[0].Notes) != 1 || !strings.Contains(got[0].Notes[0], "ArithmeticError One or more") {
		t.Errorf("got %v", got)
	}
}
