package judge

import (
	"fmt"
	"time"
)

// Lack is what a deploy that looks good would lack for a pass, if the window ended now.
type Lack struct {
	Metric string
	Needed float64 // how many more of Unit
	Unit   string
	Wait   time.Duration // how long that takes, at the rate so far
}

// String says it; "" where nothing is lacking.
func (l Lack) String() string {
	if l.Needed <= 0 {
		return ""
	}
	return fmt.Sprintf("%s needs about %s more %s", l.Metric, about(l.Needed), l.Unit)
}

// Lacks says which metric has to be watched longest until harm is excluded everywhere; zero where none has to, or where it would not help. It
// changes nothing.
func (d *Deploy) Lacks() (most Lack) {
	for _, w := range d.metrics {
		if w.spec.DryRun || w.spec.Optional {
			continue
		}
		if l := w.lacks(d); l.Wait > most.Wait {
			most = l
		}
	}
	return most
}

func (w *watched) lacks(d *Deploy) (most Lack) {
	take := func(unit string, needed, seen float64) {
		l := Lack{w.spec.Name, needed, unit, 0}
		if seen > 0 {
			l.Wait = seconds(needed / seen * w.last(&d.spec))
		}
		if l.Wait > most.Wait {
			most = l
		}
	}
	if w.limits != nil && (w.kind() == Proportion || w.kind() == Histogram) {
		if j := w.limits.End(); j.Reason == LowTraffic {
			take(requests, j.Needed, w.Events)
		}
	}
	for _, s := range w.streams {
		if reason, needed := s.conclude(d.atEnd()); reason == LowTraffic {
			take(s.unit(), needed, s.stretchSince(0).n)
		}
	}
	return most
}

const requests = "requests"

// unit is what a stream's events are counted among.
func (s *stream) unit() string {
	if s.What == countRate {
		return "seconds"
	}
	return requests
}
