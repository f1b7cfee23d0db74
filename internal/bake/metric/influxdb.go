package metric

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// InfluxDBOptions is the block of an InfluxDB: with database it is asked in InfluxQL (1.x, and the later ones' API for it), with org in
// Flux (2.x).
type InfluxDBOptions struct {
	httpx.Remote
	Database        string       `yaml:"database"`
	RetentionPolicy string       `yaml:"retention-policy"`
	Org             string       `yaml:"org"`
	Token           httpx.Secret `yaml:"token"` // Authorization: Token ...
	Username        string       `yaml:"username"`
	Password        httpx.Secret `yaml:"password"`
	// Counts says that counters are counts since the point before, as Telegraf's statsd writes them, and not running totals.
	Counts bool `yaml:"counts"`
}

type influxDB struct {
	client  *httpx.Client
	options InfluxDBOptions
}

var buildInfluxDB = built(InfluxDBOptions{}, newInfluxDB)

func newInfluxDB(o InfluxDBOptions) (*influxDB, error) {
	switch {
	case (o.Database == "") == (o.Org == ""):
		return nil, errors.New("want database (InfluxQL, 1.x) or org (Flux, 2.x), and only one of them")
	case o.RetentionPolicy != "" && o.Org != "":
		return nil, errors.New("retention-policy belongs to database, and this is org")
	}
	auth, err := login{o.Token, o.Username, o.Password}.options()
	if err != nil {
		return nil, err
	}
	if !o.Token.IsZero() {
		auth = []httpx.Option{httpx.WithHeader("Authorization", httpx.NewSecret("Token "+strings.TrimSpace(o.Token.Reveal()))), httpx.WithSecret(o.Token)}
	}
	c, err := newAPI(o.Remote, auth...)
	if err != nil {
		return nil, err
	}
	return &influxDB{c, o}, nil
}

// Traits implements Source.
func (i *influxDB) Traits() Traits { return Traits{History: true, Labels: true} }

// Check implements Source.
func (i *influxDB) Check(q Query) error {
	if err := q.only("InfluxDB has no histograms of its own: name the slow and all requests (bad, total), or a quantile (gauge)", Counter, Gauge, Expr); err != nil {
		return err
	}
	_, err := i.compile(q, values{check: true}, 30*time.Second, window{})
	return err
}

func (i *influxDB) compile(q Query, v values, step time.Duration, w window) (string, error) {
	if i.options.Org != "" {
		return compileFlux(q, v, step, w)
	}
	return compileInfluxQL(q, v, step, w)
}

// Range implements Source.
func (i *influxDB) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(i.read).all(ctx, queries, from, to, step)
}

func (i *influxDB) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	text, err := i.compile(q, q.with(step), step, w)
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	acc.deltas = i.options.Counts && q.Kind == Counter
	if i.options.Org != "" {
		err = i.readFlux(ctx, text, acc)
	} else {
		err = i.readQL(ctx, text, acc)
	}
	if err == nil && q.Kind == Expr && len(acc.order) > 1 {
		return troublef(BadQuery, "got %d series, such as %s and %s, want one value", len(acc.order), labelText(acc.order[0].out), labelText(acc.order[1].out))
	}
	return err
}

// influxReply is the reply to one statement of InfluxQL.
type influxReply struct {
	Error   string `json:"error"`
	Results []struct {
		Error   string         `json:"error"`
		Partial bool           `json:"partial"`
		Series  []influxSeries `json:"series"`
	} `json:"results"`
}

type influxSeries struct {
	Name    string              `json:"name"`
	Tags    map[string]string   `json:"tags"`
	Columns []string            `json:"columns"`
	Values  [][]json.RawMessage `json:"values"`
	Partial bool                `json:"partial"`
}

// readQL asks by GET, by which InfluxDB lets nothing be written.
func (i *influxDB) readQL(ctx context.Context, text string, acc *accumulator) error {
	form := url.Values{"db": {i.options.Database}, "q": {text}, "epoch": {"ms"}}
	if i.options.RetentionPolicy != "" {
		form.Set("rp", i.options.RetentionPolicy)
	}
	var reply influxReply
	if err := askJSON(ctx, i.client, httpx.Request{Path: "/query", Query: form, Header: http.Header{"Accept": {"application/json"}}}, &reply); err != nil {
		return err
	}
	if reply.Error != "" {
		return i.said(reply.Error)
	}
	for _, r := range reply.Results {
		if r.Error != "" {
			return i.said(r.Error)
		}
		for _, s := range r.Series {
			if r.Partial || s.Partial {
				return troublef(Truncated, "%s/query: the reply is partial: the server gives at most max-row-limit points", i.client.URL())
			}
			if err := s.into(acc); err != nil {
				return badQuery(err)
			}
		}
	}
	return nil
}

// said classifies an error that stands in a reply with 200.
func (i *influxDB) said(text string) error {
	text = clean.Cut(i.client.Redact(text), 300)
	switch {
	case limitMessage.MatchString(text):
		return troublef(TooMany, "%s: %s: narrow the query or shorten the window", i.client.URL(), text)
	case strings.Contains(text, "timeout") || strings.Contains(text, "shutdown"):
		return troublef(BackendDown, "%s: %s", i.client.URL(), text)
	case strings.Contains(text, "authoriz") || strings.Contains(text, "authenticat"):
		return troublef(Unauthorized, "%s: %s: check what the user or the token may read", i.client.URL(), text)
	}
	return troublef(BadQuery, "%s: %s", i.client.URL(), text)
}

// into gives the points of each field; null is no data, and never 0.
func (s influxSeries) into(acc *accumulator) error {
	at := slices.Index(s.Columns, "time")
	if at < 0 {
		return errors.New("the reply has no column time")
	}
	for c, field := range s.Columns {
		if c == at {
			continue
		}
		ls := map[string]string{"__name__": s.Name, "_field": field}
		for k, v := range s.Tags {
			if v != "" {
				ls[k] = v
			}
		}
		var out []sample
		for _, row := range s.Values {
			if len(row) != len(s.Columns) {
				return errors.New("a row of the reply has another number of columns than the header")
			}
			p, ok, err := influxPoint(row[at], row[c])
			if err != nil {
				return err
			}
			if ok {
				out = append(out, p)
			}
		}
		slices.SortStableFunc(out, func(a, b sample) int { return int(a.ms - b.ms) }) // ORDER BY time DESC
		if err := acc.add(ls, out); err != nil {
			return err
		}
	}
	return nil
}

func influxPoint(at, value json.RawMessage) (p sample, ok bool, err error) {
	if err := json.Unmarshal(at, &p.ms); err != nil {
		return p, false, errors.New("a time of the reply is not in milliseconds")
	}
	switch string(value) {
	case "null":
		return p, false, nil
	case "true":
		p.v = 1
		return p, true, nil
	case "false":
		return p, true, nil
	}
	if err := json.Unmarshal(value, &p.v); err != nil || math.IsNaN(p.v) {
		return p, false, errors.New("a value of the reply is no number: SELECT fields that are numbers, by their names")
	}
	return p, true, nil
}
