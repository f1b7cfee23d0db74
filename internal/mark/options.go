// Package mark tells the observability tools about the deploy: Open at the start, Seal at the end.
package mark

import (
	"sort"

	"github.com/bakegate/bakegate/internal/mark/sink"
)

// Options is the mark section: one entry a tool.
type Options []Spec

// Spec is one tool in the configuration: `grafana: {url: ...}`.
type Spec struct {
	Kind string
	Sink sink.Sink
}

// Choices lists the keys that may stand in the section.
func (*Spec) Choices() []string {
	names := make([]string, 0, len(sink.Sinks))
	for n := range sink.Sinks {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Choose builds the sink named by the key.
func (s *Spec) Choose(kind string, decode func(any) error) error {
	k, err := sink.Sinks[kind](decode)
	if err != nil {
		return err
	}
	s.Kind, s.Sink = kind, k
	return nil
}

// TraceParent is the span of the deploy stage, to which the spans of the deploy's own tools belong, as W3C Trace Context; "" where no tool
// shows the deploy as a trace. Of a marker it needs DeployID and TraceParent.
func (o Options) TraceParent(m sink.Marker) string {
	for _, s := range o {
		if t, ok := s.Sink.(sink.Tracer); ok {
			return t.TraceParent(m, sink.Deploying)
		}
	}
	return ""
}
