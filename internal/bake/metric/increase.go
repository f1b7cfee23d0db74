package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// windowScrapes is how many scrapes an increase needs at least: it is taken between the first and the last one in its window and
	// extrapolated to the window's borders.
	windowScrapes = 4
	// onTheWay is how old a sample is at most when it arrives.
	onTheWay = 15 * time.Minute
)

// wide remembers the queries that select more series than can be read one by one. What was wide stays so: a metric that were read now
// this way and now that would not give the same numbers twice.
type wide struct {
	mu    sync.Mutex
	known map[wideKey]bool
}

type wideKey struct {
	kind              Kind
	group, text, vars string
}

func keyOf(q Query) wideKey {
	return wideKey{q.Kind, q.Group, q.Text, fmt.Sprint(q.Vars)} // fmt prints a map by its sorted keys
}

// counts reports whether the kind's series are counters: of gauges, a sum of increases means nothing.
func counts(k Kind) bool { return k == Counter || k == Histogram }

// learn takes the failures of one call.
func (w *wide) learn(queries []Query, failed []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range queries {
		if !counts(q.Kind) || !errors.As(failed[i], new(tooManySeries)) {
			continue
		}
		if w.known == nil {
			w.known = map[wideKey]bool{}
		}
		w.known[keyOf(q)] = true
	}
}

// of says which of the queries are wide: a wide query makes its whole group so.
func (w *wide) of(queries []Query) []bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]bool, len(queries))
	groups := map[string]bool{}
	for i, q := range queries {
		out[i] = w.known[keyOf(q)]
		groups[q.Group] = groups[q.Group] || out[i]
	}
	for i, q := range queries {
		out[i] = out[i] || q.Group != "" && groups[q.Group] && counts(q.Kind)
	}
	return out
}

// groups are the indices of the wide queries, those of one group together.
func (w *wide) groups(queries []Query) (groups [][]int) {
	at := map[string]int{}
	for i, is := range w.of(queries) {
		if !is {
			continue
		}
		name := queries[i].Group
		g, known := at[name]
		if !known || name == "" {
			g = len(groups)
			at[name] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// increases reads the wide queries of one group, up to the same window: a failure must not arrive later than the request it belongs to.
func (p *prometheus) increases(ctx context.Context, queries []Query, group []int, w window, step time.Duration, found [][]Series, failed []error) {
	selectors, err := p.selectors(queries, group, step)
	if err == nil && w.to > w.from {
		w.to, err = p.settled(ctx, selectors, w.to)
	}
	for n, i := range group {
		if err != nil {
			found[i], failed[i] = nil, err
			continue
		}
		found[i], failed[i] = p.increase(ctx, queries[i], selectors[n], w, step)
	}
}

// selectors are what the wide queries of a group select.
func (p *prometheus) selectors(queries []Query, group []int, step time.Duration) (vss []*parser.VectorSelector, err error) {
	for _, i := range group {
		expr, err := p.compile(queries[i], step)
		if err != nil {
			return nil, err
		}
		vs, raw := isRaw(expr)
		if !raw {
			return nil, troublef(BadQuery, "got %s, want a selector", shape(expr))
		}
		if queries[i].Kind == Histogram {
			vs = bucketSelector(vs)
		}
		vss = append(vss, vs)
	}
	return vss, nil
}

// increase reads one wide query as increases in windows.
func (p *prometheus) increase(ctx context.Context, q Query, vs *parser.VectorSelector, w window, step time.Duration) ([]Series, error) {
	length := p.increaseWindow(step).Milliseconds()
	acc := &accumulator{query: q.ID, from: w.from, to: w.to, counters: true, most: p.most, increase: length}
	by := ""
	if q.Kind == Histogram {
		by = "by (le) "
	}
	m := &parser.MatrixSelector{VectorSelector: vs, Range: time.Duration(length) * time.Millisecond}
	if err := p.readWindows(ctx, fmt.Sprintf("sum %s(increase(%s))", by, m), length, w, acc); err != nil {
		return nil, err
	}
	return acc.finish(), nil
}

// increaseWindow is the shortest multiple of the step that holds enough scrapes.
func (p *prometheus) increaseWindow(step time.Duration) time.Duration {
	enough := windowScrapes * p.options.ScrapeInterval
	if step = step.Truncate(time.Millisecond); step <= 0 {
		return max(enough.Truncate(time.Millisecond), time.Millisecond)
	}
	return (enough + step - 1) / step * step
}

// readWindows evaluates an expression at the ends of the windows that end in (from, to]. They are multiples of the length since the
// epoch: that is also what the caches in front of Thanos, Mimir and VictoriaMetrics make of any other time.
func (p *prometheus) readWindows(ctx context.Context, query string, length int64, w window, acc *accumulator) error {
	last := w.to / length * length
	atOnce := max(chunk.Milliseconds()/length, 1) * length
	for first := (w.from/length + 1) * length; first <= last; first += atOnce {
		if err := p.readEnds(ctx, query, length, first, min(first+atOnce-length, last), acc); err != nil {
			return err
		}
	}
	return nil
}

// readEnds evaluates at first, first+length... last, by halves where that is too much for the server.
func (p *prometheus) readEnds(ctx context.Context, query string, length, first, last int64, acc *accumulator) error {
	err := p.post(ctx, "/api/v1/query_range", url.Values{"query": {query}, "start": {seconds(first)}, "end": {seconds(last)}, "step": {seconds(length)}}, acc)
	if !splits(err) || first == last {
		return err
	}
	middle := first + (last-first)/length/2*length
	if err := p.readEnds(ctx, query, length, first, middle, acc); err != nil {
		return err
	}
	return p.readEnds(ctx, query, length, middle+length, last, acc)
}

// settled is the time, at most to, before which every sample of the selectors has arrived: an increase over a window that still fills
// would be another one when asked for again. The newest sample tells how far behind the backend is, and every series that is alive has
// one that is at most a scrape interval older. Where nothing is alive, what is old enough has arrived.
func (p *prometheus) settled(ctx context.Context, selectors []*parser.VectorSelector, to int64) (int64, error) {
	now := time.Now().UnixMilli()
	old := now - onTheWay.Milliseconds()
	if to <= old {
		return to, nil
	}
	mark := int64(math.MaxInt64)
	for _, vs := range selectors {
		newest, alive, err := p.newest(ctx, vs, now)
		if err != nil {
			return 0, err
		}
		if alive {
			mark = min(mark, min(newest, now)-p.options.ScrapeInterval.Milliseconds())
		}
	}
	if mark == math.MaxInt64 {
		mark = old
	}
	return min(max(mark, old), to), nil
}

// newest is the time of the newest sample that a selector finds now.
func (p *prometheus) newest(ctx context.Context, vs *parser.VectorSelector, now int64) (ms int64, alive bool, err error) {
	at := seconds(now / 1000 * 1000)
	acc := &accumulator{to: math.MaxInt64, most: 1}
	err = p.post(ctx, "/api/v1/query_range", url.Values{"query": {fmt.Sprintf("max(timestamp(%s))", vs)}, "start": {at}, "end": {at}, "step": {"1"}}, acc)
	if err != nil {
		return 0, false, err
	}
	for _, s := range acc.finish() {
		if v := s.Points[len(s.Points)-1].V * 1000; v > 0 && v < 1e15 {
			return int64(v), true, nil
		}
	}
	return 0, false, nil
}
