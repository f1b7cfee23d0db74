package metric

import (
	"context"
	"sync"
	"time"
)

// alarm is something that fires: an alert, a monitor.
type alarm struct {
	key   string    // the same while and whenever it fires
	text  string    // for people: its name, and what it fires for
	since time.Time // when it began to
}

// alarms turn what fires into a value: 1 while nothing does that did not before the deploy, 0 while something does. They know what they saw;
// an alarm's own start tells what is older than that.
type alarms struct {
	memory memory

	mu     sync.Mutex
	deploy time.Time       // when it began; zero: not yet
	before map[string]bool // the keys of those that were seen to fire before it
}

// Since implements Since.
func (a *alarms) Since(deploy time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deploy = deploy
}

// sighting is what was seen of the alarms that a query is about.
type sighting struct {
	firing []alarm
	blind  bool     // nothing looks: that nothing fires is no evidence
	notes  []string // what else is worth knowing
}

// watch gives the value of each query's alarms, and notes which are new. look sees what fires now.
func (a *alarms) watch(ctx context.Context, queries []Query, from, to time.Time, step time.Duration, look func(context.Context, Query) (sighting, error)) ([]Series, error) {
	return a.memory.noted(ctx, queries, from, to, step, func(ctx context.Context, q Query) ([]sample, []string, error) {
		seen, err := look(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		var notes []string
		fresh := a.fresh(seen.firing)
		for _, x := range fresh {
			notes = addNote(notes, x.text+" since "+x.since.UTC().Format(time.RFC3339))
		}
		for _, n := range seen.notes {
			notes = addNote(notes, n)
		}
		switch {
		case len(fresh) > 0:
			return moment(0), notes, nil
		case seen.blind:
			return nil, nil, nil
		}
		return moment(1), notes, nil
	})
}

// fresh are the alarms that did not fire before the deploy. What fires while there is no deploy yet is remembered.
func (a *alarms) fresh(all []alarm) (out []alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range all {
		switch {
		case a.deploy.IsZero() && len(a.before) < maxSeries:
			if a.before == nil {
				a.before = map[string]bool{}
			}
			a.before[x.key] = true
		case !a.deploy.IsZero() && !x.since.Before(a.deploy) && !a.before[x.key]:
			out = append(out, x)
		}
	}
	return out
}

// Since is a Source whose answers depend on when the deploy began: what was there before is not its doing.
type Since interface{ Since(deploy time.Time) }
