package bake

import (
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// rates counts events in time, and where Of is given the requests that they are counted among. A window in which the counter stood still
// is one with no events: zeros that are there are evidence.
type rates struct {
	counts  *proportion
	among   bool
	present presence
}

func newRates(m Metric, g grid, c clock) *rates {
	p := &proportion{spans: spans{grid: g}, clock: c, totalID: m.Name + ".rate", selects: &selection{total: string(m.Rate)}}
	if m.Of != "" {
		p.badID, p.totalID = m.Name+".rate", m.Name+".of"
		p.selects = &selection{bad: string(m.Rate), total: string(m.Of)}
	}
	return &rates{counts: p, among: m.Of != ""}
}

func (r *rates) scraped(every time.Duration) {
	r.counts.scraped(every)
	r.present.scraped(every)
}

func (r *rates) add(series []metric.Series, from, to time.Time) batch {
	b := r.counts.add(series, from, to)
	r.present.see(series, from, to)
	for i, s := range b.samples {
		b.samples[i] = judge.Sample{From: s.From, To: s.To, Total: s.Total, Partial: r.present.short(s.To)}
		if r.among {
			b.samples[i].Total, b.samples[i].Of = s.Bad, s.Total
		}
	}
	return b
}

func (r *rates) trouble() *trouble {
	p := r.counts
	switch {
	case p.doesNotFit():
		return &trouble{"selectors", "there are more events of rate than of its requests: they are not counted among them", "let of select the requests that these events come from, or leave it out"}
	case !p.totalSeen && p.skipped > 0:
		return &trouble{"nan", "every point is NaN, infinite or negative: that is no count", "see what exports this metric; a counter holds a number"}
	case !p.totalSeen:
		return &trouble{judge.NoData, "it matched nothing", "compare the selector with what the service exports, and see whether it is scraped"}
	case r.among && !p.selects.badSeen:
		return &trouble{"selector", "rate has never matched anything, while the requests did", "compare the selector of rate with what the service exports"}
	}
	return nil
}
