package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// replay answers every request with a stored reply.
func replay(t *testing.T, file string, status int) *httpx.Client {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "api", file))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	c, err := httpx.New(httpx.Remote{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The replies have the shapes that the tools document, which the fakes need not share.
func TestStoredReplies(t *testing.T) {
	m := Marker{DeployID: "checkout-production-0123456789ab", Service: "checkout"}
	found, err := (&grafana{link: link{api: replay(t, "grafana/found.json", 200)}}).find(t.Context(), m)
	if err != nil || found == nil || found.ID != 23 || !found.sealed() || found.TimeEnd != 1597517911000 {
		t.Errorf("found.json: %+v %v", found, err)
	}
	if id, err := (&grafana{link: link{api: replay(t, "grafana/created.json", 200)}}).post(t.Context(), annotationWrite{Text: "x"}); id != 23 || err != nil {
		t.Errorf("created.json: %d %v", id, err)
	}
	if id, err := (&datadog{link: link{api: replay(t, "datadog/202.json", 202)}}).Open(t.Context(), m); id != "6518687641234567890" || err != nil {
		t.Errorf("202.json: %q %v", id, err)
	}
	for _, tt := range []struct {
		file   string
		status int
		sink   func(*httpx.Client) Sink
		want   string
		hinted bool
	}{
		{"grafana/401.json", 401, func(c *httpx.Client) Sink { return &grafana{link: link{api: c}} }, `HTTP 401 Unauthorized: {"message":"Invalid API key"}`, true},
		{"grafana/400-tags.json", 400, func(c *httpx.Client) Sink { return &grafana{link: link{api: c}} }, "Tags length exceeds the maximum allowed.", false},
		{"datadog/403.json", 403, func(c *httpx.Client) Sink { return &datadog{link: link{api: c}} }, `the api-key was refused: POST`, true},
	} {
		_, err := tt.sink(replay(t, tt.file, tt.status)).Open(context.Background(), m)
		var h *Hinted
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &h) != tt.hinted || Uncertain(err) {
			t.Errorf("%s: %v, want %q", tt.file, err, tt.want)
		}
	}
}

// What the other tools answer, in the shapes that they document.
func TestStoredRepliesFound(t *testing.T) {
	m := Marker{DeployID: "checkout-production-0123456789ab", Service: "checkout", Environment: "production", Commit: "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
		Version: "v2.4.0", Started: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)}
	at := func(file string, status int) link { return link{api: replay(t, file, status)} }
	if d, err := (&honeycomb{link: at("honeycomb/markers.json", 200), options: honeycombOptions{Dataset: "x"}}).once(t.Context(), m, honeycombMarker{}); err != nil || d.ID != "abcdef" {
		t.Errorf("honeycomb: %+v %v", d, err)
	}
	if d, err := (&sentry{link: at("sentry/deploys.json", 200)}).deploy(t.Context(), "/x/", m, sentryDeploy{}); err != nil || d.ID != "1234568" {
		t.Errorf("sentry: %+v %v", d, err)
	}
	if id, err := (&github{link: at("github/deployments.json", 200), options: githubOptions{Repository: "octocat/example"}}).deployment(t.Context(), "", m); err != nil || id != "1" {
		t.Errorf("github: %s %v", id, err)
	}
	if d, err := (&gitlab{link: at("gitlab/deployments.json", 200), options: gitlabOptions{Project: "x"}}).deployment(t.Context(), m, "running"); err != nil || d.ID != 41 {
		t.Errorf("gitlab: %+v %v", d, err)
	}
	if err := (&gitlab{link: at("gitlab/400.json", 400), options: gitlabOptions{Project: "x"}}).put(t.Context(), "41", m, "success"); err != nil {
		t.Errorf("gitlab: %v", err)
	}
	if id, err := (&newrelic{link: at("newrelic/created.json", 200)}).Open(t.Context(), m); id != "1b7b4ad5-8b9d-4d7a-9a3b-000000000001" {
		t.Errorf("newrelic: %q %v", id, err)
	}
	if _, err := (&pagerduty{link: at("pagerduty/202.json", 202)}).Open(t.Context(), m); err != nil {
		t.Errorf("pagerduty: %v", err)
	}
}

// A change event that is refused is a warning beside the event of the deploy.
func TestStoredRepliesOfChanges(t *testing.T) {
	m := Marker{DeployID: "x", Changes: Configuration{Changes: []Change{{"a", "1", "2"}}}}
	for status, want := range map[int]string{202: "", 400: "Missing required attribute in body"} {
		file := fmt.Sprintf("datadog/change-%d.json", status)
		d := &datadog{link: link{api: replay(t, "datadog/202.json", 202)}, intake: link{api: replay(t, file, status)}, options: datadogOptions{Changes: true}}
		id, err := d.Open(t.Context(), m)
		var w *Warning
		if id != "6518687641234567890" || (err == nil) != (want == "") || want != "" && (!errors.As(err, &w) || !strings.Contains(w.Text, want)) {
			t.Errorf("%s: %q %v", file, id, err)
		}
	}
}

func TestStoredRefusals(t *testing.T) {
	at := func(file string, status int) link { return link{api: replay(t, file, status)} }
	for want, k := range map[string]Sink{
		"should be 32 characters":   &pagerduty{link: at("pagerduty/400.json", 400)},
		"An error occurred resolvi": &newrelic{link: at("newrelic/refused.json", 200)},
		"span is too old":           &otlp{at("otlp/partial.json", 200)},
	} {
		err := k.Seal(t.Context(), "", Marker{DeployID: "x", Verdict: "pass"})
		if err == nil || !strings.Contains(err.Error(), want) || Uncertain(err) {
			t.Errorf("got %v, want a certain %q", err, want)
		}
	}
}

// Whatever the texts are, no tool is told a mention, a link or a macro, and what is too long is cut.
func FuzzChats(f *testing.F) {
	f.Add("<!channel> & {{DATE()}} <at>x</at>", "https://ci.example/<x>|y")
	f.Add("{{{{{ @{{ <<at>>", "@{")
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a\"b\\c\nd")
	f.Fuzz(func(t *testing.T, text, run string) {
		m := Marker{DeployID: "x", Service: text, Version: text, Summary: text, Reason: run, Actor: text, RunURL: run, Verdict: "hold", TraceParent: text}
		msg, _ := slackContent(m)
		for i, b := range msg.Blocks {
			s := b.Text.Text
			if i == 2 { // the only link is ours
				s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), "|pipeline run>")
			}
			if strings.ContainsAny(s, "<>") || i == 0 && len(s) > slackHeader || len(s) > slackSection {
				t.Errorf("slack: %q", s)
			}
		}
		card, _ := teamsContent(m)
		for _, line := range card.Attachments[0].Content.Body {
			for _, r := range line.Inlines {
				if strings.Contains(r.Text, "{{") || strings.Contains(r.Text, "@{") || strings.Contains(r.Text, "<at>") {
					t.Errorf("teams: %q", r.Text)
				}
			}
		}
		for _, line := range strings.Split(strings.TrimSuffix(string(pushgatewayText(m, &cutter{})), "\n"), "\n") {
			if !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "bakegate_deploy_") {
				t.Errorf("pushgateway: %q", line)
			}
		}
		if h := ceHeader(text); strings.ContainsAny(h, " \"\r\n") {
			t.Errorf("header %q", h)
		}
		if c := otlpTrace(m); len(c.trace) != 32 || c.parent != "" && len(c.parent) != 16 || len(c.flags) != 2 {
			t.Errorf("trace %+v", c)
		}
	})
}
