package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// judgeCommand speaks the judge arena's protocol (JSON lines) on the standard streams, so that the judge can be measured against
// simulated deploys whose truth is known. It is for those who work on bakegate and is not in the help.
func judgeCommand(_ context.Context, a *app, args []string) int {
	fs := flag.NewFlagSet("judge", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	speaks := fs.Bool("arena", false, "")
	passAfter := fs.Duration("pass-after", 0, "")
	if err := fs.Parse(args); err != nil || !*speaks || fs.NArg() > 0 {
		return a.usage(fmt.Errorf("bakegate judge takes --arena, and --pass-after DURATION: it answers the arena's messages on standard input"))
	}
	if err := arena(bufio.NewReaderSize(os.Stdin, 1<<20), a.stdout, *passAfter); err != nil {
		return a.fail(err)
	}
	return 0
}

// arena gives one answer for every message. It passes before the end from passAfter on, never where that is 0.
func arena(r io.Reader, w io.Writer, passAfter time.Duration) error {
	in, out := json.NewDecoder(r), json.NewEncoder(w)
	var b *arenaBake
	for in.More() {
		var m arenaMessage
		if err := in.Decode(&m); err != nil {
			return err
		}
		answer := arenaAnswer{Verdict: "continue"}
		switch {
		case m.Type == "start":
			b = newArenaBake(m, passAfter)
		case b == nil:
			return fmt.Errorf("message %q before start", m.Type)
		case m.Type == "sample":
			b.take(m.row())
			answer = b.answer(b.deploy.Judge())
		case m.Type == "end":
			answer = b.answer(b.deploy.End())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

type arenaAnswer struct {
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

func (b *arenaBake) answer(v judge.Verdict) arenaAnswer {
	b.most = max(b.most, v.Evidence)
	words := map[judge.Status]string{judge.Continue: "continue", judge.Pass: "pass", judge.Fail: "rollback", judge.Unknown: "inconclusive"}
	word := words[v.Status]
	if v.Status == judge.Fail && v.External { // hold: a person decides
		word = "inconclusive"
	}
	if v.Status == judge.Continue {
		return arenaAnswer{Verdict: word}
	}
	why := fmt.Sprintf("%s %s: %s", v.Metric, v.Reason, v.Sentence)
	for _, j := range v.Metrics {
		why += fmt.Sprintf("; %s %.2g", j.Metric, j.Evidence)
	}
	return arenaAnswer{word, why + fmt.Sprintf("; most %.2g", b.most)}
}

type arenaMessage struct {
	Type     string       `json:"type"`
	Interval float64      `json:"interval"`
	HistStep float64      `json:"history_step"`
	Bake     float64      `json:"bake"`
	Alpha    float64      `json:"alpha"`
	Bounds   []float64    `json:"bounds_ms"`
	History  []arenaRow   `json:"history"`
	Previous [][]arenaRow `json:"previous"`

	T       float64         `json:"t"`
	Canary  *arenaGroup     `json:"canary"`
	Control json.RawMessage `json:"control"` // whether there is one, in the start; its scrape, in a sample
}

func (m *arenaMessage) row() arenaRow {
	r := arenaRow{T: m.T, Canary: m.Canary}
	var g *arenaGroup
	if json.Unmarshal(m.Control, &g) == nil {
		r.Control = g
	}
	return r
}

type arenaRow struct {
	T       float64     `json:"t"`
	Canary  *arenaGroup `json:"canary"`
	Control *arenaGroup `json:"control"`
}

// arenaGroup is one scrape: counters, buckets that are not cumulative, and a gauge.
type arenaGroup struct {
	Req float64   `json:"req"`
	Err float64   `json:"err"`
	Biz float64   `json:"biz"`
	Sat float64   `json:"sat"`
	Lat []float64 `json:"lat"`
}

// The metrics of the arena, in this order.
var arenaMetrics = []judge.MetricSpec{
	{Spec: judge.Spec{Name: "errors", Kind: judge.Proportion, Compare: true}, Weight: 3},
	{Spec: judge.Spec{Name: "latency", Kind: judge.Histogram, Compare: true}, Weight: 3},
	{Spec: judge.Spec{Name: "traffic", Kind: judge.Rates, Compare: true}, Weight: 2},
	{Spec: judge.Spec{Name: "orders", Kind: judge.Rates, Compare: true}, Weight: 1.5, Optional: true},
	{Spec: judge.Spec{Name: "saturation", Kind: judge.Gauge, Compare: true}, Weight: 0.5, Optional: true},
}

const arenaTraffic = 2

var arenaEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func arenaTime(sec float64) time.Time {
	return arenaEpoch.Add(time.Duration(sec * float64(time.Second)))
}

// arenaBake is one deploy of the arena.
type arenaBake struct {
	deploy          *judge.Deploy
	bounds          []float64
	most            float64 // evidence so far
	canary, control arenaDiffer
}

func newArenaBake(m arenaMessage, passAfter time.Duration) *arenaBake {
	b := &arenaBake{bounds: m.Bounds}
	hs := make([]judge.History, len(arenaMetrics))
	b.canary, b.control = arenaDiffer{step: m.HistStep}, arenaDiffer{step: m.HistStep}
	for _, r := range m.History {
		b.each(&b.canary, r.T, r.Canary, func(i int, x judge.Sample) { hs[i].Before = append(hs[i].Before, x) })
		b.each(&b.control, r.T, r.Control, func(i int, x judge.Sample) { hs[i].Control = append(hs[i].Control, x) })
	}
	for _, rows := range m.Previous {
		b.previous(hs, rows, m.Interval)
	}
	b.canary.deploy(0, m.Interval)
	b.control.step = m.Interval
	spec := judge.DeploySpec{Alpha: m.Alpha, Start: arenaTime(0), End: arenaTime(m.Bake), WarmUp: 5 * time.Minute, Metrics: arenaMetrics,
		PassAfter: passAfter, Step: time.Duration(m.Interval * float64(time.Second))}
	b.deploy = judge.NewDeploy(spec, slices.Values(hs))
	return b
}

func (b *arenaBake) previous(hs []judge.History, rows []arenaRow, step float64) {
	canary, control := arenaDiffer{step: step}, arenaDiffer{step: step}
	es := make([]judge.Earlier, len(hs))
	deployed := false
	for _, r := range rows {
		if r.T > 0 && !deployed {
			canary.deploy(0, step)
			deployed = true
		}
		b.each(&canary, r.T, r.Canary, func(i int, x judge.Sample) { es[i].Samples = append(es[i].Samples, x) })
		b.each(&control, r.T, r.Control, func(i int, x judge.Sample) { es[i].Control = append(es[i].Control, x) })
	}
	for i := range hs {
		es[i].Start = arenaTime(0)
		hs[i].Previous = append(hs[i].Previous, es[i])
	}
}

func (b *arenaBake) take(r arenaRow) {
	b.each(&b.canary, r.T, r.Canary, b.deploy.Add)
	b.each(&b.control, r.T, r.Control, b.deploy.AddControl)
}

// each gives the samples of one scrape to the metrics.
func (b *arenaBake) each(d *arenaDiffer, t float64, g *arenaGroup, do func(int, judge.Sample)) {
	if g == nil {
		return
	}
	from, x, ok := d.push(t, *g)
	if !ok {
		return
	}
	s := judge.Sample{From: arenaTime(from), To: arenaTime(t), Partial: d.partial(t)}
	errors, latency, traffic, orders, saturation := s, s, s, s, s
	errors.Bad, errors.Total = min(x.Err, x.Req), x.Req
	for i, n := range x.Lat {
		k := judge.Bucket{N: n, Inf: i >= len(b.bounds)}
		if !k.Inf {
			k.Le = b.bounds[i]
		}
		latency.Buckets = append(latency.Buckets, k)
	}
	traffic.Total = x.Req
	orders.Total, orders.Of = x.Biz, x.Req
	saturation.Values = []float64{x.Sat}
	for i, s := range []judge.Sample{errors, latency, traffic, orders, saturation} {
		if i != arenaTraffic || !d.restarted { // what a process counted before it died is lost: no loss of traffic
			do(i, s)
		}
	}
}

// arenaDiffer takes differences of the counters of one group, as the bake does of one series: a counter that fell has restarted. A group
// is a sum over processes, though: one that falls only partly lost a process, and rises again when that comes back. Neither is a count.
type arenaDiffer struct {
	last  *arenaGroup
	lastT float64
	step  float64
	usual float64 // requests per second
	lost  float64 // requests of the processes that went missing
	lostT float64 // when the first of them did

	old       *arenaGroup // the last scrape before the deploy, until the first one after it
	oldT      float64
	repeats   int
	restarted bool // since the scrape before
}

// deploy starts fresh processes, which count from zero, unless the first scrape shows that the old ones are still in the sum.
func (d *arenaDiffer) deploy(t, step float64) {
	d.old, d.oldT = d.last, d.lastT
	d.last, d.lastT, d.step, d.lost = &arenaGroup{}, t, step, 0
}

// rolling goes on from before the deploy where processes are replaced one by one: more requests than fresh ones can have had.
func (d *arenaDiffer) rolling(t float64, g arenaGroup) {
	if d.old != nil && d.usual > 0 && g.Req > 10*d.usual*(t-d.lastT) {
		d.last, d.lastT = d.old, d.oldT
	}
	d.old = nil
}

func (d *arenaDiffer) push(t float64, g arenaGroup) (from float64, x arenaGroup, ok bool) {
	d.rolling(t, g)
	last, from := d.last, d.lastT
	if last != nil && (t <= from || d.again(g)) {
		return 0, x, false
	}
	d.last, d.lastT, d.restarted = &g, t, false
	if last == nil {
		return 0, x, false
	}
	dt := t - from
	if g.Req < last.Req {
		if d.usual > 0 && g.Req > 4*d.usual*dt && g.Req > 0.05*last.Req { // more than a fresh process can have counted
			if !d.partial(t) {
				d.lostT = t
			}
			d.lost += last.Req - g.Req
			return 0, x, false
		}
		last, d.lost, d.restarted = &arenaGroup{}, 0, true
	}
	n := g.Req - last.Req
	if d.lost > 0 && n > 5*d.usual*dt && n > 0.5*d.lost {
		d.lost = 0
		return 0, x, false
	}
	x = arenaGroup{Req: n, Err: rise(last.Err, g.Err), Biz: rise(last.Biz, g.Biz), Sat: g.Sat}
	for i := range g.Lat {
		before := 0.0
		if i < len(last.Lat) {
			before = last.Lat[i]
		}
		x.Lat = append(x.Lat, rise(before, g.Lat[i]))
	}
	d.usual += (n/dt - d.usual) * 0.2
	return from, x, true
}

// partial says that a process is missing from the sum since a short time: nobody knows whether it comes back.
func (d *arenaDiffer) partial(t float64) bool {
	return d.lost > 0 && t-d.lostT < judge.GoneAfter.Seconds()
}

// again says that a scrape came twice, down to the gauge: the time of it is that of the one before. A third is news.
func (d *arenaDiffer) again(g arenaGroup) bool {
	same := g.Req > 0 && g.Req == d.last.Req && g.Err == d.last.Err && g.Biz == d.last.Biz && g.Sat == d.last.Sat && slices.Equal(g.Lat, d.last.Lat)
	if !same {
		d.repeats = 0
		return false
	}
	d.repeats++
	return d.repeats <= 2
}

func rise(a, b float64) float64 {
	if b < a {
		return b
	}
	return b - a
}
