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

// Glance asks, before the deploy, each source for what its metrics and ready-when show now. What can't be answered now will most likely not
// be answered in the bake: a slip in a query costs a line here, and a whole window there. Its findings are notes. A source without history
// would remember what it saw of the old version: it is asked apart, or left alone where it can't be.
func Glance(ctx context.Context, p Plan) []verdict.Finding {
	ctx, cancel := context.WithTimeout(ctx, glanceLimit)
	defer cancel()
	var mu sync.Mutex
	var fs []verdict.Finding
	var wg sync.WaitGroup
	for name, src := range p.Sources {
		if src = unbiased(src); src == nil {
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

// unbiased is what may be asked of a source without the bake being another one for it; nil for nothing.
func unbiased(src metric.Source) metric.Source {
	if src.Traits().History {
		return src
	}
	if a, ok := src.(metric.Apart); ok {
		return a.Apart()
	}
	return nil
}

// glance asks one source. Each metric gets one note at most.
func glance(ctx context.Context, p Plan, name string, src metric.Source) (fs []verdict.Finding) {
	now := time.Now()
	to, lately := now, ", and has not for "+short(glanceBack)
	if !src.Traits().History {
		to, lately = now.Add(p.Options.Step), "" // its points are made by the call, and thus later than now
	}
	var series []metric.Series
	var err error
	if qs := p.asked(name); len(qs) > 0 {
		series, err = src.Range(ctx, qs, now.Add(-glanceBack), to, p.Options.Step)
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
		t := glanced(m.Queries(p.Vars), name, lately, err, seen)
		if t == nil {
			t = m.mislabelled(series, p.Vars)
		}
		if t == nil && m.By != "" {
			t = m.ungrouped(series, p.Vars)
		}
		if t != nil {
			fs = append(fs, t.note(m.Name))
		}
	}
	if r := p.Options.ReadyWhen; r != nil && r.From == name {
		if _, t := p.readyNow(ctx, src, *r); t != nil && !errors.Is(ctx.Err(), context.Canceled) {
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

// mislabelled is the label for which bad can match nothing of what total matches, nil where it can.
func (m Metric) mislabelled(series []metric.Series, vars map[string]string) *trouble {
	if m.kind() != judge.Proportion {
		return nil
	}
	sel := &selection{bad: string(m.Bad), total: string(m.Total)}
	for _, s := range m.own(series, vars) {
		if s.Query == m.Name+".bad" {
			return nil
		}
		sel.sawTotal(s)
	}
	l := sel.missingLabel()
	if l == "" || !sel.fromTotal() { // it may have matched before
		return nil
	}
	return &trouble{"selector", fmt.Sprintf("bad matches nothing, and asks for the label %q, which no series of total has", clean.Cut(l, 100)), seeLabels}
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
func glanced(qs []metric.Query, source, lately string, err error, seen map[string]bool) *trouble {
	for _, q := range qs {
		if t := glancedAt(err, q, source); t != nil {
			return t
		}
		if !seen[q.ID] && !strings.HasSuffix(q.ID, ".bad") {
			return &trouble{judge.NoData, "nothing matches " + clean.Cut(q.Text, 300) + lately,
				"unless this is the service's first deploy, compare the selector with what the service exports: the bake would end inconclusive"}
		}
	}
	return nil
}
