package metric

import (
	"math"
	"strings"
	"time"
)

// replicas finds out whether one address answers for several processes: a load balancer, a Kubernetes Service, a server with
// several workers. Their counters take turns, and differences between them mean nothing.
type replicas struct {
	found   string // how they were found, "" so far
	start   float64
	earlier map[float64]bool // start times seen before the present one
	lanes   map[string]*lanes
}

// clockSkew is how much earlier a later process may seem to have started: replacements may run on other machines.
const clockSkew = 60.0

// scraped takes the start time that one scrape showed, 0 for none. A later one is a restart. One that was seen before, or that is
// clearly earlier, is another process that was there all the time.
func (r *replicas) scraped(start float64) {
	if start == 0 || start != start || start == r.start {
		return
	}
	if r.earlier[start] || start < r.start-clockSkew {
		r.found = "process_start_time_seconds goes back and forth between " + unixTime(r.start) + " and " + unixTime(start)
	}
	if r.earlier == nil {
		r.earlier = map[float64]bool{}
	}
	if r.start != 0 && len(r.earlier) < 1000 {
		r.earlier[r.start] = true
	}
	r.start = start
	r.lanes = nil // a restart explains the counters' fall
}

func unixTime(s float64) string {
	if math.Abs(s) > 1e11 {
		return "a time that is no time"
	}
	return time.UnixMilli(int64(s * 1000)).UTC().Format(time.RFC3339)
}

// lanes follows one counter. Two processes that take turns show two rising sequences, woven together: every fall lands above where
// the lower one was before. A process that restarts again and again begins near 0 each time.
type lanes struct {
	now       float64
	low, high float64 // where each sequence was when it was left; high is 0 before the first fall
	falls     int
}

// turns is how many falls in a row must land on a rising lower sequence, and start from a rising higher one.
const turns = 3

// counter takes one sample of a series that may be a counter.
func (r *replicas) counter(key string, x exposed) {
	if x.v != x.v || !strings.HasSuffix(x.name, "_total") && !strings.HasSuffix(x.name, "_bucket") {
		return
	}
	l := r.lanes[key]
	if l == nil {
		if r.lanes == nil {
			r.lanes = map[string]*lanes{}
		}
		r.lanes[key] = &lanes{now: x.v}
		return
	}
	if l.next(x.v) && r.found == "" {
		r.found = x.name + " falls and rises again and again, each time to where it was before"
	}
}

// next takes the next value and reports whether two sequences are proved.
func (l *lanes) next(v float64) bool {
	if v < l.now { // from the higher sequence to the lower one
		if l.falls > 0 && l.now > l.high && v > l.low {
			l.falls++
		} else {
			l.falls = 1
		}
		l.high, l.low = l.now, v
	} else if l.now <= l.high && v < l.high { // still on the lower one
		l.low = max(l.low, v)
	}
	l.now = v
	return l.falls >= turns
}

// trouble is the error for every query from then on.
func (r *replicas) trouble() error {
	if r.found == "" {
		return nil
	}
	return troublef(LoadBalanced, "%s: several processes answer at this address, and the differences between their counters mean nothing: scrape each process by itself (urls or dns), or use a prometheus source that scrapes them all", r.found)
}
