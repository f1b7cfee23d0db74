package mark_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark"
	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
	"github.com/bakegate/bakegate/internal/verdict"
)

// decode sets the options of a block, which are unexported, by their names.
func decode(values map[string]any) func(any) error {
	return func(target any) error {
		v := reflect.ValueOf(target).Elem()
		for name, value := range values {
			f := v.FieldByName(name)
			if !f.IsValid() {
				return fmt.Errorf("no field %s in %s", name, v.Type())
			}
			f.Set(reflect.ValueOf(value))
		}
		return nil
	}
}

// options are both tools as the configuration makes them, reached by their URLs.
func options(t *testing.T, g *fake.Grafana, d *fake.Datadog, timeout time.Duration) mark.Options {
	t.Helper()
	t.Cleanup(g.Close)
	t.Cleanup(d.Close)
	var o mark.Options
	for kind, values := range map[string]map[string]any{
		"grafana": {"URL": g.URL(), "Token": httpx.NewSecret("token"), "Timeout": 5 * time.Second},
		"datadog": {"URL": d.URL(), "APIKey": httpx.NewSecret("key"), "Timeout": timeout},
	} {
		var s mark.Spec
		if !slices.Contains(s.Choices(), kind) {
			t.Fatalf("%s cannot be chosen: %v", kind, s.Choices())
		}
		if err := s.Choose(kind, decode(values)); err != nil {
			t.Fatal(err)
		}
		o = append(o, s)
	}
	slices.SortFunc(o, func(a, b mark.Spec) int { return strings.Compare(b.Kind, a.Kind) }) // grafana first
	return o
}

// journal stands for the caller's journal.
type journal struct {
	entries []string
	told    mark.Told
	refuses bool
}

func (j *journal) before(tool string, phase mark.Phase) error {
	if j.refuses {
		return errors.New("disk full")
	}
	j.entries = append(j.entries, "intent "+tool+" "+string(phase))
	j.told.Add(tool, phase, true, "", "")
	return nil
}

func (j *journal) note(rs []mark.Result) []mark.Result {
	for _, r := range rs {
		failed := ""
		if r.Err != nil {
			failed = r.Err.Error()
		}
		j.told.Add(r.Sink, r.Phase, r.Uncertain, r.ID, failed)
	}
	return rs
}

func deploy() sink.Marker {
	return sink.Marker{DeployID: "checkout-production-1", Service: "checkout", Environment: "production", Started: time.Now().Add(-time.Minute)}
}

func ended(m sink.Marker) sink.Marker {
	m.Ended, m.Verdict = time.Now(), "rollback"
	return m
}

func TestOpenAndSeal(t *testing.T) {
	g, d := fake.NewGrafana("token"), fake.NewDatadog("key")
	o := options(t, g, d, 5*time.Second)
	j := &journal{told: mark.Told{}}
	m := deploy()
	for range 2 { // the second time is a rerun of the pipeline
		for _, r := range j.note(mark.Open(t.Context(), o, m, j.told, j.before)) {
			if r.Err != nil || r.ID == "" || r.Phase != mark.PhaseOpen {
				t.Errorf("%+v", r)
			}
		}
	}
	for range 2 {
		for _, r := range j.note(mark.Seal(t.Context(), o, ended(m), j.told, j.before)) {
			if r.Err != nil || r.Phase != mark.PhaseSeal {
				t.Errorf("%+v", r)
			}
		}
	}
	as, es := g.Annotations(), d.Events()
	if len(as) != 1 || as[0].TimeEnd == as[0].Time || !slices.Contains(as[0].Tags, "verdict:rollback") {
		t.Errorf("annotations %+v", as)
	}
	if len(es) != 2 || es[0].AlertType != "info" || es[1].AlertType != "error" {
		t.Errorf("events %+v", es)
	}
	if want := []string{"intent grafana open", "intent datadog open", "intent grafana seal", "intent datadog seal"}; !slices.Equal(j.entries, want) {
		t.Errorf("journal %q, want %q", j.entries, want)
	}
}

