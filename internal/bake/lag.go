package bake

import (
	"math"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// arrival measures from the data itself how far behind the present it is: no backend says so.
type arrival struct {
	newest   map[string]time.Time // the last point of each series that is alive
	latest   time.Time            // the last point of all
	lag      time.Duration        // how old the newest point was when it was first seen
	interval time.Duration        // the median distance between points: the scrape interval; 0: not known yet
}

const (
	// missedScrapes is how many scrape intervals a series may be behind the newest one before it counts as gone.
	missedScrapes = 2.5
	// maxLag bounds what is believed of a lag: a service that died looks like a lag that grows.
	maxLag      = 10 * time.Minute
	maxSpacings = 5000
)

// see takes one answer.
func (a *arrival) see(series []metric.Series, now time.Time) {
	if a.newest == nil {
		a.newest = map[string]time.Time{}
	}
	before := a.latest
	spacings := a.update(series)
	if a.latest.After(before) {
		a.lag = min(max(now.Sub(a.latest), 0), maxLag)
	}
	if len(spacings) >= 2 {
		slices.Sort(spacings)
		a.interval = spacings[len(spacings)/2]
	}
	a.forget()
}

func (a *arrival) update(series []metric.Series) (spacings []time.Duration) {
	for _, s := range series {
		key := s.Query + seriesKey(s, "")
		for i, p := range s.Points {
			if i > 0 && len(spacings) < maxSpacings {
				if d := p.T.Sub(s.Points[i-1].T); d > 0 {
					spacings = append(spacings, d)
				}
			}
			switch {
			case math.IsNaN(p.V): // a stale marker: the series says itself that it is gone
				delete(a.newest, key)
			case p.T.After(a.newest[key]):
				a.newest[key] = p.T
				a.latest = later(a.latest, p.T)
			}
		}
	}
	return spacings
}

// forget drops the series that are gone, so that they hold nobody up.
func (a *arrival) forget() {
	if a.interval == 0 {
		return
	}
	oldest := a.latest.Add(-time.Duration(missedScrapes * float64(a.interval)))
	for k, t := range a.newest {
		if t.Before(oldest) {
			delete(a.newest, k)
		}
	}
}

// watermark is the time before which every series that is alive has said everything: a window that ends there is closed. Points of
// one series arrive in their order, so that its newest one vouches for all before it. Zero: nothing arrived yet.
func (a *arrival) watermark() time.Time {
	var w time.Time
	for _, t := range a.newest {
		if w.IsZero() || t.Before(w) {
			w = t
		}
	}
	return w
}

// patience is how long behind the window's end its last points are waited for: long enough for three scrapes, and for a backend that
// restarts, but no longer than the window itself was.
func (a *arrival) patience(window time.Duration) time.Duration {
	return a.lag + max(3*a.interval, min(90*time.Second, window))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
