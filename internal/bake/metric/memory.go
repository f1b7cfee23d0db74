package metric

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memory is what a source without history saw itself: it asks when it is asked, keeps the answers, and gives a window again as it was.
type memory struct {
	mu    sync.Mutex
	seen  map[string]*seen // by the text and the variables of a query
	total int              // samples in memory
}

type seen struct {
	mu     sync.Mutex
	points []sample
	notes  []seenNote
	last   time.Time
}

// seenNote is a note of some moment.
type seenNote struct {
	ms   int64
	text string
}

const (
	memoryQueries = 500
	memoryNotes   = 1000 // of one query
)

// Range asks what is due and gives what is known of [from, to). A window that ends now is a reason to ask; one that is over is not.
// now gives the answer of this moment: none where there is no data.
func (m *memory) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration, now func(context.Context, Query) ([]sample, error)) ([]Series, error) {
	return m.noted(ctx, queries, from, to, step, func(ctx context.Context, q Query) ([]sample, []string, error) {
		fresh, err := now(ctx, q)
		return fresh, nil, err
	})
}

// noted is Range of what has notes, too.
func (m *memory) noted(ctx context.Context, queries []Query, from, to time.Time, step time.Duration, now func(context.Context, Query) ([]sample, []string, error)) ([]Series, error) {
	return each(queries, func(q Query) ([]Series, error) {
		s, err := m.of(q.key())
		if err != nil {
			return nil, err
		}
		s.mu.Lock() // the same query twice in one call is one question
		defer s.mu.Unlock()
		if s.due(to, step) {
			fresh, notes, err := now(ctx, q)
			if err != nil {
				return nil, err
			}
			if err := m.keep(s, fresh); err != nil {
				return nil, err
			}
			s.note(notes)
		}
		acc := &accumulator{query: q.ID, from: ceilMilli(from), to: ceilMilli(to)}
		for _, n := range s.notes {
			if n.ms >= acc.from && n.ms < acc.to {
				acc.note(n.text)
			}
		}
		if err := acc.add(nil, s.points); err != nil {
			return nil, err
		}
		return acc.finish(), nil
	})
}

// key is the same for queries that ask for the same.
func (q Query) key() string {
	var b strings.Builder
	b.WriteString(q.Text)
	for _, k := range slices.Sorted(maps.Keys(q.Vars)) {
		fmt.Fprintf(&b, "\x00%s\x01%s", k, q.Vars[k])
	}
	return b.String()
}

func (m *memory) of(key string) (*seen, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[string]*seen{}
	}
	if m.seen[key] == nil {
		if len(m.seen) >= memoryQueries {
			return nil, troublef(TooMany, "more than %d different queries", memoryQueries)
		}
		m.seen[key] = &seen{}
	}
	return m.seen[key], nil
}

// due reports whether an answer of this moment belongs into a window that ends at to.
func (s *seen) due(to time.Time, step time.Duration) bool {
	now := time.Now()
	return to.After(s.last) && now.Sub(to) <= max(scrapeFresh, 2*step) && now.Sub(s.last) >= scrapeReuse
}

// keep adds what is newer than all that is known: what was given once stays as it was.
func (m *memory) keep(s *seen, fresh []sample) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total+len(fresh) > scrapeSamples {
		return troublef(TooMany, "more than %d samples in memory: bake with a longer step", scrapeSamples)
	}
	s.last = time.Now()
	for _, p := range fresh {
		if n := len(s.points); n == 0 || p.ms > s.points[n-1].ms {
			s.points = append(s.points, p)
			m.total++
		}
	}
	return nil
}

// note keeps what belongs to the newest point.
func (s *seen) note(texts []string) {
	if len(s.points) == 0 || len(s.notes)+len(texts) > memoryNotes {
		return
	}
	for _, t := range texts {
		s.notes = append(s.notes, seenNote{s.points[len(s.points)-1].ms, t})
	}
}

// moment is a value of now.
func moment(v float64) []sample { return []sample{{ceilMilli(time.Now()), v}} }

// errNoWindow says that $from and $to have no meaning for a source that only knows the present.
var errNoWindow = errors.New("$from and $to may stand in a query only where the source's own options use them: they say that the source can be asked for the past")
