package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// otlpOptions is the block `otlp:`. URL is what OTEL_EXPORTER_OTLP_ENDPOINT would be: /v1/traces comes behind it.
type otlpOptions struct {
	httpx.Remote
	Token httpx.Secret `yaml:"token"` // sent as Authorization: Bearer TOKEN; other ways of login are headers
}

// otlp sends the deploy as one span, from its start to the end of the bake, by OTLP/HTTP in JSON. A span is complete when it is sent, so
// that there is none before the end.
type otlp struct{ link }

func buildOTLP(decode func(any) error) (Sink, error) {
	var o otlpOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	o.URL = strings.TrimSuffix(strings.TrimRight(o.URL, "/"), "/v1/traces")
	l, err := connect(o.Remote, httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	return &otlp{l}, nil
}

// Traits implements Sink. The ids of the span are made of the deploy's, so that most backends take a second one for the first; not all.
func (o *otlp) Traits() Traits { return Traits{AtEnd: true} }

// Open implements Sink.
func (o *otlp) Open(context.Context, Marker) (string, error) { return "", nil }

// Seal implements Sink.
func (o *otlp) Seal(ctx context.Context, _ string, m Marker) error {
	c := &cutter{}
	// Repeatable: it is the same span, by its ids, however often it arrives.
	resp, err := o.call(ctx, httpx.Request{Path: "/v1/traces", Repeatable: true}, otlpSpans(m, c))
	if err != nil {
		return refused(err, otlpHints)
	}
	if err := otlpTaken(resp); err != nil {
		return err
	}
	return c.warning("the span")
}

// otlpTaken reads the reply, in which a 200 can say that nothing was taken.
func otlpTaken(resp *httpx.Response) error {
	if len(resp.Body) == 0 {
		return nil
	}
	var reply struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"` // a 64-bit number is a string in OTLP's JSON, and in some replies is not
			ErrorMessage  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if err := httpx.DecodeJSON(resp, &reply); err != nil {
		return err
	}
	p := reply.PartialSuccess
	n, _ := p.RejectedSpans.Int64()
	switch {
	case n > 0:
		return notSent(fmt.Errorf("%s %s: the span was rejected: %s", resp.Method, resp.URL, clean.Cut(p.ErrorMessage, 300)))
	case p.ErrorMessage != "":
		return &Warning{Text: "the backend took the span and says: " + clean.Cut(p.ErrorMessage, 300)}
	}
	return nil
}

// The JSON of OTLP: ids in hex, enumerations as numbers, 64-bit numbers as strings.
type (
	otlpRequest struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID      string          `json:"traceId"`
		SpanID       string          `json:"spanId"`
		ParentSpanID string          `json:"parentSpanId,omitempty"`
		Name         string          `json:"name"`
		Kind         int             `json:"kind"`
		Start        string          `json:"startTimeUnixNano"`
		End          string          `json:"endTimeUnixNano"`
		Attributes   []otlpAttribute `json:"attributes"`
		Events       []otlpEvent     `json:"events"`
		Status       otlpStatus      `json:"status"`
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

// otlpValue is the longest value that is sent: backends cut at some thousand bytes, or drop the span.
const otlpValue = 1000

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

const (
	otlpInternal = 1 // SPAN_KIND_INTERNAL
	otlpError    = 2 // STATUS_CODE_ERROR
)

// otlpSpans names everything by the semantic conventions 1.43.
func otlpSpans(m Marker, c *cutter) otlpRequest {
	start, end := m.interval()
	trace, parent := otlpTrace(m)
	result, status := otlpResult(m.Verdict)
	image, _, _ := strings.Cut(m.Image, "@")
	s := otlpSpan{TraceID: trace, SpanID: derivedID("span", m, 8), ParentSpanID: parent, Name: "deploy", Kind: otlpInternal, Start: nano(start), End: nano(end),
		Attributes: otlpAttributes(c, pair{"deployment.id", m.DeployID}, pair{"deployment.status", status}, pair{"cicd.pipeline.task.type", "deploy"},
			pair{"cicd.pipeline.task.run.result", result}, pair{"cicd.pipeline.run.url.full", m.RunURL}, pair{"vcs.ref.head.revision", m.Commit},
			pair{"vcs.repository.name", m.Repository}, pair{"container.image.name", image}, pair{"oci.manifest.digest", m.Digest}),
		Events: []otlpEvent{{Time: nano(end), Name: "bakegate.verdict",
			Attributes: otlpAttributes(c, pair{"bakegate.verdict", m.Verdict}, pair{"bakegate.reason", m.Reason}, pair{"bakegate.summary", m.Summary})}},
	}
	if status == "failed" {
		s.Status = otlpStatus{otlpError, clean.Cut(m.Reason, otlpValue)}
	}
	scope := otlpScopeSpans{Spans: []otlpSpan{s}}
	scope.Scope.Name = "bakegate"
	resource := otlpResource{otlpAttributes(c, pair{"service.name", m.Service}, pair{"service.version", m.Version}, pair{"deployment.environment.name", m.Environment})}
	return otlpRequest{[]otlpResourceSpans{{resource, []otlpScopeSpans{scope}}}}
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

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

var traceparent = lazyregexp.New(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$`)

// otlpTrace is the trace that the pipeline runs in, or one that is made of the deploy id.
func otlpTrace(m Marker) (trace, parent string) {
	p := traceparent.FindStringSubmatch(strings.TrimSpace(m.TraceParent))
	if p == nil || strings.HasPrefix(m.TraceParent, "ff") || strings.Trim(p[1], "0") == "" || strings.Trim(p[2], "0") == "" {
		return derivedID("trace", m, 16), ""
	}
	return p[1], p[2]
}

// derivedID is an id of n bytes that the same deploy always gets.
func derivedID(kind string, m Marker, n int) string {
	h := sha256.Sum256([]byte("bakegate " + kind + "\x00" + m.DeployID))
	return hex.EncodeToString(h[:n])
}

var otlpHints = map[int]string{
	http.StatusUnauthorized:         "the backend refused the login: give token, or the header that it wants under headers",
	http.StatusForbidden:            "the login may not write traces: give a key that may",
	http.StatusNotFound:             "check the url: /v1/traces comes behind it, and OTLP over HTTP is usually on port 4318",
	http.StatusUnsupportedMediaType: "the backend takes no JSON: send it to an OpenTelemetry Collector, which does",
}
