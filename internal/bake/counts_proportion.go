package bake

import (
	"fmt"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// proportion counts bad events of all events.
type proportion struct {
	spans      spans
	clock      clock
	bad, total differ
	badID      string // Query.ID of the two queries
	totalID    string
	selects    *selection

	held      float64 // bad events of windows without a point of total: they belong to the next one
	totalSeen bool
	skipped   int // points left out for their value
	windows   int // windows with events
	crossed   int // windows with more bad events than events
}

func (c *proportion) scraped(every time.Duration) { c.clock.scraped(every) }

type tally struct {
	bad, total   float64
	seen, primed bool
}

func (c *proportion) add(series []metric.Series, from, to time.Time) batch {
	ready, skipped := c.clock.prepare(series, from, to)
	c.skipped += skipped
	g := grid{from, c.spans.grid.step}
	ws := make([]tally, int(to.Sub(from)/g.step))
	for _, s := range ready {
		if s.Query == c.badID {
			c.selects.badSeen = true
			c.bad.differences(s, c.clock.born, func(t time.Time, v float64) { ws[g.index(t)].bad += v })
			continue
		}
		c.totalSeen = true
		c.selects.sawTotal(s.Series)
		primed := c.total.differences(s, c.clock.born, func(t time.Time, v float64) {
			w := &ws[g.index(t)]
			w.total += v
			w.seen = true
		})
		if !primed.IsZero() {
			ws[g.index(primed)].primed = true
		}
	}
	return c.collect(ws, from, to)
}

// collect gives the windows' samples. A window with more bad events than events is no evidence, whatever the cause, and is left out.
func (c *proportion) collect(ws []tally, from, to time.Time) (b batch) {
	seen := func(k int) bool {
		if !ws[k].seen {
			c.held += ws[k].bad
		}
		return ws[k].seen
	}
	primed := func(k int) bool { return ws[k].primed }
	b.empty = c.spans.walk(from, to, seen, primed, func(k int, a, z time.Time) {
		s := judge.Sample{From: a, To: z, Bad: ws[k].bad + c.held, Total: ws[k].total}
		c.held = 0
		if s.Total > 0 || s.Bad > 0 {
			c.windows++
		}
		if s.Bad > s.Total*(1+1e-9) {
			c.crossed++
			return
		}
		s.Bad = min(s.Bad, s.Total)
		b.samples = append(b.samples, s)
	})
	return b
}

// Two processes that restart within one scrape can cross the counts of one window; a selector that does not fit crosses many.
func (c *proportion) doesNotFit() bool {
	return c.crossed >= 2 && c.crossed*100 > c.windows || c.crossed > 0 && c.crossed == c.windows
}

func (c *proportion) trouble() *trouble {
	switch {
	case c.doesNotFit():
		return &trouble{"selectors", fmt.Sprintf("bad is larger than total in %d of %d windows: bad does not select from total's events", c.crossed, c.windows),
			"let bad be total's selector with one more matcher, or counters that are a part of total's"}
	case !c.totalSeen && c.skipped > 0:
		return &trouble{"nan", "every point is NaN, infinite or negative: that is no count", "see what exports this metric; a counter holds a number"}
	case !c.totalSeen && c.selects.badSeen && !c.selects.totalSeen:
		return &trouble{"selector", "total has never matched anything, while bad did", "compare total's selector with what the service exports"}
	case !c.totalSeen:
		return &trouble{"no-data", "neither bad nor total matched anything", "compare the selectors with what the service exports, and see whether it is scraped"}
	}
	return c.selects.trouble()
}
