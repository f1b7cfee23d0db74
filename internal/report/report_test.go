package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/verdict"
)

var update = flag.Bool("update", false, "write the golden files")

var t0 = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// story writes a journal and reads it back, as a run and a later `bakegate report` do.
type story struct {
	t   *testing.T
	j   *record.Journal
	dir string
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{t: t, dir: t.TempDir()}
	j, err := record.Create(s.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.j = j
	t.Cleanup(func() { _ = j.Close() })
	s.add(record.TypePlan, record.Plan{DeployID: "checkout-production-0123456789ab", Stages: []string{"verify", "diff", "mark", "bake"},
		Release:  release.Release{Service: "checkout", Environment: "production", Version: "v2.4.0", Image: "ghcr.io/acme/checkout:v2.4.0"},
		Rollback: "kubectl rollout undo deployment/checkout",
		LastGood: &record.LastGoodOf{DeployID: "checkout-production-ba9876543210", Version: "v2.3.9", Digest: "sha256:1111", At: t0.Add(-24 * time.Hour)}})
	s.add(record.TypeAttempt, record.Attempt{Command: "run"})
	return s
}

func (s *story) add(typ record.Type, data any) {
	s.t.Helper()
	if err := s.j.Append(typ, data); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) end(v verdict.Verdict) *report.Report {
	s.t.Helper()
	s.add(record.TypeVerdict, record.Sealed{Verdict: v, Ended: t0.Add(6 * time.Minute)})
	r, err := report.From(record.EntriesIn(s.dir))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func rollback(t *testing.T) *report.Report {
	s := newStory(t)
	s.add(record.TypeFinding, verdict.Finding{Check: "verify/digest", Outcome: verdict.Pass, Summary: "ghcr.io/acme/checkout:v2.4.0 is the built image (index sha256:aaaa)"})
	s.add(record.TypeFinding, verdict.Finding{Check: "diff/changes", Outcome: verdict.Note, Summary: "2 changed, 0 missing, 0 extra (1 expected)",
		Evidence: []verdict.Evidence{{What: "Deployment/checkout:spec.template.spec.containers[name=app].resources.limits.memory", Got: "256Mi", Want: "512Mi"},
			{What: "ConfigMap/checkout:data.TIMEOUT | <b>", Got: "1s", Want: "30s"}}})
	s.add(record.TypeDeploy, release.Deploy{Started: t0, Finished: t0.Add(time.Minute), Serving: t0.Add(90 * time.Second), Source: "command"})
	s.add(record.TypeBaseline, report.Samples{Metric: "errors", Samples: []judge.Sample{{From: t0.Add(-time.Hour), To: t0, Bad: 180, Total: 180000}}})
	for i := range 4 {
		from := t0.Add(90*time.Second + time.Duration(i)*30*time.Second)
		s.add(record.TypeSample, report.Samples{Metric: "errors", Samples: []judge.Sample{{From: from, To: from.Add(30 * time.Second), Bad: float64(1 + i*40), Total: 1500}}})
	}
	j := judge.Judgement{Metric: "errors", Status: judge.Fail, Sentence: "errors 4.1% vs 0.10% before (+4.0 pp), evidence 4e12:1, since about 60 s after the deploy",
		Before: judge.Rate{Value: 0.001, Events: 180, Total: 180000}, After: judge.Rate{Value: 0.041, Events: 244, Total: 6000}, Onset: t0.Add(150 * time.Second)}
	s.add(record.TypeJudgement, j)
	s.add(record.TypeFinding, verdict.Finding{Check: "bake/latency", Outcome: verdict.Pass, Summary: "latency p99 210 ms vs 205 ms before"})
	s.add(record.TypeFinding, verdict.Finding{Check: "bake/errors", Outcome: verdict.Fail, Summary: j.Sentence, Hint: "roll back, then look at the errors of the new version"})
	s.add(record.TypeMarker, record.Marker{Sink: "grafana", Phase: "open", ID: "7"})
	return s.end(verdict.Verdict{Name: verdict.NameRollback, Reason: "rollback/errors", Exit: 10, Summary: j.Sentence, Deciding: 3})
}

func blocked(t *testing.T) *report.Report {
	s := newStory(t)
	f := verdict.Finding{Check: "verify/digest", Outcome: verdict.Fail, Reason: "digest", Summary: "the registry serves sha256:bbbb, the build made sha256:aaaa",
		Evidence: []verdict.Evidence{{What: "digest", Got: "sha256:bbbb", Want: "sha256:aaaa"}}, Hint: "deploy the digest instead of the tag"}
	s.add(record.TypeFinding, f)
	return s.end(verdict.Verdict{Name: verdict.NameBlocked, Reason: "blocked/digest", Exit: 13, Summary: f.Summary})
}

func quiet(t *testing.T) *report.Report {
	s := newStory(t)
	f := verdict.Finding{Check: "bake/errors", Outcome: verdict.Unknown, Reason: "low-traffic", Summary: "errors: 0 of 12 requests; needs about 1,900 more"}
	s.add(record.TypeFinding, f)
	s.add(record.TypeGap, record.Gap{Metric: "errors", From: t0, To: t0.Add(time.Minute), Reason: "backend-down", Detail: "connection refused"})
	return s.end(verdict.Verdict{Name: verdict.NameInconclusive, Reason: "inconclusive/low-traffic", Exit: 0, Mapped: "inconclusive/low-traffic", Summary: f.Summary})
}

func TestGolden(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *report.Report{"rollback": rollback, "blocked": blocked, "quiet": quiet} {
		r := make(t)
		var text, md bytes.Buffer
		if err := r.Text(&text, "bakegate-out"); err != nil {
			t.Fatal(err)
		}
		if err := r.Markdown(&md); err != nil {
			t.Fatal(err)
		}
		doc, err := r.Document().JSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".md", md.Bytes())
		golden(t, name+".json", doc)
		for _, line := range strings.Split(text.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > 80 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, "containers[") {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it)\n%s", path, got)
	}
}

// What an earlier attempt of the same command found no longer counts; what begin found counts for finish.
func TestAttempts(t *testing.T) {
	s := newStory(t)
	s.add(record.TypeAttempt, record.Attempt{Command: "begin"})
	s.add(record.TypeFinding, verdict.Finding{Check: "verify/digest", Outcome: verdict.Pass})
	s.add(record.TypeAttempt, record.Attempt{Command: "finish"})
	s.add(record.TypeFinding, verdict.Finding{Check: "bake/errors", Outcome: verdict.Unknown})
	s.add(record.TypeVerdict, record.Sealed{Verdict: verdict.Verdict{Name: verdict.NamePending}, Open: true})
	s.add(record.TypeAttempt, record.Attempt{Command: "finish"})
	s.add(record.TypeFinding, verdict.Finding{Check: "bake/errors", Outcome: verdict.Pass})
	r := s.end(verdict.Verdict{Name: verdict.NamePass})
	if len(r.Findings) != 2 || r.Findings[0].Check != "verify/digest" || r.Findings[1].Outcome != verdict.Pass {
		t.Errorf("findings %+v", r.Findings)
	}
	if kept := r.FindingsBut("finish"); len(kept) != 1 || kept[0].Check != "verify/digest" {
		t.Errorf("kept for another finish: %+v", kept)
	}
	if !r.Sealed() {
		t.Error("not sealed")
	}
}

// Text from outside cannot become HTML, a mention, a link, a table cell or the end of a code block.
func TestMarkdownIsInert(t *testing.T) {
	s := newStory(t)
	evil := "<img src=x onerror=alert(1)> | @channel [click](http://evil) ``` `x` **b**"
	s.add(record.TypeFinding, verdict.Finding{Check: "bake/" + evil, Outcome: verdict.Fail, Summary: evil, Hint: evil, Evidence: []verdict.Evidence{{What: evil, Got: evil, Want: evil}}})
	r := s.end(verdict.Verdict{Name: verdict.NameRollback, Summary: evil})
	r.Plan.Rollback = "echo ```\n```"
	var b bytes.Buffer
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<img", "@channel", "[click]", " | @"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the summary holds %q:\n%s", bad, b.String())
		}
	}
	if !strings.Contains(b.String(), "````sh") {
		t.Errorf("the fence can be closed from inside:\n%s", b.String())
	}
}

