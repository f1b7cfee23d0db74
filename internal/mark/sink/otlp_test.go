package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

const jobTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// staged is a marker of a run that had stages.
func staged(verdict string) Marker {
	m := sealed(marker(), verdict)
	m.Repository, m.Ref, m.Image, m.RunURL = "acme/checkout", "refs/heads/main", "ghcr.io/acme/checkout:v2.4.0@sha256:aa", "https://github.com/acme/checkout/actions/runs/1"
	at := m.Started.Add(-time.Minute)
	m.Stages = nil
	for _, name := range []string{"preflight", "verify", "diff", "mark", "deploy", "verify", "bake", "verify"} {
		s := Stage{Name: name, Started: at, Ended: at.Add(10 * time.Second)}
		s.Findings = []Finding{{Check: name + "/x", Outcome: "pass", Summary: "as it should be", At: at.Add(time.Second)}}
		if at = s.Ended; name == "bake" {
			s.Findings[0] = Finding{Check: "bake/errors", Outcome: "fail", Summary: "3.1% of requests fail", Failed: true, At: at}
		}
		m.Stages = append(m.Stages, s)
	}
	return m
}

// attributes are a span's, as key=value.
func attributes(s fake.Span) (all []string) {
	for _, a := range s.Attributes {
		all = append(all, a.Key+"="+a.Value.String)
	}
	return all
}

// The run is a span with a child per stage, in the pipeline's trace.
func TestOTLPSpans(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["otlp"].make(t)
		m := staged("rollback")
		m.TraceParent = jobTrace
		good(t, "seal", k.Seal(ctx, "", m))
		spans := f.(*fake.OTLP).Spans()
		if len(spans) != 9 {
			t.Fatalf("%d spans, want 9", len(spans))
		}
		root := spans[0]
		if root.ParentSpanID != "00f067aa0ba902b7" || root.Name != "bakegate" || root.Start != nano(m.Stages[0].Started) || root.End != nano(m.Ended) ||
			root.Status.Code != 2 || root.Status.Message != m.Summary || len(root.Events) != 1 || root.Events[0].Name != "bakegate.verdict" || root.Events[0].Time != nano(m.Ended) {
			t.Errorf("%+v", root)
		}
		for _, want := range []string{"deployment.id=" + m.DeployID, "deployment.status=failed", "cicd.pipeline.task.type=deploy", "cicd.pipeline.task.run.result=failure", "error.type=rollback/errors"} {
			if !slices.Contains(attributes(root), want) {
				t.Errorf("%s is not in %q", want, attributes(root))
			}
		}
		ids := map[string]bool{}
		for i, s := range spans {
			if ids[s.SpanID] = true; s.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || i > 0 && (s.ParentSpanID != root.SpanID || s.Name != m.Stages[i-1].Name ||
				len(s.Events) != 1 || s.Events[0].Name != "bakegate.finding" || (s.Status.Code == 2) != (s.Name == "bake")) {
				t.Errorf("%+v", s)
			}
		}
		if len(ids) != 9 {
			t.Errorf("%d ids of 9 spans", len(ids))
		}
		if got, want := k.(Tracer).TraceParent(m, Deploying), "00-"+root.TraceID+"-"+spans[5].SpanID+"-01"; got != want {
			t.Errorf("the deploy was given %s, and is %s", got, want)
		}
	})
}

