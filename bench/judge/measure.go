package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// measure asks judges about all deploys, o.workers at a time. The results are in the order of classes and seeds, whoever was first.
func measure(ctx context.Context, o options, cs []*class, open func(context.Context) (judge, error)) ([]*result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*result, len(cs)*o.seeds)
	jobs := make(chan int)
	var all sync.WaitGroup
	for range o.workers {
		all.Go(func() {
			if err := work(ctx, o, cs, open, jobs, results); err != nil {
				cancel(err)
			}
		})
	}
	for i := range results {
		select {
		case jobs <- i:
		case <-ctx.Done():
		}
	}
	close(jobs)
	all.Wait()
	return results, context.Cause(ctx)
}

// work asks one judge until there is nothing left.
func work(ctx context.Context, o options, cs []*class, open func(context.Context) (judge, error), jobs <-chan int, results []*result) error {
	j, err := open(ctx) // what ends the run ends the judges
	if err != nil {
		return err
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		tr := simulate(whole(cs[i/o.seeds], o.first+uint64(i%o.seeds), o.bake))
		v, err := hear(j, tr)
		if err != nil {
			return fmt.Errorf("%s, seed %d: %w", tr.class.name, tr.seed, err)
		}
		results[i] = &result{tr.class, tr.mode, tr.group, tr.seed, tr.onset, tr.bake, v}
	}
	return j.close()
}

func list(out io.Writer, cs []*class) error {
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	for _, c := range cs {
		kind := "good"
		if c.bad {
			kind = "bad"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", kind, c.name, c.mode, c.what)
	}
	return w.Flush()
}

// dump writes what a judge would be told.
func dump(out io.Writer, tr *trace) error {
	to := json.NewEncoder(out)
	if err := to.Encode(tr.start()); err != nil {
		return err
	}
	for _, r := range tr.samples {
		if err := to.Encode(sampleMessage{"sample", r}); err != nil {
			return err
		}
	}
	return to.Encode(endMessage{"end"})
}