func TestQuantileChart(t *testing.T) {
	s := newStory(t)
	buckets := func(n ...float64) []judge.Bucket {
		return []judge.Bucket{{Le: 0.1, N: n[0]}, {Le: 0.2, N: n[1]}, {Inf: true, N: n[2]}}
	}
	s.add(record.TypeBaseline, report.Samples{Metric: "latency", Samples: []judge.Sample{{From: t0.Add(-time.Minute), To: t0, Buckets: buckets(1000, 0, 0)}}})
	s.add(record.TypeSample, report.Samples{Metric: "latency", Samples: []judge.Sample{{From: t0, To: t0.Add(time.Minute), Buckets: buckets(980, 20, 0)},
		{From: t0.Add(time.Minute), To: t0.Add(2 * time.Minute), Buckets: buckets(0, 0, 10)}}})
	var b bytes.Buffer
	if err := s.end(verdict.Verdict{Name: verdict.NamePass}).Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"99th percentile", "line [0.15, 0.2]", "line [0.099, 0.099]"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
}

// A stage has the findings since the one before it; those of an attempt that was killed in its middle belong to none.
func TestStages(t *testing.T) {
	s := newStory(t)
	found := func(check string) { s.add(record.TypeFinding, verdict.Finding{Check: check, Summary: check}) }
	found("verify/killed")
	s.add(record.TypeAttempt, record.Attempt{Command: "run", Resumed: true})
	found("verify/digest")
	found("verify/tag")
	s.add(record.TypeStage, record.Stage{Name: "verify", Started: t0, Ended: t0.Add(time.Second), Error: "HTTP 503"})
	s.add(record.TypeStage, record.Stage{Name: "deploy", Started: t0, Ended: t0.Add(time.Minute)})
	r := s.end(verdict.Verdict{Name: verdict.NamePass})
	if len(r.Stages) != 2 || r.Stages[0].Name != "verify" || r.Stages[0].Error != "HTTP 503" || len(r.Stages[1].Found) != 0 {
		t.Fatalf("%+v", r.Stages)
	}
	if f := r.Stages[0].Found; len(f) != 2 || f[0].Check != "verify/digest" || f[1].Check != "verify/tag" || f[0].At.IsZero() {
		t.Errorf("%+v", f)
	}
}

