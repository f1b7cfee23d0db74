package sink

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

func TestOTLPSpan(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["otlp"].make(t)
		m := sealed(marker(), "rollback")
		m.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		m.Repository = "acme/checkout"
		good(t, "seal", k.Seal(ctx, "", m))
		text := shown(t, f, 1)
		var got struct{ Span fake.Span }
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		s := got.Span
		if s.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || s.ParentSpanID != "00f067aa0ba902b7" || s.Start != nano(m.Started) || s.End != nano(m.Ended) || s.Status.Code != 2 ||
			len(s.Events) != 1 || s.Events[0].Time != nano(m.Ended) {
			t.Errorf("%+v", s)
		}
		for _, want := range []string{`"service.name","value":{"stringValue":"checkout"`, `"deployment.environment.name","value":{"stringValue":"production"`,
			`"service.version","value":{"stringValue":"v2.4.0"`, `"deployment.id"`, `"cicd.pipeline.task.run.result","value":{"stringValue":"failure"`,
			`"vcs.ref.head.revision","value":{"stringValue":"c0ffee"`, `"deployment.status","value":{"stringValue":"failed"`, `"bakegate.verdict","value":{"stringValue":"rollback"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in %s", want, text)
			}
		}
	})
}

// Without a trace of the pipeline, the same deploy is always the same trace; what is no trace is none.
func TestOTLPTrace(t *testing.T) {
	m := marker()
	trace, parent := otlpTrace(m)
	for _, bad := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"} {
		m.TraceParent = bad
		if a, b := otlpTrace(m); a != trace || b != parent || len(a) != 32 || b != "" {
			t.Errorf("%q: %s %s", bad, a, b)
		}
	}
	m.DeployID = "another"
	if a, _ := otlpTrace(m); a == trace {
		t.Error("two deploys are one trace")
	}
}

func TestOTLPRejected(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["otlp"].make(t)
		f.(*fake.OTLP).Reject("too old")
		if err := k.Seal(ctx, "", sealed(marker(), "pass")); err == nil || Uncertain(err) || !strings.Contains(err.Error(), "too old") {
			t.Errorf("%v", err)
		}
	})
}
