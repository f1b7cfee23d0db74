package metric

import (
	"context"
	"errors"
	"sync"
	"time"
)

// parallel is how many queries of one call run at a time.
const parallel = 4

// each asks every query, some at a time. What failed is joined, one *QueryError a query; the series of the others stand in their order.
func each(queries []Query, ask func(q Query) ([]Series, error)) ([]Series, error) {
	found, failed := make([][]Series, len(queries)), make([]error, len(queries))
	free := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, q := range queries {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			series, err := ask(q)
			if err != nil {
				failed[i] = queryError(q.ID, err)
				return
			}
			found[i] = series
		})
	}
	wg.Wait()
	var all []Series
	for _, s := range found {
		all = append(all, s...)
	}
	return all, errors.Join(failed...)
}

// with gives the values of a query's variables, the step among them.
func (q Query) with(step time.Duration) values {
	vars := map[string]string{"step": promDuration(step)}
	for k, v := range q.Vars {
		vars[k] = v
	}
	return values{vars: vars}
}

// only refuses the kinds of a query that a backend has nothing for.
func (q Query) only(rule string, kinds ...Kind) error {
	for _, k := range kinds {
		if q.Kind == k {
			return nil
		}
	}
	return errors.New(string(q.Kind) + ": " + rule)
}

// ranges reads one query in a window.
type ranges func(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error

// all runs every query and gathers what came of each in the window.
func (read ranges) all(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return each(queries, func(q Query) ([]Series, error) {
		w := window{ceilMilli(from), ceilMilli(to)}
		if w.to <= w.from {
			return nil, nil
		}
		acc := &accumulator{query: q.ID, from: w.from, to: w.to}
		if err := read(ctx, q, w, step, acc); err != nil {
			return nil, err
		}
		return acc.finish(), nil
	})
}
