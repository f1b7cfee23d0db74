package bake

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

const (
	// liveApart is how far apart a source without history is asked, so that a counter shows how fast it counts.
	liveApart = 3 * time.Second
	// liveLabels and liveVersions bound what is listed.
	liveLabels, liveVersions = 12, 5
)

// askTwice asks a source that only knows what it saw itself, twice. What the second answer lacks, the look lacks; a source that is down is
// not waited for.
func askTwice(ctx context.Context, src metric.Source, qs []metric.Query, step time.Duration) ([]metric.Series, error) {
	begun := time.Now()
	ask := func() ([]metric.Series, error) {
		return rangeOrEnd(ctx, src, qs, begun, time.Now().Add(step), step) // its points are made by the call, and thus later than now
	}
	if series, err := ask(); err != nil && len(series) == 0 {
		return nil, err
	}
	sleep(ctx, liveApart)
	return ask()
}

// spanOf is the one window that holds what a source without history showed, as long as its points are apart.
func spanOf(own []metric.Series, now time.Time) (grid, time.Time) {
	first, last := now, time.Time{}
	for _, s := range own {
		for _, x := range s.Points {
			last = later(last, x.T)
			if x.T.Before(first) {
				first = x.T
			}
		}
	}
	g := grid{first, max(last.Sub(first), 0) + time.Millisecond}
	return g, g.at(1)
}

// waits says that a source has nothing to say before the deploy, and did not fail: what it tells begins there.
func (l *looking) waits(own []metric.Series) bool {
	return l.src.Traits().FromDeploy && len(own) == 0
}

// labelsOf are the names of the labels by which series can be told apart.
func labelsOf(series []metric.Series) []string {
	names := map[string]bool{}
	for _, s := range series {
		for l := range s.Labels {
			names[clean.Cut(l, 60)] = true
		}
	}
	delete(names, "le") // a histogram's own
	sorted := slices.Sorted(maps.Keys(names))
	if len(sorted) > liveLabels {
		sorted = append(sorted[:liveLabels], "...")
	}
	return sorted
}

// lookReady says what ready-when shows now.
func (p Plan) lookReady(ctx context.Context, r ReadyWhen) Live {
	shown, t := p.readyNow(ctx, p.Sources[r.From], r)
	l := Live{Metric: readyID, Value: shown}
	if t != nil {
		l.Wrong = []string{t.text + "; " + t.hint}
	}
	return l
}

// readyNow says what ready-when shows now, and why it would be waited for in vain. That the new version does not serve yet is as it must be.
func (p Plan) readyNow(ctx context.Context, src metric.Source, r ReadyWhen) (shown string, t *trouble) {
	q := r.Queries(p.Vars)[0]
	alive, err := p.askReady(ctx, src, r)
	if err != nil {
		if t := glancedAt(err, q, r.From); t != nil {
			return "", t
		}
		return "", troubleOf(metric.BackendDown, r.From, err)
	}
	in := "behind the deploy this would be waited for in vain, " + short(r.Timeout) + " long"
	switch {
	case len(alive) == 0 && src.Traits().FromDeploy:
		return "nothing yet: it begins with the deploy", nil
	case len(alive) == 0 && strings.Contains(q.Text, "$version"):
		return "nothing yet: it asks for $version, which comes with the deploy", nil
	case len(alive) == 0:
		return "", &trouble{judge.NoData, "nothing that reports now matches " + clean.Cut(q.Text, 300),
			"unless it comes with the deploy (a first one, a canary), compare the selector with what the service exports: " + in}
	case r.Version == "":
		return r.values(alive), nil
	}
	return r.versions(alive, in)
}

// values says what the query of ready-when gives.
func (r ReadyWhen) values(alive []metric.Series) string {
	least, most := math.Inf(1), math.Inf(-1)
	for _, s := range alive {
		v := s.Points[len(s.Points)-1].V
		least, most = min(least, v), max(most, v)
	}
	text := r.AtLeast.like(least)
	if most > least {
		text += " to " + r.AtLeast.like(most)
	}
	return fmt.Sprintf("%s in %d series", text, len(alive))
}

// versions says which versions report. Series without the label never become the new version's.
func (r ReadyWhen) versions(alive []metric.Series, in string) (shown string, t *trouble) {
	count := map[string]int{}
	for _, s := range alive {
		count[s.Labels[r.Label]]++
	}
	if n := count[""]; n > 0 {
		t = &trouble{judge.NoData, fmt.Sprintf("%d of %d series that %s selects have no label %s", n, len(alive), clean.Cut(string(r.Version), 300), clean.Text(r.Label)),
			"name the label that holds the version (label:), or narrow the selector: " + in}
		delete(count, "")
	}
	var each []string
	for _, v := range slices.Sorted(maps.Keys(count)) {
		each = append(each, fmt.Sprintf("%s=%q in %d series", clean.Text(r.Label), clean.Cut(v, 100), count[v]))
	}
	if n := len(each); n > liveVersions {
		each = append(each[:liveVersions], fmt.Sprintf("and %d more", n-liveVersions))
	}
	return strings.Join(each, ", "), t
}
