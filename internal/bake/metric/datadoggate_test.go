package metric

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// gate is a fake of the API, written from its documentation: an evaluation is not found at once, then in progress, then decided.
type gate struct {
	t       *testing.T
	answers []string // of the polls, one after the other; the last stays
	started []string // what was asked for
	polls   int
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const id = "e9d2f04f-4f4b-494b-86e5-52f03e10c8e9"
	if r.Header.Get("DD-API-KEY") == "" || r.Header.Get("DD-APPLICATION-KEY") == "" {
		g.t.Error("no keys")
	}
	switch r.Method + " " + r.URL.Path {
	case "POST " + gatePath:
		b, _ := io.ReadAll(r.Body)
		g.started = append(g.started, string(b))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"data":{"id":"x","type":"deployment_gates_evaluation_response","attributes":{"evaluation_id":%q}}}`, id)
	case "GET " + gatePath + "/" + id:
		answer := g.answers[min(g.polls, len(g.answers)-1)]
		g.polls++
		if answer == "404" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, answer)
	default:
		g.t.Errorf("asked %s %s", r.Method, r.URL)
	}
}

func gateReply(status, rest string) string {
	return fmt.Sprintf(`{"data":{"attributes":{"gate_status":%q,"evaluation_url":"https://app.datadoghq.com/x"%s}}}`, status, rest)
}

func gateAt(t *testing.T, answers ...string) (*datadogGate, *gate) {
	t.Helper()
	g := &gate{t: t, answers: answers}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	d, err := newDatadogGate(datadogAccount(httpx.Remote{URL: server.URL}))
	if err != nil {
		t.Fatal(err)
	}
	return d, g
}

var gateQuery = Query{ID: "q", Kind: Gauge, Text: "service:$service env:$environment version:$version identifier:pre", Vars: map[string]string{"service": `a" b`, "environment": "prod", "version": "v2"}}

// sooner lets time pass for the gate's only evaluation.
func (d *datadogGate) sooner(by time.Duration) {
	for _, r := range d.runs {
		r.begun, r.asked = r.begun.Add(-by), r.asked.Add(-by)
	}
}

func (d *datadogGate) poll(t *testing.T) ([]Series, error) {
	t.Helper()
	now := time.Now()
	return d.Range(t.Context(), []Query{gateQuery}, now.Add(-time.Hour), now.Add(10*time.Second), 10*time.Second)
}

func TestDatadogGate(t *testing.T) {
	d, g := gateAt(t, "404", gateReply("in_progress", ""), gateReply("pass", ""))
	if got, err := d.poll(t); len(got) > 0 || err != nil || len(g.started) > 0 {
		t.Errorf("before the deploy: got %v, %v", got, err)
	}
	d.Since(time.Now())
	for i, what := range []string{"not found yet", "in progress", "asked again at once"} {
		_, err := d.poll(t)
		if q := troubleOf(t, err); q.Trouble != Undecided || !strings.Contains(err.Error(), "is in progress since") {
			t.Errorf("%s: got %v", what, err)
		}
		if i == 0 {
			d.sooner(50 * time.Second)
		}
	}
	d.sooner(20 * time.Second)
	got, err := d.poll(t)
	if err != nil || len(got) != 1 || len(got[0].Points) != 8 || got[0].Points[0].V != 1 || time.Since(got[0].Points[0].T) < 69*time.Second {
		t.Errorf("passed: got %v, %v", got, err)
	}
	if again, err := d.poll(t); err != nil || fmt.Sprint(again) != fmt.Sprint(got) || g.polls != 3 || len(g.started) != 1 {
		t.Errorf("again: got %v, %v after %d polls", again, err, g.polls)
	}
	want := `{"data":{"attributes":{"env":"prod","identifier":"pre","service":"a\" b","version":"v2"},"type":"deployment_gates_evaluation_request"}}`
	if len(g.started) == 0 || g.started[0] != want {
		t.Errorf("asked for %s, want %s", g.started, want)
	}
}

// A gate that fails says why; one in a dry run decides nothing; and what is no decision never passes.
func TestDatadogGateDecides(t *testing.T) {
	rules := `,"rules":[{"name":"monitors","status":"fail","reason":"monitor 7 is in ALERT"},{"name":"new errors","status":"fail","reason":"3","dry_run":true},{"name":"fine","status":"pass"}]`
	for _, c := range []struct {
		answer  string
		value   float64
		trouble Trouble
		notes   string
	}{
		{gateReply("fail", rules), 0, "", "[rule monitors fails: monitor 7 is in ALERT in a dry run, rule new errors fails: 3 https://app.datadoghq.com/x]"},
		{gateReply("fail", `,"dry_run":true`), 1, "", "[the gate fails in a dry run, which decides nothing https://app.datadoghq.com/x]"},
		{gateReply("pass", ""), 1, "", "[https://app.datadoghq.com/x]"},
		{gateReply("", ""), 0, BackendDown, ""},
		{gateReply("PASS", ""), 0, BackendDown, ""},
		{gateReply("expired", ""), 0, BackendDown, ""},
		{`{"data":{}}`, 0, BackendDown, ""},
	} {
		d, _ := gateAt(t, c.answer)
		d.Since(time.Now())
		got, err := d.poll(t)
		if c.trouble != "" {
			if q := troubleOf(t, err); q.Trouble != c.trouble || len(got) > 0 {
				t.Errorf("%s: got %v, %v", c.answer, got, err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Points[0].V != c.value || fmt.Sprint(got[0].Notes) != c.notes {
			t.Errorf("%s: got %v, %v", c.answer, got, err)
		}
	}
	d, _ := gateAt(t, "404")
	d.Since(time.Now())
	_, _ = d.poll(t)
	d.sooner(2 * time.Minute)
	if _, err := d.poll(t); troubleOf(t, err).Trouble != BackendDown {
		t.Errorf("an evaluation that is never found: %v", err)
	}
}

func TestGateAttributes(t *testing.T) {
	for text, want := range map[string]string{
		"service:$service env:$environment":                              "map[env:prod service:checkout]",
		"service:a env:b identifier:c primary_tag:region:us-1 version:v": "map[env:b identifier:c primary_tag:region:us-1 service:a version:v]",
		"service:a":                 "error: want service and env",
		"service:a env:b service:c": "error: at most once",
		"service:a env:b team:c":    "error: at most once",
		"service:a env:":            "error: at most once",
		"service:$servic env:b":     "error: unknown variable",
	} {
		got, err := gateAttributes(text, values{vars: map[string]string{"service": "checkout", "environment": "prod"}})
		if want, failed := strings.CutPrefix(want, "error: "); failed && (err == nil || !strings.Contains(err.Error(), want)) || !failed && fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, %v, want %s", text, got, err, want)
		}
	}
	for _, value := range hostileValues { // no value becomes another attribute
		got, err := gateAttributes("service:$service env:b", values{vars: map[string]string{"service": value}})
		if err == nil && (len(got) != 2 || got["service"] != value || got["env"] != "b") {
			t.Errorf("%q: got %v", value, got)
		}
	}
}
