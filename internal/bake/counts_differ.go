package bake

import (
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// horizon is how long ago a metric must have been observed for a series to be called new: behind a longer silence nobody knows when
// a series began.
const horizon = 10 * time.Minute

// differ takes the differences of counters, one series at a time: adding up first would turn one restarted process into a
// negative rate, and one vanished process into a wave of errors.
type differ struct {
	last map[string]metric.Point
}

// differences calls emit with each increase of a series and the time of its later point. It returns the first point of a series
// that only primes.
//
//	v >= prev   v - prev   over a hole too: the counter went on meanwhile
//	v <  prev   v          the process restarted and counted from 0; also where it says so itself
//	new         v          where born says that the series did not exist before its first point
//	unknown     -          the first point of a series of unknown age is only what the next one is compared with
//	a delta     v          the backend took the difference itself, of every point
func (d *differ) differences(s counterSeries, born func(time.Time) bool, emit func(time.Time, float64)) (primed time.Time) {
	return d.walk(s, born, func(prev *metric.Point, p metric.Point) {
		if prev != nil && p.V >= prev.V && !p.Began {
			p.V -= prev.V
		}
		emit(p.T, p.V)
	})
}

// nativeDifferences is the same for native histograms.
func (d *differ) nativeDifferences(s counterSeries, born func(time.Time) bool, emit func(time.Time, []metric.NativeBucket)) (primed time.Time) {
	return d.walk(s, born, func(prev *metric.Point, p metric.Point) {
		counted := p.Native.Buckets
		if prev != nil && !p.Began {
			counted, _ = p.Native.Since(prev.Native)
		}
		emit(p.T, counted)
	})
}

// walk calls take with each point of a series that tells something, and with the point that it is compared with, nil for none.
func (d *differ) walk(s counterSeries, born func(time.Time) bool, take func(prev *metric.Point, p metric.Point)) (primed time.Time) {
	if d.last == nil {
		d.last = map[string]metric.Point{}
	}
	prev, known := d.last[s.key]
	for _, p := range s.points {
		switch {
		case known && !p.T.After(prev.T):
			continue
		case s.Deltas:
			take(nil, p)
		case known:
			take(&prev, p)
		case born(p.T) && !s.Late:
			take(nil, p)
		default:
			primed = p.T
		}
		prev, known = p, true
	}
	if known {
		d.last[s.key] = prev
	}
	return primed
}

// clock knows when a metric was observed at all, over all of its queries and series. A series is born at its first point when the
// metric was observed before it: for longer than grace, so that series which are merely scraped a little later than the first one
// are not taken for new ones, and without a hole longer than the horizon.
type clock struct {
	grace   time.Duration
	settled bool
	epochs  []Interval // the last one goes on in the next call
}

// scraped shortens the grace, once, to what the scrape interval asks for: the series of one scrape round lie within one interval.
func (c *clock) scraped(every time.Duration) {
	if need := every * 3 / 2; !c.settled && every > 0 {
		c.grace, c.settled = min(c.grace, need), true
	}
}

// observe takes the times of all points of a call.
func (c *clock) observe(times []time.Time) {
	slices.SortFunc(times, time.Time.Compare)
	if n := len(c.epochs); n > 1 {
		c.epochs = append(c.epochs[:0], c.epochs[n-1])
	}
	for _, t := range times {
		n := len(c.epochs)
		if n > 0 && t.Sub(c.epochs[n-1].To) <= horizon {
			if t.After(c.epochs[n-1].To) {
				c.epochs[n-1].To = t
			}
			continue
		}
		c.epochs = append(c.epochs, Interval{From: t, To: t})
	}
}

// born reports whether a series whose first point is at t did not exist before. t was given to observe.
func (c *clock) born(t time.Time) bool {
	for i := len(c.epochs) - 1; i >= 0; i-- {
		if e := c.epochs[i]; !t.Before(e.From) {
			return t.Sub(e.From) > c.grace
		}
	}
	return false
}

// counterSeries is one series made ready to be differenced.
type counterSeries struct {
	metric.Series
	key    string
	points []metric.Point
}

// prepare keeps the usable points in [from, to), tells the clock, and counts what was left out.
func (c *clock) prepare(series []metric.Series, from, to time.Time) (ready []counterSeries, skipped int) {
	var times []time.Time
	for _, s := range series {
		points, n := usable(s.Points, from, to, false)
		skipped += n
		if len(points) == 0 {
			continue
		}
		ready = append(ready, counterSeries{Series: s, key: seriesKey(s, ""), points: points})
		for _, p := range points {
			times = append(times, p.T)
		}
	}
	c.observe(times)
	return ready, skipped
}
