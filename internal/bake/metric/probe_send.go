package metric

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// prober sends one probe. nil is a success; what an error means is for attempt.judge to say.
type prober interface {
	probe(ctx context.Context, a *attempt) error
	host() string
}

// keepProbing sends a target's probes until ctx ends, and returns when the last of them has.
func (p *probes) keepProbing(ctx context.Context, t *target) {
	var wg sync.WaitGroup
	defer wg.Wait()
	starts := newStarts(t.spec)
	for waitUntil(ctx, starts.next(time.Now())) {
		select {
		case t.free <- struct{}{}:
			wg.Go(func() {
				defer func() { <-t.free }()
				p.send(ctx, t)
			})
		default: // the probes under way are beyond their time-outs: this machine is too slow
			p.lose(t, errors.New("too many probes are under way, beyond their time-outs: this machine is overloaded"))
		}
	}
}

// sendAll sends one probe of each.
func (p *probes) sendAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, t := range p.targets {
		wg.Go(func() { p.send(ctx, t) })
	}
	wg.Wait()
}

// send sends one probe and counts it. One that ctx ended did not happen.
func (p *probes) send(ctx context.Context, t *target) {
	a := &attempt{host: t.prober.host(), began: time.Now()}
	limited, cancel := context.WithTimeout(ctx, t.spec.Timeout)
	defer cancel()
	err := t.prober.probe(a.trace(limited), a)
	if ctx.Err() != nil {
		return
	}
	if a.took == 0 || err != nil {
		a.answered()
	}
	p.finish(t, a, err)
}

func (p *probes) finish(t *target, a *attempt, err error) {
	p.state.Lock()
	defer p.state.Unlock()
	f, reason := a.judge(err, t.known)
	t.known = t.known || a.wasResolved()
	if reached := a.reached(f); reached || f != service { // a name that is gone says nothing of the network
		p.network.heard(a.host, a.began, reached)
	}
	settle := func(f fault) {
		if f == ours {
			t.lose(withoutURL(err))
			return
		}
		t.count(reason, a.took)
	}
	if f == unclear {
		p.network.unclear(a.host, a.began, settle)
		return
	}
	settle(f)
}

func (p *probes) lose(t *target, err error) {
	p.state.Lock()
	defer p.state.Unlock()
	t.lose(err)
}

// starts are the times of a probe's starts. They depend on its name alone: probes do not go out all at once, each start is a little off the
// beat, lest it always meets the same moment of something regular, and a rerun does the same.
type starts struct {
	every time.Duration
	first time.Time
	phase time.Duration
	n     int64
	off   *rand.Rand
}

func newStarts(s ProbeSpec) *starts {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.Name))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	return &starts{every: s.Every, phase: time.Duration(r.Int64N(int64(s.Every))), off: r}
}

// next is when the next one starts. Those that are more than one interval late are left out: a machine that slept must not catch up
// with a burst.
func (s *starts) next(now time.Time) time.Time {
	if s.first.IsZero() {
		s.first = now.Add(s.phase)
	}
	if late := now.Sub(s.first) - time.Duration(s.n)*s.every; late > s.every {
		s.n += int64(late / s.every)
	}
	at := s.first.Add(time.Duration(s.n)*s.every + time.Duration(s.off.Int64N(int64(s.every/5)+1)))
	s.n++
	return at
}

func waitUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// withoutURL is an error of net/http without its address, the query of which may hold what is nobody's business.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
