package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// GrafanaOptions is the block of a data source behind Grafana: whatever it can query itself, asked with a service account's token.
type GrafanaOptions struct {
	httpx.Remote
	Token      httpx.Secret `yaml:"token"`      // of a service account
	Datasource string       `yaml:"datasource"` // its uid
	// Type is what the data source is: prometheus (default), loki, or any other, whose queries are JSON.
	Type string `yaml:"type"`
	Org  int64  `yaml:"org"` // default: the token's
	// Counts says that counters are counts of each interval, and not running totals.
	Counts bool `yaml:"counts"`
}

var grafanaName = lazyregexp.New(`^[A-Za-z0-9_-]{1,100}$`)

type grafana struct {
	client  *httpx.Client
	options GrafanaOptions
}

var buildGrafana = built(GrafanaOptions{Type: "prometheus"}, newGrafana)

func newGrafana(o GrafanaOptions) (*grafana, error) {
	switch {
	case !grafanaName.MatchString(o.Datasource):
		return nil, fmt.Errorf("datasource %q, want its uid, which stands in the address of its page", clean.Cut(o.Datasource, 60))
	case !grafanaName.MatchString(o.Type):
		return nil, fmt.Errorf("type %q, want the data source's, such as prometheus, loki or influxdb", clean.Cut(o.Type, 60))
	}
	c, err := grafanaClient(o.Remote, o.Token, o.Org)
	if err != nil {
		return nil, err
	}
	return &grafana{c, o}, nil
}

// grafanaClient is how every source of Grafana's is reached.
func grafanaClient(r httpx.Remote, token httpx.Secret, org int64) (*httpx.Client, error) {
	options := []httpx.Option{httpx.WithBearer(token)}
	switch {
	case org < 0:
		return nil, fmt.Errorf("org %d, want the organisation's number", org)
	case org > 0:
		options = append(options, httpx.WithHeader("X-Grafana-Org-Id", httpx.NewSecret(strconv.FormatInt(org, 10))))
	}
	return newAPI(r, options...)
}

// Traits implements Source.
func (g *grafana) Traits() Traits { return Traits{History: true, Labels: true} }

// Check implements Source.
func (g *grafana) Check(q Query) error {
	rule := "a data source behind Grafana gives values: write a quantile as a gauge, or the slow and all requests (bad, total)"
	err := q.only(rule, Counter, Gauge, Expr)
	if err == nil && q.Kind == Counter && !g.options.Counts && g.options.Type != "prometheus" {
		err = fmt.Errorf("a counter of %s: want counts: true in the source, and a query that gives the counts of each interval", g.options.Type)
	}
	if err == nil {
		_, err = g.model(q, values{check: true}, 30*time.Second)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	return nil
}

// model is the query in the data source's own terms, the variables put in.
func (g *grafana) model(q Query, v values, step time.Duration) (map[string]any, error) {
	switch {
	case strings.HasPrefix(strings.TrimSpace(q.Text), "{") && json.Valid([]byte(q.Text)):
		return grafanaJSON(q.Text, v)
	case g.options.Type == "prometheus":
		if g.options.Counts && q.Kind == Counter {
			q.Kind = Expr // increase(...) and the like
		}
		expr, err := compilePromQL(q, durations{step: step, rate: 4 * step}, v)
		if err != nil {
			return nil, err
		}
		return map[string]any{"expr": expr.String(), "range": true, "instant": false}, nil
	case g.options.Type == "loki":
		expr, err := fillLoki(q.Text, v)
		return map[string]any{"expr": expr, "queryType": "range"}, err
	}
	return nil, fmt.Errorf("want a query of %s as JSON, as the query inspector of Grafana shows it", g.options.Type)
}

// grafanaJSON puts the variables into the texts of a query. Each of them becomes a part of a text of JSON; what could end a string in the
// language of the data source, which is not known here, is refused.
func grafanaJSON(text string, v values) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var model map[string]any
	if err := d.Decode(&model); err != nil {
		return nil, fmt.Errorf("the query is no JSON object: %w", err)
	}
	for _, ours := range []string{"refId", "datasource", "intervalMs", "maxDataPoints"} {
		if _, ok := model[ours]; ok {
			return nil, fmt.Errorf("%s is set by bakegate, leave it out", ours)
		}
	}
	filled, err := fillTexts(model, v)
	if err != nil {
		return nil, err
	}
	return filled.(map[string]any), nil
}

