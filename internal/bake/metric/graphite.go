package metric

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// GraphiteOptions is the block of a server with Graphite's render API: graphite-web, carbonapi, Grafana Cloud Graphite...
type GraphiteOptions struct {
	httpx.Remote
	Token    httpx.Secret `yaml:"token"` // bearer
	Username string       `yaml:"username"`
	Password httpx.Secret `yaml:"password"`
	// Counts says that counters are counts of each interval, as statsd sends them, and not running totals.
	Counts bool `yaml:"counts"`
}

// graphiteBack is asked for beside the window: a point has the time at which its interval began, and only two of them show how long
// an interval is.
const graphiteBack = 5 * time.Minute

type graphite struct {
	client *httpx.Client
	counts bool
}

var buildGraphite = built(GraphiteOptions{}, newGraphite)

func newGraphite(o GraphiteOptions) (*graphite, error) {
	c, err := login{o.Token, o.Username, o.Password}.client(o.Remote)
	if err != nil {
		return nil, err
	}
	return &graphite{c, o.Counts}, nil
}

// Traits implements Source.
func (g *graphite) Traits() Traits { return Traits{History: true, Labels: true} }

// Check implements Source.
func (g *graphite) Check(q Query) error {
	if err := q.only("Graphite has no histograms: name the upper quantile that is sent (gauge), or the slow and all requests (bad, total)", Counter, Gauge, Expr); err != nil {
		return err
	}
	_, err := graphiteTarget(q, g.counts, values{check: true})
	return err
}

// Range implements Source.
func (g *graphite) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(g.render).all(ctx, queries, from, to, step)
}

// render asks for a window. Graphite leaves out from itself and gives the interval in which until lies.
func (g *graphite) render(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	target, err := graphiteTarget(q, g.counts, q.with(step))
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	form := url.Values{"target": {target}, "format": {"json"}, "noCache": {"true"},
		"from": {strconv.FormatInt(w.from/1000-int64(graphiteBack.Seconds()), 10)}, "until": {strconv.FormatInt((w.to+999)/1000, 10)}}
	var reply []graphiteSeries
	err = askJSON(ctx, g.client, httpx.Request{Method: http.MethodPost, Path: "/render", Body: []byte(form.Encode()), Repeatable: true,
		ContentType: "application/x-www-form-urlencoded", Header: http.Header{"Accept": {"application/json"}}}, &reply)
	if err != nil {
		return err
	}
	acc.deltas = g.counts && q.Kind == Counter
	return gatherGraphite(q, reply, time.Now(), acc)
}

// graphiteSeries is one series of a reply.
type graphiteSeries struct {
	Target string          `json:"target"`
	Tags   map[string]any  `json:"tags"`
	Points []graphitePoint `json:"datapoints"`
}

// graphitePoint is [value, seconds]; a value that is null is no data, and never 0.
type graphitePoint struct {
	seconds int64
	v       float64
	ok      bool
}

// UnmarshalJSON checks the shape. graphite-web writes an infinite value as 1e9999.
func (p *graphitePoint) UnmarshalJSON(b []byte) error {
	var pair []json.Number
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return errors.New("a datapoint is not [value, time]")
	}
	var err error
	if p.seconds, err = pair[1].Int64(); err != nil || p.seconds < 0 || p.seconds > 1e11 {
		return errors.New("a datapoint's time is not in seconds")
	}
	if pair[0] == "" { // null
		return nil
	}
	p.ok = true
	if p.v, err = strconv.ParseFloat(string(pair[0]), 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("a datapoint's value is neither a number nor null")
	}
	return nil
}

// gatherGraphite takes the points of intervals that are over: what came in the one of now may change still.
func gatherGraphite(q Query, reply []graphiteSeries, now time.Time, acc *accumulator) error {
	names := map[string]bool{}
	for _, s := range reply {
		if names[s.Target] {
			return troublef(BadQuery, "two series of the reply are called %s: name them apart (aliasByNode), or add them up (sumSeries)", clean.Cut(s.Target, 200))
		}
		names[s.Target] = true
		if q.Kind == Expr && len(names) > 1 {
			return troublef(BadQuery, "got %d series, such as %s and %s, want one value: add them up (sumSeries)", len(reply), clean.Cut(reply[0].Target, 100), clean.Cut(s.Target, 100))
		}
		length := graphiteBack.Milliseconds()
		if len(s.Points) > 1 {
			length = max(1, s.Points[1].seconds-s.Points[0].seconds) * 1000
		}
		var out []sample
		for _, p := range s.Points {
			at := p.seconds * 1000
			if !p.ok || at+length > now.UnixMilli() || math.IsNaN(p.v) {
				continue
			}
			if acc.deltas {
				at += length - 1 // within the interval, at its end
			}
			out = append(out, sample{at, p.v})
		}
		if err := acc.add(s.labels(), out); err != nil {
			return err
		}
	}
	return nil
}

func (s graphiteSeries) labels() map[string]string {
	ls := map[string]string{"__name__": s.Target}
	for k, v := range s.Tags {
		if text, ok := v.(string); ok && k != "name" && k != "__name__" {
			ls[k] = text
		}
	}
	return ls
}
