package metric

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// maxSeries is how many series one query may select: each is judged one by one.
const maxSeries = 5000

// maxLabel is the longest label value that is kept, in bytes.
const maxLabel = 500

// accumulator joins the pieces in which a query's samples arrive, in the order of time. A piece that arrives again is taken once.
type accumulator struct {
	query    string
	from, to int64  // milliseconds, from <= t < to
	step     int64  // keep about one sample per step, in milliseconds; 0: keep all
	counters bool   // a fall is a restart: what is around it is kept
	deltas   bool   // each point is a count of its own: see Series.Deltas
	base     string // of a histogram that is asked for in both of its forms: the name of the native one
	series   map[string]*growing
	order    []*growing
	notes    []string // for the first series
}

// note keeps a text of the backend for people, without the block's secrets.
func (a *accumulator) note(text string) { a.notes = addNote(a.notes, text) }

// growing is a series under construction.
type growing struct {
	key     string
	out     Series
	last    reading // the last sample that came, whether kept or not
	any     bool
	pending bool // last is not kept yet
}

// errTooMany ends the reading of a reply.
var errTooMany = &trouble{TooMany, fmt.Errorf("more than %d series: narrow the selector (a service, an environment, fewer labels), or use expr with sum by (...)", maxSeries)}

func (a *accumulator) add(metric map[string]string, values []sample) error {
	g, err := a.of(metric)
	if err != nil {
		return err
	}
	for _, s := range values {
		a.offer(g, reading{sample: s})
	}
	return nil
}

// addReadings is add for what may be native histograms.
func (a *accumulator) addReadings(metric map[string]string, values []reading) error {
	g, err := a.of(metric)
	if err != nil {
		return err
	}
	for _, s := range values {
		a.offer(g, s)
	}
	return nil
}

// addScraped is add for a series of a metrics page.
func (a *accumulator) addScraped(metric map[string]string, x *scraped) error {
	if err := a.addReadings(metric, x.points); err != nil {
		return err
	}
	g, err := a.of(metric)
	g.out.Late = x.late
	return err
}

// of is the series with these labels.
func (a *accumulator) of(metric map[string]string) (*growing, error) {
	key := seriesKey(metric)
	if g := a.series[key]; g != nil {
		return g, nil
	}
	if len(a.series) >= maxSeries {
		return nil, errTooMany
	}
	g := &growing{key: key, out: a.newSeries(metric)}
	if a.series == nil {
		a.series = map[string]*growing{}
	}
	a.series[key] = g
	a.order = append(a.order, g)
	return g, nil
}

func (a *accumulator) offer(g *growing, s reading) {
	if s.ms >= a.from && s.ms < a.to && (!g.any || s.ms > g.last.ms) {
		a.take(g, s)
	}
}

func (a *accumulator) newSeries(metric map[string]string) Series {
	s := Series{Query: a.query, Deltas: a.deltas, Labels: make(map[string]string, len(metric))}
	for k, v := range metric {
		if k == "__name__" {
			s.Name = clean.Cut(v, maxLabel)
			continue
		}
		s.Labels[clean.Cut(k, maxLabel)] = clean.Cut(v, maxLabel)
	}
	return s
}

// take keeps a sample, or holds it until the next one shows whether it is the last of its step. The first of a series, both sides of
// a counter's fall, of NaN and of a gap are kept, so that the sum of the differences between kept samples is exact.
func (a *accumulator) take(g *growing, s reading) {
	edge := !g.any || a.edge(g.last, s)
	if g.pending && (edge || g.last.ms/a.step != s.ms/a.step) {
		g.keep(g.last)
	}
	g.last, g.any, g.pending = s, true, true
	if edge || a.step == 0 {
		g.keep(s)
	}
}

func (a *accumulator) edge(before, now reading) bool {
	return a.step > 0 && ((before.v != before.v) != (now.v != now.v) || now.ms-before.ms > a.step || a.counters && now.fell(before))
}

func (g *growing) keep(s reading) {
	g.out.Points = append(g.out.Points, Point{T: time.UnixMilli(s.ms).UTC(), V: s.v, Native: s.native, Began: s.began})
	g.pending = false
}

// finish returns the series that have samples, ordered by name and labels: the same window gives the same answer.
func (a *accumulator) finish() []Series {
	slices.SortFunc(a.order, func(x, y *growing) int {
		return cmp.Or(strings.Compare(x.out.Name, y.out.Name), strings.Compare(x.key, y.key))
	})
	var out []Series
	for _, g := range a.order {
		if g.pending {
			g.keep(g.last)
		}
		if len(g.out.Points) > 0 {
			out = append(out, g.out)
		}
	}
	if len(out) > 0 {
		out[0].Notes = a.notes
	}
	return out
}

// seriesKey is the same for the same labels alone.
func seriesKey(labels map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%d:%s%d:%s", len(k), k, len(labels[k]), labels[k])
	}
	return b.String()
}