// What a crash, a time-out or a refusal leaves in the journal decides whether the next attempt sends.
func TestAttempts(t *testing.T) {
	tests := []struct {
		name         string
		first        func(g *fake.Grafana, d *fake.Datadog) // what goes wrong in the first attempt
		crash        bool                                   // between sending and the journal
		events       int                                    // Datadog's, behind the second attempt
		outcomeFirst verdict.Outcome                        // of datadog
		second       verdict.Outcome
	}{
		{"a crash behind sending", nil, true, 1, verdict.Pass, verdict.Note},
		{"a time-out behind it", func(g *fake.Grafana, d *fake.Datadog) { d.Fail(fake.Fault{Hang: true, After: true}) }, false, 1, verdict.Note, verdict.Note},
		{"a time-out before it", func(g *fake.Grafana, d *fake.Datadog) { d.Fail(fake.Fault{Hang: true}) }, false, 0, verdict.Note, verdict.Note},
		{"a refusal", func(g *fake.Grafana, d *fake.Datadog) { d.FailNext(403, 1) }, false, 1, verdict.Note, verdict.Pass},
		{"nothing", nil, false, 1, verdict.Pass, verdict.Pass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, d := fake.NewGrafana("token"), fake.NewDatadog("key")
			timeout := 5 * time.Second
			if strings.HasPrefix(tt.name, "a time-out") {
				timeout = 80 * time.Millisecond
			}
			o := options(t, g, d, timeout)
			if tt.first != nil {
				tt.first(g, d)
			}
			j := &journal{told: mark.Told{}}
			first := mark.Open(t.Context(), o, deploy(), j.told, j.before)
			if !tt.crash {
				j.note(first)
			}
			second := j.note(mark.Open(t.Context(), o, deploy(), j.told, j.before))
			if n := len(d.Events()); n != tt.events {
				t.Errorf("%d events, want %d", n, tt.events)
			}
			if n := len(g.Annotations()); n != 1 {
				t.Errorf("%d annotations, want one", n)
			}
			if f := mark.Findings(first)[1]; f.Outcome != tt.outcomeFirst || f.Check != "mark/datadog" {
				t.Errorf("first: %+v", f)
			}
			if f := mark.Findings(second)[1]; f.Outcome != tt.second {
				t.Errorf("second: %+v", f)
			}
			if f := mark.Findings(second)[0]; f.Outcome != verdict.Pass || f.Check != "mark/grafana" || f.Doc != "mark" {
				t.Errorf("grafana: %+v", f)
			}
		})
	}
}

func TestNothingIsSentWithoutTheIntent(t *testing.T) {
	g, d := fake.NewGrafana("token"), fake.NewDatadog("key")
	o := options(t, g, d, 5*time.Second)
	j := &journal{told: mark.Told{}, refuses: true}
	for _, r := range append(mark.Open(t.Context(), o, deploy(), nil, j.before), mark.Open(t.Context(), o, sink.Marker{}, nil, nil)...) {
		if r.Err == nil || r.Uncertain {
			t.Errorf("%+v", r)
		}
	}
	if g.Count("") != 0 || d.Count("") != 0 {
		t.Error("something was sent")
	}
}

// A tool that is down never fails the deploy, and says what to do.
func TestFindings(t *testing.T) {
	g, d := fake.NewGrafana("another"), fake.NewDatadog("another")
	fs := mark.Findings(mark.Seal(t.Context(), options(t, g, d, 5*time.Second), ended(deploy()), nil, nil))
	if len(fs) != 2 || verdict.Worst(fs) != verdict.Note {
		t.Fatalf("%+v", fs)
	}
	for i, want := range []string{"grafana: the deploy's end is not marked: GET ", "datadog: the deploy's end is not marked: the api-key was refused"} {
		if !strings.HasPrefix(fs[i].Summary, want) || fs[i].Hint == "" || fs[i].Doc == "" {
			t.Errorf("%+v, want %q", fs[i], want)
		}
	}
	if v := verdict.Decide(verdict.Policy{Deployed: true}, verdict.Ending{Kind: verdict.NamePass}, append(fs, verdict.Finding{Check: "bake/errors"})); v.Name != verdict.NamePass {
		t.Errorf("markers that failed made it %s", v.Name)
	}
}

