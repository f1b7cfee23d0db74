package metric

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// probeBounds are the upper bounds of probe_duration_seconds.
var probeBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, math.Inf(1)}

// target is one probe with what it counted. The series stand in a fixed order: ok, the reasons of bad, the buckets, up.
type target struct {
	spec   ProbeSpec
	prober prober
	free   chan struct{} // the places for probes under way
	series []*scraped
	counts []float64 // of each series, since the start

	known   bool // its name was resolved once
	counted int  // probes since the last note
	lost    error
	trouble error // why it has no data, until it has some again
}

func newTarget(s ProbeSpec, pr prober) *target {
	t := &target{spec: s, prober: pr, free: make(chan struct{}, s.atOnce())}
	t.add("probe_requests_total", "result", "ok", "reason", noReason)
	for _, r := range badReasons {
		t.add("probe_requests_total", "result", "bad", "reason", r)
	}
	for _, le := range probeBounds {
		t.add("probe_duration_seconds_bucket", "le", strconv.FormatFloat(le, 'g', -1, 64))
	}
	t.add("probe_up")
	t.counts[len(t.counts)-1] = math.NaN()
	return t
}

func (t *target) add(name string, labels ...string) {
	ls := map[string]string{"probe": t.spec.Name}
	for i := 0; i < len(labels); i += 2 {
		if labels[i+1] != "" {
			ls[labels[i]] = labels[i+1]
		}
	}
	t.series, t.counts = append(t.series, &scraped{name: name, labels: ls}), append(t.counts, 0)
}

// count takes one probe: its result, and how long it took where that is a latency: of an answer that was right, and of one that was
// waited for in vain. How fast a service refuses is none.
func (t *target) count(reason string, took time.Duration) {
	t.counted++
	up := 0.0
	if reason == noReason {
		up = 1
		t.counts[0]++
	} else {
		t.counts[1+slices.Index(badReasons, reason)]++
	}
	t.counts[len(t.counts)-1] = up
	if reason != noReason && reason != badTimeout {
		return
	}
	for i, le := range probeBounds {
		if took.Seconds() <= le {
			t.counts[1+len(badReasons)+i]++
		}
	}
}

// lose takes a probe that says nothing about the service.
func (t *target) lose(err error) { t.lost = err }

// note appends the counters to the series. A probe of which all were lost since the last note has no data, and that is told: its counters
// stand still, which could be mistaken for a service without traffic.
func (t *target) note(ms int64) (added int) {
	switch {
	case t.counted > 0:
		t.trouble = nil
	case t.lost != nil:
		t.trouble = troublef(BackendDown, "probe %s could not be sent from here, which says nothing about the service: %s; check this machine's network, resolver and limits, and the host's name",
			clean.Text(t.spec.Name), clean.Cut(t.lost.Error(), 300))
	}
	t.counted, t.lost = 0, nil
	for i, x := range t.series {
		if v := t.counts[i]; v == v && (len(x.points) == 0 || x.points[len(x.points)-1].ms < ms) {
			x.points = append(x.points, reading{sample: sample{ms, v}})
			added++
		}
	}
	return added
}