// What is not there leaves no gap, and a name that the summary begins with does not push it out of its column.
func TestSmallPrint(t *testing.T) {
	r := &report.Report{}
	r.Verdict.Name, r.Verdict.Exit = verdict.NameRollback, 10
	r.Plan.LastGood = &record.LastGoodOf{Version: "1.1.0", At: t0}
	r.Findings = []verdict.Finding{
		{Check: "bake/errors in zone b", Outcome: verdict.Fail, Summary: "errors in zone b 3.2%, expected 0.1%", Doc: "bake-metric"},
		{Check: "diff/risk-image-unpinned", Outcome: verdict.Note, Summary: "an image is not pinned", Doc: "diff-risk-image-unpinned"},
	}
	var text bytes.Buffer
	if err := r.Text(&text, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"last good deploy: 1.1.0, 2026-11-21T10:00:00Z\n", "  FAIL    bake              errors in zone b 3.2%, expected 0.1%\n",
		"            see docs/checks/bake-metric.md\n", "  note    diff/risk-image-unpinned an image"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got\n%s\nwant it to hold %q", text.String(), want)
		}
	}
	if strings.Contains(text.String(), "docs/checks/diff-risk") {
		t.Errorf("a note names its page:\n%s", text.String())
	}
}

// Where nobody told the end of the deploy, the log does not say that it is known from begin.
func TestLiveDeployEnd(t *testing.T) {
	for want, source := range map[string]string{"finished by 10:00:00, when bakegate finish began": release.Finish, "finished at 10:00:00 (known from: begin)": ""} {
		var log bytes.Buffer
		data, err := json.Marshal(release.Deploy{Started: t0.Add(-time.Minute), Finished: t0, Source: "begin", FinishedSource: source})
		if err != nil {
			t.Fatal(err)
		}
		report.NewLive(&log, false).Entry(record.Entry{T: t0, Type: record.TypeDeploy, Data: data})
		if !strings.Contains(log.String(), want) {
			t.Errorf("got %q, want %q", log.String(), want)
		}
	}
}
