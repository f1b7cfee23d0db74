package metric

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// probes is a source that asks the service itself, as its users do, and counts. Its counters have the form of a metrics page, so that
// queries are the same as for one:
//
//	probe_requests_total{probe="home",result="ok",reason=""}
//	probe_requests_total{probe="home",result="bad",reason="status"}
//	probe_duration_seconds_bucket{probe="home",le="0.1"}
//	probe_up{probe="home"}
type probes struct {
	targets []*target

	mu    sync.Mutex // guards what follows, and the order of answers
	last  time.Time
	total int // samples in memory

	state   sync.Mutex // guards the targets' tallies, and what follows
	running int
	network witnesses
}

var buildProbe = built(ProbeOptions{}, newProbes)

func newProbes(o ProbeOptions) (*probes, error) {
	o = o.settled()
	if ps := o.problems(); len(ps) > 0 {
		return nil, fmt.Errorf("%s: %w", ps[0].field, ps[0].err)
	}
	p := &probes{}
	hosts := map[string]bool{}
	for _, s := range o.Probes {
		pr, _, err := s.prober()
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, newTarget(s, pr))
		hosts[pr.host()] = true
	}
	p.network.hosts = len(hosts)
	return p, nil
}

// Traits implements Source.
func (p *probes) Traits() Traits { return Traits{Labels: true} }

// Check implements Source. Which series there will be is known, so that a selector that can select none of them is a mistake.
func (p *probes) Check(q Query) error {
	w, err := compileWatch(q, "a probe", values{check: true})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(pieces(q.Text), func(x piece) bool { return x.variable }) || len(p.selected(w)) > 0 {
		return nil
	}
	names := make([]string, len(p.targets))
	for i, t := range p.targets {
		names[i] = clean.Text(t.spec.Name)
	}
	return fmt.Errorf("%s selects nothing: there are probe_requests_total (result ok or bad, reason %s), probe_duration_seconds and probe_up, and the probes %s",
		clean.Text(q.Text), strings.Join(badReasons, ", "), strings.Join(names, ", "))
}

// selected are the probes that a query is about.
func (p *probes) selected(w *watch) (ts []*target) {
	for _, t := range p.targets {
		if slices.ContainsFunc(t.series, func(x *scraped) bool { return w.selects(x.name, x.labels) }) {
			ts = append(ts, t)
		}
	}
	return ts
}

// Start implements Background.
func (p *probes) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.run(1)
	var wg sync.WaitGroup
	for _, t := range p.targets {
		wg.Go(func() { p.keepProbing(ctx, t) })
	}
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		p.run(-1)
	})
}

func (p *probes) run(n int) {
	p.state.Lock()
	defer p.state.Unlock()
	p.running += n
}

func (p *probes) isRunning() bool {
	p.state.Lock()
	defer p.state.Unlock()
	return p.running > 0
}

// Range implements Source. A window that ends now is a reason to note how far the counters are. Where no probes are sent between the
// calls (nobody called Start: it is a look whether the new version serves), each is sent once.
func (p *probes) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); to.After(p.last) && now.Sub(to) <= max(scrapeFresh, 2*step) && now.Sub(p.last) >= scrapeReuse {
		if !p.isRunning() {
			p.sendAll(ctx)
		}
		p.note(time.Now())
	}
	var all []Series
	var failed []error
	for _, q := range queries {
		got, err := p.answer(q, from, to, step)
		if err != nil {
			failed = append(failed, queryError(q.ID, err))
			continue
		}
		all = append(all, got...)
	}
	return all, errors.Join(failed...)
}

// note takes the counters as they are now into the series.
func (p *probes) note(now time.Time) {
	p.state.Lock()
	defer p.state.Unlock()
	p.last = now
	for _, t := range p.targets {
		if p.total > scrapeSamples {
			return
		}
		p.total += t.note(ceilMilli(now))
	}
}

func (p *probes) answer(q Query, from, to time.Time, step time.Duration) ([]Series, error) {
	vars := map[string]string{"step": promDuration(step)}
	for k, v := range q.Vars {
		vars[k] = v
	}
	w, err := compileWatch(q, "a probe", values{vars: vars})
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	if p.total > scrapeSamples {
		return nil, troublef(TooMany, "more than %d samples in memory: bake with a longer step, or fewer probes", scrapeSamples)
	}
	acc := &accumulator{query: q.ID, from: ceilMilli(from), to: ceilMilli(to)}
	for _, t := range p.selected(w) {
		if t.trouble != nil {
			return nil, t.trouble
		}
		for _, x := range t.series {
			if err := collectScraped(w, acc, x); err != nil {
				return nil, err
			}
		}
	}
	return acc.finish(), nil
}
