package bake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

const (
	// glanceBack is how far a glance looks back, glanceLimit how long it may take: it stands between the user and the deploy.
	glanceBack  = 5 * time.Minute
	glanceLimit = 10 * time.Second
)

// Glance asks, before the deploy, each source that keeps history for what its metrics and ready-when show now. What can't be answered now
// will most likely not be answered in the bake: a slip in a query costs a line here, and a whole window there. Its findings are notes. A
// source without history is left alone: it would remember what it saw of the old version.
func Glance(ctx context.Context, p Plan) []verdict.Finding {
	ctx, cancel := context.WithTimeout(ctx, glanceLimit)
	defer cancel()
	var mu sync.Mutex
	var fs []verdict.Finding
	var wg sync.WaitGroup
	for name, src := range p.Sources {
		if !src.Traits().History {
			continue
		}
		wg.Go(func() {
			found := glance(ctx, p, name, src)
			mu.Lock()
			defer mu.Unlock()
			fs = append(fs, found...)
		})
	}
	wg.Wait()
	slices.SortFunc(fs, func(a, b verdict.Finding) int { return strings.Compare(a.Check, b.Check) })
	return fs
}

// glance asks one source. Each metric gets one note at most.
func glance(ctx context.Context, p Plan, name string, src metric.Source) (fs []verdict.Finding) {
	now := time.Now()
	var series []metric.Series
	var err error
	if qs := p.asked(name); len(qs) > 0 {
		series, err = src.Range(ctx, qs, now.Add(-glanceBack), now, p.Options.Step)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	seen := map[string]bool{}
	for _, s := range series {
		seen[s.Query] = true
	}
	for _, m := range p.Options.Metrics {
		if m.From != name {
			continue
		}
		t := glanced(m, p, name, err, seen)
		if t == nil && m.By != "" {
			t = m.ungrouped(series, p.Vars)
		}
		if t != nil {
			fs = append(fs, t.note(m.Name))
		}
	}
	if r := p.Options.ReadyWhen; r != nil && r.From == name {
		if _, t := p.readyNow(ctx, *r); t != nil && !errors.Is(ctx.Err(), context.Canceled) {
			fs = append(fs, t.note(readyID))
		}
	}
	return fs
}

// note is the note that a trouble is before the deploy.
func (t *trouble) note(name string) verdict.Finding {
	return verdict.Finding{Check: "preflight/" + name, Outcome: verdict.Note, Doc: "preflight-metrics", Summary: name + ": " + t.text, Hint: t.hint}
}

// glancedAt is why a query has no answer, nil where it has one.
func glancedAt(err error, q metric.Query, source string) *trouble {
	for _, e := range flatten(err) {
		var qe *metric.QueryError
		switch named := errors.As(e, &qe); {
		case !named:
			return troubleOf(metric.BackendDown, source, e)
		case qe.Query == q.ID:
			return troubleOf(qe.Trouble, source, e)
		}
	}
	return nil
}

// ungrouped is why the groups of a metric can't be told apart, nil where they can.
func (m Metric) ungrouped(series []metric.Series, vars map[string]string) *trouble {
	gs := newGroups(m)
	for _, s := range m.own(series, vars) {
		gs.of(s)
	}
	return gs.trouble()
}

// glanced is what is wrong with one metric now, nil for nothing. That no failure was counted is what one hopes for.
func glanced(m Metric, p Plan, source string, err error, seen map[string]bool) *trouble {
	for _, q := range m.Queries(p.Vars) {
		if t := glancedAt(err, q, source); t != nil {
			return t
		}
		if !seen[q.ID] && !strings.HasSuffix(q.ID, ".bad") {
			return &trouble{judge.NoData, fmt.Sprintf("nothing matches %s, and has not for %s", clean.Cut(q.Text, 300), short(glanceBack)),
				"unless this is the service's first deploy, compare the selector with what the service exports: the bake would end inconclusive"}
		}
	}
	return nil
}
