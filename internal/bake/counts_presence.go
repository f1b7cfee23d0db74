package bake

import (
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// processLabels are where a series says which process counted it, the first that is there.
var processLabels = []string{"instance", "pod", "pod_name", "task_id", "container_id", "host"}

func processOf(s metric.Series) string {
	for _, l := range processLabels {
		if v := s.Labels[l]; v != "" {
			return l + "\x00" + v
		}
	}
	return ""
}

// presence counts the processes that report, so that a sum which lacks one is not taken for a loss of events. Series that do not say which
// process counted them, and differences that a backend took itself, which are missing where nothing happened, are not watched.
type presence struct {
	every   time.Duration // the scrape interval; 0: not known yet, nothing is watched
	there   map[string][]Interval
	musters []muster
}

// muster is how many processes had reported shortly before a time.
type muster struct {
	at time.Time
	n  int
}

func (p *presence) scraped(every time.Duration) {
	if p.every == 0 {
		p.every = every
	}
}

// silent is how long a process may say nothing and still be there.
func (p *presence) silent() time.Duration { return time.Duration(missedScrapes * float64(p.every)) }

// see takes the points in [from, to).
func (p *presence) see(series []metric.Series, from, to time.Time) {
	if p.every <= 0 {
		return
	}
	if p.there == nil {
		p.there = map[string][]Interval{}
	}
	old := from.Add(-p.silent())
	for k, is := range p.there {
		if is = slices.DeleteFunc(is, func(i Interval) bool { return i.To.Before(old) }); len(is) == 0 {
			delete(p.there, k)
		} else {
			p.there[k] = is
		}
	}
	for _, s := range series {
		k := processOf(s)
		if k == "" || s.Deltas {
			continue
		}
		points, _ := usable(s.Points, from, to, false)
		for _, x := range points {
			p.there[k] = p.extend(p.there[k], x.T)
		}
	}
}

// extend adds a moment: to the interval that it lies in or soon after, or as one of its own. Several series of one process come one after the
// other, each in its order.
func (p *presence) extend(is []Interval, t time.Time) []Interval {
	for i := len(is) - 1; i >= 0; i-- {
		if t.Before(is[i].From) {
			continue
		}
		if t.Sub(is[i].To) > p.silent() {
			return slices.Insert(is, i+1, Interval{From: t, To: t})
		}
		is[i].To = later(is[i].To, t)
		return is
	}
	return slices.Insert(is, 0, Interval{From: t, To: t})
}

// short says whether fewer processes had reported before at than are usual: than there were for most of twice the time that absence is the
// telemetry's, so that one which is replaced and stays a while beside its successor changes nothing. It is asked in the order of time.
func (p *presence) short(at time.Time) bool {
	n := 0
	for _, is := range p.there {
		if slices.ContainsFunc(is, func(i Interval) bool { return i.From.Before(at) && at.Sub(i.To) <= p.silent() }) {
			n++
		}
	}
	p.musters = slices.DeleteFunc(p.musters, func(m muster) bool { return at.Sub(m.at) >= 2*judge.GoneAfter })
	p.musters = append(p.musters, muster{at, n})
	ns := make([]int, len(p.musters))
	for i, m := range p.musters {
		ns[i] = m.n
	}
	slices.Sort(ns)
	return n < ns[(len(ns)-1)/2]
}
