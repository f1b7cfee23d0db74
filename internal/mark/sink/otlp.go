package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// otlpOptions is the block `otlp:`. URL is what OTEL_EXPORTER_OTLP_ENDPOINT would be: /v1/traces comes behind it.
type otlpOptions struct {
	httpx.Remote
	Token httpx.Secret `yaml:"token"` // sent as Authorization: Bearer TOKEN; other ways of login are headers
}

// otlp sends the run as a span with a child per stage, by OTLP/HTTP in JSON. A span is complete when it is sent, so that there is none
// before the end; its ids are known from the start.
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

// Traits implements Sink. The ids of the spans are made of the deploy's, so that most backends take a second one for the first; not all.
func (o *otlp) Traits() Traits { return Traits{AtEnd: true} }

// TraceParent implements Tracer.
func (o *otlp) TraceParent(m Marker, stage string) string {
	c := otlpTrace(m)
	return "00-" + c.trace + "-" + stageSpan(m, stage, 0) + "-" + c.flags
}

// Open implements Sink.
func (o *otlp) Open(context.Context, Marker) (string, error) { return "", nil }

// Seal implements Sink.
func (o *otlp) Seal(ctx context.Context, _ string, m Marker) error {
	c := &cutter{}
	// Repeatable: they are the same spans, by their ids, however often they arrive.
	spans := otlpSpans(m, c)
	resp, err := o.call(ctx, httpx.Request{Path: "/v1/traces", Repeatable: true}, spans)
	if err != nil {
		return refused(err, otlpHints)
	}
	if err := otlpTaken(resp, len(spans.ResourceSpans[0].ScopeSpans[0].Spans)); err != nil {
		return err
	}
	return c.warning("a span")
}

// otlpTaken reads the reply, in which a 200 can say that not all of the spans were taken, or none.
func otlpTaken(resp *httpx.Response, sent int) error {
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
	case n >= int64(sent):
		return notSent(fmt.Errorf("%s %s: every span was rejected: %s", resp.Method, resp.URL, clean.Cut(p.ErrorMessage, 300)))
	case n > 0:
		return &Warning{Text: fmt.Sprintf("the backend rejected %d of %d spans: %s", n, sent, clean.Cut(p.ErrorMessage, 300))}
	case p.ErrorMessage != "":
		return &Warning{Text: "the backend took the spans and says: " + clean.Cut(p.ErrorMessage, 300)}
	}
	return nil
}

var otlpHints = map[int]string{
	http.StatusUnauthorized:         "the backend refused the login: give token, or the header that it wants under headers",
	http.StatusForbidden:            "the login may not write traces: give a key that may",
	http.StatusNotFound:             "check the url: /v1/traces comes behind it, and OTLP over HTTP is usually on port 4318",
	http.StatusUnsupportedMediaType: "the backend takes no JSON: send it to an OpenTelemetry Collector, which does",
}
