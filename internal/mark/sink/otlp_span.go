package sink

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// The JSON of OTLP: ids in hex, enumerations as numbers, 64-bit numbers as strings.
type (
	otlpRequest struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
		SchemaURL  string           `json:"schemaUrl"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans     []otlpSpan `json:"spans"`
		SchemaURL string     `json:"schemaUrl"`
	}
	otlpSpan struct {
		TraceID       string          `json:"traceId"`
		SpanID        string          `json:"spanId"`
		ParentSpanID  string          `json:"parentSpanId,omitempty"`
		Name          string          `json:"name"`
		Kind          int             `json:"kind"`
		Start         string          `json:"startTimeUnixNano"`
		End           string          `json:"endTimeUnixNano"`
		Attributes    []otlpAttribute `json:"attributes"`
		Events        []otlpEvent     `json:"events"`
		DroppedEvents int             `json:"droppedEventsCount,omitempty"`
		Status        otlpStatus      `json:"status"`
	}
	otlpEvent struct {
		Time       string          `json:"timeUnixNano"`
		Name       string          `json:"name"`
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	otlpAttribute struct {
		Key   string `json:"key"`
		Value struct {
			String string `json:"stringValue"`
		} `json:"value"`
	}
)

const (
	otlpInternal = 1 // SPAN_KIND_INTERNAL
	otlpError    = 2 // STATUS_CODE_ERROR

	// otlpSchema is the version of the semantic conventions by which everything is named.
	otlpSchema = "https://opentelemetry.io/schemas/1.44.0"

	// otlpValue is the longest value that is sent: backends cut at some thousand bytes, or drop the span.
	otlpValue = 1000
	// otlpStages and otlpEvents bound what is sent of a run: many looks of finish --once, many findings.
	otlpStages, otlpEvents = 50, 40
)

func otlpAttributes(c *cutter, pairs ...pair) []otlpAttribute {
	all := []otlpAttribute{}
	for _, p := range pairs {
		a := otlpAttribute{Key: p.key}
		if a.Value.String = c.text(p.key, p.value, otlpValue); a.Value.String != "" {
			all = append(all, a)
		}
	}
	return all
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// otlpSpans is the run: a span of it all, and a child per stage.
func otlpSpans(m Marker, c *cutter) otlpRequest {
	scope := otlpScopeSpans{SchemaURL: otlpSchema, Spans: append([]otlpSpan{otlpRun(m, c)}, otlpChildren(m, c)...)}
	scope.Scope.Name = "bakegate"
	return otlpRequest{[]otlpResourceSpans{{otlpResource{otlpAttributes(c, m.resource()...)}, []otlpScopeSpans{scope}, otlpSchema}}}
}

// otlpRun is the span of the whole run: a task of the pipeline, with the verdict as its event.
func otlpRun(m Marker, c *cutter) otlpSpan {
	start, end := m.interval()
	for _, s := range m.Stages { // what is checked before the deploy is a part of the run
		start = earlier(start, s.Started)
		end = later(end, s.Ended)
	}
	ctx := otlpTrace(m)
	result, status := otlpResult(m.Verdict)
	attributes := []pair{{"deployment.id", m.DeployID}, {"deployment.status", status}, {"cicd.pipeline.task.type", "deploy"},
		{"cicd.pipeline.task.name", cmp.Or(m.Job, "bakegate")}, {"cicd.pipeline.task.run.id", m.DeployID},
		{"cicd.pipeline.task.run.result", result}, {"cicd.pipeline.task.run.url.full", m.RunURL}, {"cicd.pipeline.run.url.full", m.RunURL}}
	s := otlpSpan{TraceID: ctx.trace, SpanID: runSpan(m), ParentSpanID: ctx.parent, Name: "bakegate", Kind: otlpInternal, Start: nano(start), End: nano(end),
		Events: []otlpEvent{{Time: nano(end), Name: "bakegate.verdict",
			Attributes: otlpAttributes(c, pair{"bakegate.verdict", m.Verdict}, pair{"bakegate.reason", m.Reason}, pair{"bakegate.summary", m.Summary})}},
	}
	if result != "success" && result != "skip" {
		s.Status = otlpStatus{otlpError, clean.Cut(m.Summary, otlpValue)}
		attributes = append(attributes, pair{"error.type", cmp.Or(m.Reason, m.Verdict)})
	}
	s.Attributes = otlpAttributes(c, attributes...)
	return s
}

// otlpChildren are the spans of the stages. Of too many, those in the middle are left out: the deploy is among the first.
func otlpChildren(m Marker, c *cutter) []otlpSpan {
	var all []otlpSpan
	nth := map[string]int{}
	for _, s := range m.Stages {
		all = append(all, otlpStage(m, s, nth[s.Name], c))
		nth[s.Name]++
	}
	if over := len(all) - otlpStages; over > 0 {
		c.cut = append(c.cut, fmt.Sprintf("%d stages", over))
		all = slices.Delete(all, otlpStages/2, otlpStages/2+over)
	}
	return all
}

// otlpStage is the span of a stage, with an event per finding: what it has to say of the deploy.
func otlpStage(m Marker, s Stage, nth int, c *cutter) otlpSpan {
	span := otlpSpan{TraceID: otlpTrace(m).trace, SpanID: stageSpan(m, s.Name, nth), ParentSpanID: runSpan(m), Name: s.Name, Kind: otlpInternal,
		Start: nano(s.Started), End: nano(later(s.Started, s.Ended)), Events: []otlpEvent{}}
	attributes := []pair{{"deployment.id", m.DeployID}}
	failed := func(kind, why string) {
		if span.Status.Code != otlpError {
			span.Status = otlpStatus{otlpError, clean.Cut(why, otlpValue)}
			attributes = append(attributes, pair{"error.type", kind})
		}
	}
	if s.Failed != "" {
		failed(s.Name, s.Failed)
	}
	for _, f := range s.Findings {
		if f.Failed {
			failed(f.Check, f.Summary)
		}
		if len(span.Events) == otlpEvents {
			span.DroppedEvents++
			continue
		}
		span.Events = append(span.Events, otlpEvent{Time: nano(f.At), Name: "bakegate.finding",
			Attributes: otlpAttributes(c, pair{"bakegate.check", f.Check}, pair{"bakegate.outcome", f.Outcome}, pair{"bakegate.summary", f.Summary})})
	}
	span.Attributes = otlpAttributes(c, attributes...)
	return span
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// otlpResult is the verdict in the words of cicd.pipeline.task.run.result and deployment.status. What nobody could decide did not succeed.
func otlpResult(verdict string) (result, status string) {
	switch verdict {
	case "pass":
		return "success", "succeeded"
	case "aborted":
		return "cancellation", "failed"
	case "superseded":
		return "skip", ""
	case "inconclusive", "error":
		return "error", ""
	}
	return "failure", "failed"
}

// traceContext is what a traceparent says.
type traceContext struct{ trace, parent, flags string }

var traceparent = lazyregexp.New(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)

// parseTraceParent reads W3C Trace Context; what is none is not ok. Of the flags, those that it knows are kept: sampled and random.
func parseTraceParent(s string) (c traceContext, ok bool) {
	p := traceparent.FindStringSubmatch(strings.TrimSpace(s))
	if p == nil || p[1] == "ff" || p[1] == "00" && p[5] != "" || strings.Trim(p[2], "0") == "" || strings.Trim(p[3], "0") == "" {
		return c, false
	}
	flags, err := strconv.ParseUint(p[4], 16, 8)
	return traceContext{p[2], p[3], fmt.Sprintf("%02x", flags&3)}, err == nil
}

// otlpTrace is the trace that the pipeline runs in, or one that is made of the deploy id.
func otlpTrace(m Marker) traceContext {
	if c, ok := parseTraceParent(m.TraceParent); ok {
		return c
	}
	return traceContext{trace: derivedID("trace", m, 16), flags: "01"}
}

func runSpan(m Marker) string { return derivedID("span", m, 8) }

// stageSpan is the id of the span of a stage. It is given away before the deploy, and sent behind it by another process.
func stageSpan(m Marker, stage string, nth int) string {
	return derivedID(fmt.Sprintf("span %s %d", stage, nth), m, 8)
}

// derivedID is an id of n bytes that the same deploy always gets.
func derivedID(kind string, m Marker, n int) string {
	h := sha256.Sum256([]byte("bakegate " + kind + "\x00" + m.DeployID))
	return hex.EncodeToString(h[:n])
}
