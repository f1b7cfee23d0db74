package fake

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// OTLP is a fake of an OTLP/HTTP receiver of traces in JSON, which keeps a span by its ids, as most backends do.
type OTLP struct {
	box
	path, token string
	ids         map[string]bool
	spans       []Span
	reject      string
	rejected    int
}

// NewOTLP makes a receiver under a path that knows one token.
func NewOTLP(path, token string) *OTLP {
	o := &OTLP{path: path, token: token, ids: map[string]bool{}}
	o.start(o.serve)
	return o
}

// Reject makes it answer 200 and say that it took none, or n less: a partial success.
func (o *OTLP) Reject(why string, n int) { o.reject, o.rejected = why, n }

// Spans are those that were taken, in their order.
func (o *OTLP) Spans() []Span {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Span(nil), o.spans...)
}

// Span is a span as OTLP's JSON has it.
type Span struct {
	TraceID      string         `json:"traceId"`
	SpanID       string         `json:"spanId"`
	ParentSpanID string         `json:"parentSpanId"`
	Name         string         `json:"name"`
	Kind         int            `json:"kind"`
	Start        string         `json:"startTimeUnixNano"`
	End          string         `json:"endTimeUnixNano"`
	Attributes   []otlpKeyValue `json:"attributes"`
	Events       []struct {
		Time       string         `json:"timeUnixNano"`
		Name       string         `json:"name"`
		Attributes []otlpKeyValue `json:"attributes"`
	} `json:"events"`
	DroppedEvents int `json:"droppedEventsCount"`
	Status        struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

type otlpKeyValue struct {
	Key   string `json:"key"`
	Value struct {
		String string `json:"stringValue"`
	} `json:"value"`
}

// otlpRequest is ExportTraceServiceRequest.
type otlpRequest struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []otlpKeyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct {
				Name string `json:"name"`
			} `json:"scope"`
			Spans     []Span `json:"spans"`
			SchemaURL string `json:"schemaUrl"`
		} `json:"scopeSpans"`
		SchemaURL string `json:"schemaUrl"`
	} `json:"resourceSpans"`
}

func (o *OTLP) serve(w http.ResponseWriter, r *http.Request) {
	var req otlpRequest
	switch {
	case r.URL.Path != o.path+"/v1/traces":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Header.Get("Authorization") != "Bearer "+o.token:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.Header.Get("Content-Type") != "application/json":
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case !read(w, r, 4<<20, &req):
		return
	case o.reject != "":
		reply(w, http.StatusOK, map[string]any{"partialSuccess": map[string]any{"rejectedSpans": strconv.Itoa(o.rejected), "errorMessage": o.reject}})
		return
	}
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				if !s.valid() {
					reply(w, http.StatusBadRequest, map[string]any{"message": "invalid span"})
					return
				}
				o.keep(s, rs.Resource.Attributes)
			}
		}
	}
	reply(w, http.StatusOK, map[string]any{"partialSuccess": map[string]any{}})
}

var hexID = lazyregexp.New(`^([0-9a-f]{16}){1,2}$`)

func (s Span) valid() bool {
	start, err1 := strconv.ParseInt(s.Start, 10, 64)
	end, err2 := strconv.ParseInt(s.End, 10, 64)
	ok := len(s.TraceID) == 32 && len(s.SpanID) == 16 && hexID.MatchString(s.TraceID) && hexID.MatchString(s.SpanID) &&
		err1 == nil && err2 == nil && start > 0 && end >= start && s.Name != "" && s.Kind >= 1 && s.Kind <= 5 && s.Status.Code >= 0 && s.Status.Code <= 2 &&
		(s.ParentSpanID == "" || len(s.ParentSpanID) == 16 && hexID.MatchString(s.ParentSpanID)) && s.ParentSpanID != s.SpanID
	for _, e := range s.Events {
		at, err := strconv.ParseInt(e.Time, 10, 64)
		ok = ok && err == nil && at >= start && at <= end && e.Name != ""
	}
	return ok && (s.Status.Message == "" || s.Status.Code == 2) // a description is of an error
}

func (o *OTLP) keep(s Span, resource []otlpKeyValue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id := s.TraceID + s.SpanID; !o.ids[id] {
		o.ids[id] = true
		o.spans = append(o.spans, s)
		text, _ := json.Marshal(map[string]any{"span": s, "resource": resource})
		o.marks = append(o.marks, string(text))
	}
}