// What the workload gets as OTEL_RESOURCE_ATTRIBUTES is the resource of the deploy's spans.
func TestOTLPResource(t *testing.T) {
	m := staged("pass")
	var items []string
	for _, a := range otlpSpans(m, &cutter{}).ResourceSpans[0].Resource.Attributes {
		items = append(items, a.Key+"="+a.Value.String)
	}
	want := "service.name=checkout,service.version=v2.4.0,deployment.environment.name=production,deployment.id=checkout-production-0123456789ab," +
		"oci.manifest.digest=sha256:aa,container.image.name=ghcr.io/acme/checkout,vcs.ref.head.revision=c0ffee,vcs.ref.head.name=main,vcs.ref.type=branch," +
		"vcs.repository.name=checkout,vcs.repository.url.full=https://github.com/acme/checkout"
	if got := strings.Join(items, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := ResourceAttributes(m, ""); got != want || err != nil {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The verdict in the words of the conventions; a status is set where something went wrong.
func TestOTLPStatus(t *testing.T) {
	for verdict, want := range map[string]string{"pass": "success succeeded 0", "rollback": "failure failed 2", "deploy-failed": "failure failed 2", "aborted": "cancellation failed 2",
		"superseded": "skip  0", "inconclusive": "error  2", "error": "error  2"} {
		result, status := otlpResult(verdict)
		if got := fmt.Sprint(result, " ", status, " ", otlpRun(sealed(marker(), verdict), &cutter{}).Status.Code); got != want {
			t.Errorf("%s: %q, want %q", verdict, got, want)
		}
	}
	s := otlpStage(marker(), Stage{Name: "verify", Failed: "HTTP 503", Findings: []Finding{{Check: "verify/tag", Failed: true}}}, 0, &cutter{})
	if s.Status != (otlpStatus{2, "HTTP 503"}) || len(s.Attributes) != 2 || s.Attributes[1].Value.String != "verify" {
		t.Errorf("%+v", s)
	}
}

// A run of many looks is bounded, and says so; its deploy is kept.
func TestOTLPBounds(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["otlp"].make(t)
		m := staged("pass")
		for range 500 {
			s := m.Stages[6]
			s.Findings = slices.Repeat(s.Findings, 300)
			m.Stages = append(m.Stages, s)
		}
		var w *Warning
		if err := k.Seal(ctx, "", m); !errors.As(err, &w) || !strings.Contains(w.Text, "458 stages") {
			t.Errorf("%v", err)
		}
		spans := f.(*fake.OTLP).Spans()
		last := spans[len(spans)-1]
		if len(spans) != 1+otlpStages || spans[5].Name != "deploy" || len(last.Events) != otlpEvents || last.DroppedEvents != 300-otlpEvents {
			t.Errorf("%d spans, %d events, %d dropped", len(spans), len(last.Events), last.DroppedEvents)
		}
		if n := len(f.Requests()[0].Body); n > 1<<20 {
			t.Errorf("%d bytes", n)
		}
	})
}

// Without a trace of the pipeline, the same deploy is always the same trace; what is no trace is none.
func TestOTLPTrace(t *testing.T) {
	m := marker()
	own := otlpTrace(m)
	for _, bad := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", " ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		jobTrace + "-more", jobTrace + "\nx"} {
		m.TraceParent = bad
		if c := otlpTrace(m); c != own || len(c.trace) != 32 || c.parent != "" || c.flags != "01" {
			t.Errorf("%q: %+v", bad, c)
		}
	}
	for text, flags := range map[string]string{jobTrace: "01", strings.TrimSuffix(jobTrace, "1") + "0": "00", " " + strings.TrimSuffix(jobTrace, "01") + "ff\n": "03", "01" + jobTrace[2:] + "-more": "01"} {
		m.TraceParent = text
		if c := otlpTrace(m); c != (traceContext{"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", flags}) {
			t.Errorf("%q: %+v", text, c)
		}
	}
	m.DeployID, m.TraceParent = "another", ""
	if otlpTrace(m).trace == own.trace {
		t.Error("two deploys are one trace")
	}
}

func TestOTLPRejected(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["otlp"].make(t)
		m := staged("pass")
		f.(*fake.OTLP).Reject("too old", 9)
		if err := k.Seal(ctx, "", m); err == nil || Uncertain(err) || !strings.Contains(err.Error(), "too old") {
			t.Errorf("%v", err)
		}
		f.(*fake.OTLP).Reject("too old", 2)
		var w *Warning
		if err := k.Seal(ctx, "", m); !errors.As(err, &w) || !strings.Contains(w.Text, "2 of 9 spans") {
			t.Errorf("%v", err)
		}
	})
}

