package bake

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// BacktestSummary is what a replay says of the configuration.
type BacktestSummary struct {
	Good         Share           `json:"good"`         // false rollbacks among times without a deploy and deploys known to be good
	Bad          Share           `json:"bad"`          // rollbacks among deploys known to be bad
	Delay        time.Duration   `json:"delay"`        // median, from serving to the rollback of a bad deploy
	Inconclusive Share           `json:"inconclusive"` // among all
	Early        Share           `json:"early"`        // passes before the end of the window, among all
	EarlyBad     int             `json:"earlyBad"`     // of these, deploys known to be bad
	Metrics      []MetricSummary `json:"metrics"`
	Advice       []string        `json:"advice,omitempty"`
}

// Share is how many of how many, with the upper end of the one-sided 95% Wilson interval (Wilson 1927), 1 where there are none.
type Share struct {
	N     int     `json:"n"`
	Of    int     `json:"of"`
	Upper float64 `json:"upper95"`
}

func share(n, of int) Share { return Share{n, of, wilson(n, of)} }

// wilson is the upper end of the score interval for a proportion.
func wilson(n, of int) float64 {
	if of == 0 {
		return 1
	}
	const z = 1.6449 // of the normal distribution, 95%
	p, k := float64(n)/float64(of), float64(of)
	return (p + z*z/(2*k) + z*math.Sqrt(p*(1-p)/k+z*z/(4*k*k))) / (1 + z*z/k)
}

// MetricSummary is one metric's part.
type MetricSummary struct {
	Name        string         `json:"name"`
	FalseAlarms int            `json:"falseAlarms"`         // where nothing was wrong
	Alone       int            `json:"alone"`               // of these, where no other metric alarmed
	Caught      int            `json:"caught"`              // bad deploys at which it alarmed
	OverLimit   int            `json:"overLimit"`           // windows without a bad deploy whose rate was beyond the limit
	NoVerdict   map[string]int `json:"noVerdict,omitempty"` // by reason
}

// Summarise counts a replay.
func (o Options) Summarise(rs []Replayed) BacktestSummary {
	var s BacktestSummary
	var good, falseAlarms, bad, caught, unknown, early int
	var delays []time.Duration
	for _, r := range rs {
		rolled := r.Verdict == ReplayRollback
		switch r.Truth {
		case None, Good:
			good++
			falseAlarms += one(rolled)
		case Bad:
			bad++
			caught += one(rolled)
			if rolled {
				delays = append(delays, r.At.Sub(r.Serving))
			}
		}
		unknown += one(r.Verdict == ReplayInconclusive)
		if r.Verdict == ReplayPass && r.At.Before(r.Serving.Add(o.Window)) {
			early++
			s.EarlyBad += one(r.Truth == Bad)
		}
	}
	s.Good, s.Bad, s.Inconclusive = share(falseAlarms, good), share(caught, bad), share(unknown, len(rs))
	s.Early = share(early, len(rs))
	if len(delays) > 0 {
		slices.Sort(delays)
		s.Delay = delays[len(delays)/2]
	}
	for i, m := range o.Metrics {
		s.Metrics = append(s.Metrics, m.summarise(i, rs))
	}
	s.Advice = o.advise(s, rs)
	return s
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (m Metric) summarise(i int, rs []Replayed) MetricSummary {
	s := MetricSummary{Name: m.Name, NoVerdict: map[string]int{}}
	for _, r := range rs {
		j := r.Metrics[i]
		harmless := r.Truth == None || r.Truth == Good
		switch {
		case j.Status == judge.Fail && harmless:
			s.FalseAlarms++
			s.Alone += one(len(r.By) == 1 && r.By[0] == m.Name)
		case j.Status == judge.Fail && r.Truth == Bad:
			s.Caught++
		case j.Status == judge.Unknown:
			s.NoVerdict[j.Reason]++
		}
		if r.Truth != Bad {
			s.OverLimit += one(m.overLimit(j))
		}
	}
	return s
}

// overLimit reports whether what was observed is beyond the limit, proved or not.
func (m Metric) overLimit(j judge.Judgement) bool {
	return slices.ContainsFunc(m.limits(), func(l judge.Limit) bool {
		if l.Quantile > 0 {
			return j.Status == judge.Fail && j.BadBefore
		}
		return j.After.Total > 0 && (l.HasMax && j.After.Value > l.Max || l.HasMin && j.After.Value < l.Min)
	})
}

// advise says what to change.
func (o Options) advise(s BacktestSummary, rs []Replayed) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	days := map[string]bool{}
	for _, r := range rs {
		days[r.Started.UTC().Format(time.DateOnly)] = true
	}
	for i, m := range s.Metrics {
		if m.FalseAlarms > 0 && float64(m.FalseAlarms) > 2*float64(o.Alpha)*float64(s.Good.Of) {
			add("%s alarms where nothing is wrong: %d of %d times, %d of them alone. Look at one of them; a wider limit, a longer baseline.window or another metric helps",
				m.Name, m.FalseAlarms, s.Good.Of, m.Alone)
		}
		if m.OverLimit > 0 && m.OverLimit*10 >= len(rs) {
			add("%s is beyond its limit in %d of %d windows without a bad deploy: history breaks this limit, not the deploys. Set it above what is usual, or use compare: before",
				m.Name, m.OverLimit, len(rs))
		}
		for _, reason := range sortedReasons(m.NoVerdict) {
			if n := m.NoVerdict[reason]; n*5 >= len(rs) {
				add("%s", o.Metrics[i].cure(reason, n, len(rs), o.Window))
			}
		}
	}
	if s.Bad.Of > 0 && s.Bad.N < s.Bad.Of {
		add("%d of %d bad deploys would have passed unseen: see below which metric should have shown them", s.Bad.Of-s.Bad.N, s.Bad.Of)
	}
	if s.Good.Of < 100 {
		add("%d times without a bad deploy say little of a rate of 1%%: replay more of them (--every 2h --days 30)", s.Good.Of)
	}
	return out
}

func (m Metric) cure(reason string, n, all int, window time.Duration) string {
	text := fmt.Sprintf("%s has no verdict in %d of %d windows (%s)", m.Name, n, all, reason)
	switch reason {
	case judge.LowTraffic:
		return text + fmt.Sprintf(": a window longer than %s, or a limit that allows more, needs fewer requests", short(window))
	case judge.NoData, judge.NoBaseline:
		return text + ": see whether its query selects something over all that time"
	}
	return text
}

func sortedReasons(m map[string]int) []string {
	var out []string
	for r := range m {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}
