package bake

import (
	"context"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// warmGrace is how long the last sample may take: the deploy waits for it.
const warmGrace = 2 * time.Second

// Warm samples the sources that have no history, from now for the duration, or until ctx ends where it is 0: what they saw is the
// baseline of the bake to come (Resume.Baseline). It returns the samples by the metric's name, each of which was told as an
// EventBaseline too. A source that does not answer gives no samples; that is told, and the bake will say that it has no baseline.
func Warm(ctx context.Context, p Plan, duration time.Duration) map[string]judge.Packed {
	b := &bake{Plan: p, observer: &observer{to: p.Observe}, started: time.Now()}
	defer b.observer.close()
	if duration <= 0 {
		duration = 24 * time.Hour
	}
	b.Options.Window, b.Once, b.Resume, b.Deploy.Started = duration, false, Resume{}, time.Time{}
	b.cancel = func(error) {}
	b.serving = b.started
	b.Options.Metrics = b.warmable()
	if len(b.Options.Metrics) == 0 {
		return nil
	}
	b.prepareWarm()
	return b.sampleWarm(ctx, b.started.Add(duration))
}

// warmable are the metrics that compare with before and whose source cannot be asked for it later.
func (b *bake) warmable() (ms []Metric) {
	for _, m := range b.Options.Metrics {
		if m.compares() && !b.source(m.From).Traits().History {
			ms = append(ms, m)
		}
	}
	return ms
}

func (b *bake) prepareWarm() {
	b.prepare()
	for _, w := range b.watches {
		w.warm, w.before = true, nil
	}
	for _, s := range b.sources {
		s.warm = true
	}
}

// sampleWarm polls every step until the end.
func (b *bake) sampleWarm(ctx context.Context, end time.Time) map[string]judge.Packed {
	ctx, cancel := context.WithDeadline(ctx, end.Add(warmGrace))
	defer cancel()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, s := range b.sources {
		wg.Go(func() { s.run(ctx) })
	}
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		waitAtMost(done, cancelGrace)
	}
	all := map[string]judge.Packed{}
	for _, w := range b.watches {
		w.mu.Lock()
		all[w.Name] = judge.Pack(w.samples)
		for _, g := range w.groups.all() {
			all[g.Name] = judge.Pack(w.split.samples(g))
		}
		w.mu.Unlock()
	}
	return all
}
