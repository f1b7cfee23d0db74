package bake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

const (
	// maxGroups bounds how many groups of a metric are judged one by one: each one more makes all of them slower to prove anything.
	maxGroups = 20
	// maxGroupName bounds a label's value, which stands in a group's name.
	maxGroupName = 60
)

// groups are the values of one label among a metric's series, each judged by itself beside the metric as a whole. The metric and its
// control share them. Its source's goroutine is the only writer.
type groups struct {
	metric Metric
	join   func(*group) // tells the judgement of all; nil where nothing is judged

	mu      sync.Mutex
	list    []*group
	byValue map[string]*group
	over    bool // there were more than maxGroups
	labels  map[string]bool
	asked   map[string]*carried // by the query's ID
}

// group is one of them, as a metric of its own.
type group struct {
	Metric
	value  string
	index  int              // among all that is judged together
	failed *judge.Judgement // the deploy is rolled back because of it
}

// carried is how many series of a query there were, and how many had the label.
type carried struct{ series, labelled int }

func newGroups(m Metric) *groups {
	return &groups{metric: m, byValue: map[string]*group{}, labels: map[string]bool{}, asked: map[string]*carried{}}
}

// prefix is what the names of the groups begin with: no metric's name has a space.
func (m Metric) prefix() string { return m.Name + " in " + m.By + " " }

// all lists the groups in the order in which they were seen.
func (gs *groups) all() []*group {
	if gs == nil {
		return nil
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return slices.Clone(gs.list)
}

// of is the group of a series, nil for one without the label and for one group too many.
func (gs *groups) of(s metric.Series) *group {
	gs.mu.Lock()
	c := gs.asked[s.Query]
	if c == nil {
		c = &carried{}
		gs.asked[s.Query] = c
	}
	c.series++
	for l := range s.Labels {
		if len(gs.labels) < 2*maxGroups {
			gs.labels[l] = true
		}
	}
	value := clean.Cut(s.Labels[gs.metric.By], maxGroupName)
	if value != "" {
		c.labelled++
	}
	gs.mu.Unlock()
	return gs.named(value)
}

// named is the group of a value. A new one is judged from now on.
func (gs *groups) named(value string) *group {
	gs.mu.Lock()
	g := gs.byValue[value]
	full := g == nil && len(gs.list) >= maxGroups
	gs.over = gs.over || full && value != ""
	gs.mu.Unlock()
	if g != nil || full || value == "" {
		return g
	}
	g = &group{Metric: gs.metric, value: value}
	g.Name, g.Hard = gs.metric.prefix()+value, nil
	if gs.join != nil {
		gs.join(g)
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.list, gs.byValue[value] = append(gs.list, g), g
	return g
}

// trouble is why the groups can't be told apart, nil where they can.
func (gs *groups) trouble() *trouble {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	by := gs.metric.By
	for _, id := range slices.Sorted(maps.Keys(gs.asked)) {
		if c := gs.asked[id]; c.labelled == 0 && !ofControl(id) {
			return &trouble{reasonGroups, fmt.Sprintf("none of the %d series of %s has the label %s, by which they are to be grouped: %s", c.series, id, by, gs.have()),
				"take a label from these, or have the query keep it (sum by, GROUP BY, FACET, by {...})"}
		}
	}
	if gs.over {
		return &trouble{reasonGroups, fmt.Sprintf("the label %s has more than %d values (%s...)", by, maxGroups, clean.Cut(gs.values(), 200)),
			"take a label with fewer values that stay (zone, region, cluster; not pod), or narrow the selector"}
	}
	return nil
}

const reasonGroups = "groups"

// uncontrolled reports whether the control's series do not have the label.
func (gs *groups) uncontrolled() bool {
	if gs == nil {
		return false
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for id, c := range gs.asked {
		if ofControl(id) && c.labelled == 0 {
			return true
		}
	}
	return false
}

// ofControl reports whether a query is one of a control.
func ofControl(id string) bool {
	name, _, _ := strings.Cut(id, ".")
	return strings.HasSuffix(name, controlSuffix)
}

func (gs *groups) have() string {
	if len(gs.labels) == 0 {
		return "they have no labels"
	}
	return "they have " + clean.Cut(strings.Join(slices.Sorted(maps.Keys(gs.labels)), ", "), 300)
}

func (gs *groups) values() string {
	names := make([]string, len(gs.list))
	for i, g := range gs.list {
		names[i] = g.value
	}
	return strings.Join(names, ", ")
}

// split counts the series of each group by themselves, in step with the whole.
type split struct {
	groups *groups
	side   Metric // the metric, or its control
	counts func() counts
	parts  map[*group]*part
}

// part is what one group's series came to.
type part struct {
	counts  counts
	samples []judge.Sample
	given   int // samples that the judgement of all has
}

// newSplit is nil for a metric without groups. An empty bad of a group is zero events: the whole's selectors are looked at as a whole.
func newSplit(gs *groups, m Metric, g grid, history bool) *split {
	if gs == nil {
		return nil
	}
	return &split{groups: gs, side: m, parts: map[*group]*part{},
		counts: func() counts {
			return m.counts(g, history, &selection{bad: string(m.Bad), total: string(m.Total), badSeen: true})
		}}
}

// all are the groups; none where there is no split.
func (s *split) all() []*group {
	if s == nil {
		return nil
	}
	return s.groups.all()
}

func (s *split) part(g *group) *part {
	p := s.parts[g]
	if p == nil {
		p = &part{counts: s.counts()}
		s.parts[g] = p
	}
	return p
}

// samples are those of one group; nil where it has none.
func (s *split) samples(g *group) []judge.Sample {
	if s == nil || s.parts[g] == nil {
		return nil
	}
	return s.parts[g].samples
}

func (s *split) scraped(every time.Duration) {
	if s == nil {
		return
	}
	for _, p := range s.parts {
		p.counts.scraped(every)
	}
}

// keep takes the next samples of a group.
func (s *split) keep(g *group, fresh []judge.Sample) {
	p := s.part(g)
	p.samples = append(p.samples, fresh...)
}

// add counts a stretch as the whole does, and hands on what of each group's samples is fresh.
func (s *split) add(series []metric.Series, from, to time.Time, fresh func([]judge.Sample) []judge.Sample, take func(*group, []judge.Sample)) {
	if s == nil {
		return
	}
	own := map[*group][]metric.Series{}
	for _, x := range series {
		if g := s.groups.of(x); g != nil {
			own[g] = append(own[g], x)
		}
	}
	for _, g := range s.groups.all() {
		if samples := fresh(s.part(g).counts.add(own[g], from, to).samples); len(samples) > 0 {
			take(g, samples)
		}
	}
}

// name is the group's on this side: that of the metric, or of its control.
func (s *split) name(g *group) string { return s.side.prefix() + g.value }

// resume hands on what an earlier process told of each group.
func (s *split) resume(told map[string]judge.Packed, take func(*group, []judge.Sample)) {
	if s == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		value, ok := strings.CutPrefix(name, s.side.prefix())
		if !ok {
			continue
		}
		if g := s.groups.named(value); g != nil {
			take(g, told[name].Samples())
		}
	}
}