// whole is a tool that takes a deploy only as a whole.
type whole struct{ told []string }

func (*whole) Traits() sink.Traits { return sink.Traits{AtEnd: true} }

func (w *whole) Open(context.Context, sink.Marker) (string, error) {
	w.told = append(w.told, "open")
	return "", nil
}

func (w *whole) Seal(context.Context, string, sink.Marker) error {
	w.told = append(w.told, "seal")
	return nil
}

// Nothing is sent to it at the start, and the finding does not say that there was; the end is told once.
func TestAtEnd(t *testing.T) {
	w := &whole{}
	o := mark.Options{{Kind: "otlp", Sink: w}}
	j := &journal{told: mark.Told{}}
	first := mark.Open(t.Context(), o, deploy(), j.told, j.before)
	if f := mark.Findings(first)[0]; f.Outcome != verdict.Pass || !strings.Contains(f.Summary, "nothing to send yet") || len(j.told) != 0 {
		t.Errorf("%+v %v", f, j.told)
	}
	for range 2 {
		j.note(mark.Seal(t.Context(), o, ended(deploy()), j.told, j.before))
	}
	if !slices.Equal(w.told, []string{"seal"}) {
		t.Errorf("told %q", w.told)
	}
}

// slow is a tool that hangs.
type slow struct{ opened *[]string }

func (s slow) Traits() sink.Traits { return sink.Traits{} }

func (s slow) Open(ctx context.Context, _ sink.Marker) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func (s slow) Seal(ctx context.Context, id string, _ sink.Marker) error {
	*s.opened = append(*s.opened, id)
	return &sink.Warning{Text: "not quite"}
}

func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		o := mark.Options{{Kind: "a", Sink: slow{&ids}}, {Kind: "b", Sink: slow{&ids}}, {Kind: "c", Sink: slow{&ids}}}
		start := time.Now()
		rs := mark.Open(t.Context(), o, deploy(), nil, nil)
		if took := time.Since(start); took != mark.Limit {
			t.Errorf("three tools that hang took %s, want %s together", took, mark.Limit)
		}
		for _, r := range rs {
			if !errors.Is(r.Err, context.DeadlineExceeded) || !r.Uncertain {
				t.Errorf("%+v", r)
			}
		}
		told := mark.Told{}
		told.Add("a", mark.PhaseOpen, true, "", "")
		told.Add("a", mark.PhaseOpen, false, "17", "")
		rs = mark.Seal(t.Context(), o[:1], deploy(), told, nil)
		if f := mark.Findings(rs)[0]; !slices.Equal(ids, []string{"17"}) || f.Outcome != verdict.Note || !strings.Contains(f.Summary, "but: not quite") {
			t.Errorf("ids %q, %+v", ids, f)
		}
	})
}

// Deploys of several pipelines at the same time keep their markers apart.
func TestConcurrentDeploys(t *testing.T) {
	g, d := fake.NewGrafana("token"), fake.NewDatadog("key")
	o := options(t, g, d, 5*time.Second)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			j := &journal{told: mark.Told{}}
			m := deploy()
			m.DeployID = fmt.Sprintf("checkout-%d", i)
			j.note(mark.Open(t.Context(), o, m, j.told, j.before))
			for _, r := range mark.Seal(t.Context(), o, ended(m), j.told, j.before) {
				if r.Err != nil && r.Sink == "grafana" {
					t.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(g.Annotations()); n != 6 {
		t.Errorf("%d annotations, want 6", n)
	}
}