func TestResourceAttributes(t *testing.T) {
	ours := Marker{Service: "shop", Version: "1,2=3", DeployID: "d"}
	for _, tt := range []struct{ name, job, want, err string }{
		{"none", "", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", ""},
		{"theirs stay", "team=red, k8s.cluster.name = eu%201 ,", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d,k8s.cluster.name=eu%201,team=red", ""},
		{"ours win", "service.name=jenkins,service%2Ename=jenkins,deployment.environment.name=test", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d,deployment.environment.name=test", ""},
		{"the later of two", "a=1,a=2", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d,a=2", ""},
		{"an = and a plus in a value", "a=b=c+d$e", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d,a=b%3Dc%2Bd%24e", ""},
		{"no =", "a=1,b", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", `attribute 2: got "b"`},
		{"no key", "=1", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", "a key"},
		{"a bad %", "a=100%", "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", "hexadecimal"},
		{"too many", strings.Repeat("a=1,", 200), "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", "at most 8192 and 128"},
		{"too long", "a=" + strings.Repeat("x", 9000), "service.name=shop,service.version=1%2C2%3D3,deployment.id=d", "at most 8192"},
	} {
		got, err := ResourceAttributes(ours, tt.job)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s:\ngot  %s (%v)\nwant %s (%s)", tt.name, got, err, tt.want, tt.err)
		}
	}
	if got, _ := ResourceAttributes(Marker{Service: "a", Version: strings.Repeat("v", 300)}, ""); got != "service.name=a" {
		t.Errorf("half of a version: %s", got)
	}
}

func TestRepositoryURL(t *testing.T) {
	for repository, want := range map[string]string{"acme/checkout": "https://github.com/acme/checkout", "": "", "other/repo": "", "https://x:y@git.acme.dev/a/b.git?q#f": "https://git.acme.dev/a/b",
		"ssh://git@host/a": "", "https://": "", "javascript://x/a": ""} {
		m := Marker{Repository: repository, RunURL: "https://github.com/acme/checkout/actions/runs/1"}
		if got := m.repositoryURL(); got != want {
			t.Errorf("%q: %q, want %q", repository, got, want)
		}
	}
	for ref, want := range map[string]string{"refs/heads/a/b": "a/b branch", "refs/tags/v1": "v1 tag", "main": "main ", "refs/pull/1/merge": "pull/1/merge "} {
		name, kind := Marker{Ref: ref}.ref()
		if got := name + " " + kind; got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

// No value of ours or theirs makes another attribute, and what is written is read back as it was.
func FuzzResourceAttributes(f *testing.F) {
	f.Add("shop,deployment.id=x", "1\n2=3%", "team=red,a=b")
	f.Add("é%2C", " ", "service.name=x,%61=%,=")
	f.Fuzz(func(t *testing.T, service, version, job string) {
		m := Marker{Service: service, Version: version, DeployID: "id"}
		s, err := ResourceAttributes(m, job)
		got, again := parseResource(s)
		if again != nil && len(s) <= resourceJob && strings.Count(s, ",") < resourceCount {
			t.Fatalf("%q: %v", s, again)
		}
		if strings.ContainsAny(s, " \t\r\n\"'`$;&|<>()\\+*?[]{}!#") {
			t.Errorf("%q needs quotes", s)
		}
		if err != nil && strings.Count(s, "=") > 3 {
			t.Errorf("%q of a variable that was refused: %v", s, err)
		}
		if again == nil && got["deployment.id"] != "id" {
			t.Errorf("%q: deployment.id is %q", s, got["deployment.id"])
		}
		if want := clean.Cut(service, 4*resourceValue); again == nil && want != "" && len(want) <= resourceValue && got["service.name"] != want {
			t.Errorf("%q: service.name is %q, want %q", s, got["service.name"], want)
		}
	})
}