func fillTexts(in any, v values) (out any, err error) {
	switch x := in.(type) {
	case string:
		return v.through(x, grafanaPart)
	case []any:
		for i := range x {
			if x[i], err = fillTexts(x[i], v); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], err = fillTexts(x[k], v); err != nil {
				return nil, err
			}
		}
	}
	return in, nil
}

// grafanaPart is a value in a language that is not known: a word of letters, digits and what no language gives a meaning within one.
func grafanaPart(name, value string) (string, error) {
	for i, r := range value {
		word := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !word && (i == 0 || !strings.ContainsRune("_-.", r)) || strings.HasPrefix(value[i:], "--") {
			return "", fmt.Errorf("$%s is %q: want letters, digits and _-. in a query whose language is not known", name, clean.Cut(value, 60))
		}
	}
	return value, nil
}

// fillLoki puts the variables into the strings of LogQL.
func fillLoki(text string, v values) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", errors.New("the query is empty")
	}
	return fillQuoted(text, v)
}

// Range implements Source.
func (g *grafana) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(g.read).all(ctx, queries, from, to, step)
}

// grafanaPoints is how many points one answer may have: Prometheus and Loki refuse more than 11000.
const grafanaPoints = 10000

// read asks for a window in whole intervals, so that two calls are evaluated at the same times.
func (g *grafana) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	model, err := g.model(q, q.with(step), max(step, time.Second))
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	length := bucketLength(0, step)
	model["refId"], model["intervalMs"], model["maxDataPoints"] = "A", length, grafanaPoints+1
	model["datasource"] = map[string]any{"uid": g.options.Datasource, "type": g.options.Type}
	if g.options.Type == "prometheus" || g.options.Type == "loki" {
		model["interval"], model["step"] = promDuration(time.Duration(length)*time.Millisecond), promDuration(time.Duration(length)*time.Millisecond)
	}
	acc.deltas = q.Kind == Counter && g.options.Counts
	now := time.Now().UnixMilli()
	if g.options.Type != "prometheus" && g.options.Type != "loki" {
		now -= length // a row stands at the beginning of its interval, which fills still
	}
	for from := w.from / length * length; from < w.to; from += grafanaPoints * length {
		to := min(from+grafanaPoints*length-1, (w.to+length-1)/length*length, now)
		if to < from {
			return nil
		}
		frames, err := g.ask(ctx, model, from, to)
		if err != nil {
			return err
		}
		if err := gatherFrames(q, frames, now, acc); err != nil {
			return err
		}
	}
	return nil
}

func (g *grafana) ask(ctx context.Context, model map[string]any, from, to int64) ([]grafanaFrame, error) {
	body, err := json.Marshal(map[string]any{"queries": []any{model}, "from": strconv.FormatInt(from, 10), "to": strconv.FormatInt(to, 10)})
	if err != nil {
		return nil, err
	}
	var reply grafanaReply
	err = askJSON(ctx, g.client, httpx.Request{Method: http.MethodPost, Path: "/api/ds/query", Body: body, Repeatable: true, Header: http.Header{"Accept": {"application/json"}}}, &reply)
	if err != nil {
		return nil, err
	}
	where := "POST " + g.client.URL() + "/api/ds/query"
	result, ok := reply.Results["A"]
	if !ok || result == nil {
		return nil, troublef(BackendDown, "%s: got no result A, want one of the query", where)
	}
	return result.Frames, result.failed(where, g.client.Redact)
}
