package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// WebOptions is the block of any endpoint that answers with JSON. A query is a path with its parameters, and may bring an expression
// of its own: /stats?of=$service -> reply.errors
type WebOptions struct {
	httpx.Remote
	Token      httpx.Secret        `yaml:"token"` // bearer
	Username   string              `yaml:"username"`
	Password   httpx.Secret        `yaml:"password"`
	Method     string              `yaml:"method"`     // GET (default) or POST
	Parameters map[string]Template `yaml:"parameters"` // added to every request
	Body       Template            `yaml:"body"`       // JSON, of a POST; variables stand in its texts
	Value      string              `yaml:"value"`      // CEL over reply: a number, or null for no data
	Times      string              `yaml:"times"`      // what $from and $to are: unix (default), unix-ms or rfc3339
}

type web struct {
	client  *httpx.Client
	options WebOptions
	body    any // decoded, a template in its texts
	history bool
	memory  memory

	mu       sync.Mutex
	programs map[string]cel.Program // by their text
}

var buildWeb = built(WebOptions{Method: http.MethodGet, Times: "unix"}, newWeb)

func newWeb(o WebOptions) (*web, error) {
	w := &web{options: o, programs: map[string]cel.Program{}}
	if err := w.checkOptions(); err != nil {
		return nil, err
	}
	var err error
	w.client, err = login{o.Token, o.Username, o.Password}.client(o.Remote)
	return w, err
}

func (w *web) checkOptions() error {
	o := w.options
	switch {
	case o.Method != http.MethodGet && o.Method != http.MethodPost:
		return fmt.Errorf("method %q, want GET or POST", clean.Cut(o.Method, 20))
	case o.Body != "" && o.Method != http.MethodPost:
		return errors.New("body is given, want method: POST")
	case !slices.Contains([]string{"unix", "unix-ms", "rfc3339"}, o.Times):
		return fmt.Errorf("times %q, want unix, unix-ms or rfc3339", clean.Cut(o.Times, 20))
	}
	if o.Body != "" {
		if err := json.Unmarshal([]byte(o.Body), &w.body); err != nil {
			return fmt.Errorf("body is no JSON: %w (a variable stands in a text: \"$service\")", err)
		}
	}
	if o.Value != "" {
		if _, err := w.program(o.Value); err != nil {
			return err
		}
	}
	texts := []string{string(o.Body)}
	for _, t := range o.Parameters {
		texts = append(texts, string(t))
	}
	from, to := slices.ContainsFunc(texts, uses("from")), slices.ContainsFunc(texts, uses("to"))
	if from != to {
		return errors.New("of $from and $to one is used, want both or none: they are the window that is asked for")
	}
	w.history = from
	_, err := w.request(webQuery{path: "/"}, webValues{values: values{check: true}, window: true})
	return err
}

// uses reports whether a template uses a variable.
func uses(name string) func(string) bool {
	return func(text string) bool {
		return slices.ContainsFunc(pieces(text), func(p piece) bool { return p.variable && p.text == name })
	}
}

// Traits implements Source.
func (w *web) Traits() Traits { return Traits{History: w.history} }

// Apart implements Apart.
func (w *web) Apart() Source { return apart(w.options, newWeb) }

// Check implements Source.
func (w *web) Check(q Query) error {
	if err := q.only("an endpoint gives one number: write bad and total, a gauge, a boolean or an expr", Counter, Gauge, Expr); err != nil {
		return err
	}
	parsed, _, err := w.compile(q)
	if err == nil {
		_, err = w.request(parsed, webValues{values: values{check: true}, window: w.history})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	return nil
}

// Range implements Source.
func (w *web) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	if w.history {
		return ranges(w.past).all(ctx, queries, from, to, step)
	}
	return w.memory.Range(ctx, queries, from, to, step, func(ctx context.Context, q Query) ([]sample, error) {
		v, err := w.ask(ctx, q, webValues{values: q.with(step)})
		if err != nil {
			return nil, err
		}
		n, ok, err := celNumber(v)
		if err != nil || !ok {
			return nil, badQuery(err)
		}
		return moment(n), nil
	})
}

// badQuery is the trouble of an error that has none of its own.
func badQuery(err error) error {
	var t *trouble
	if err == nil || errors.As(err, &t) {
		return err
	}
	return troublef(BadQuery, "%w", err)
}

// past asks for a window: its points are the endpoint's, with their own times.
func (w *web) past(ctx context.Context, q Query, win window, step time.Duration, acc *accumulator) error {
	v, err := w.ask(ctx, q, webValues{values: q.with(step), window: true, from: win.from, to: win.to, times: w.options.Times})
	if err != nil {
		return err
	}
	points, err := celPoints(v)
	if err != nil {
		return badQuery(err)
	}
	slices.SortStableFunc(points, func(a, b sample) int { return int(a.ms - b.ms) })
	return acc.add(nil, points)
}

func (w *web) ask(ctx context.Context, q Query, v webValues) (ref.Val, error) {
	parsed, program, err := w.compile(q)
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	req, err := w.request(parsed, v)
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	var reply any
	if err := askJSON(ctx, w.client, req, &reply); err != nil {
		return nil, err
	}
	return evalValue(ctx, program, reply, q.Vars)
}

// compile splits a query at its arrow and reads the expression.
func (w *web) compile(q Query) (webQuery, cel.Program, error) {
	target, value, own := strings.Cut(q.Text, "->")
	if !own {
		value = w.options.Value
	}
	if strings.TrimSpace(value) == "" {
		return webQuery{}, nil, errors.New("there is no expression over the reply: give value in the source, or write PATH -> reply.errors")
	}
	parsed, err := parseWebQuery(strings.TrimSpace(target))
	if err != nil {
		return parsed, nil, err
	}
	p, err := w.program(value)
	return parsed, p, err
}

func (w *web) program(text string) (cel.Program, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.programs[text]; p != nil {
		return p, nil
	}
	p, err := compileValue(text)
	if err == nil {
		w.programs[text] = p
	}
	return p, err
}

// request puts the variables in, each escaped for its place.
func (w *web) request(q webQuery, v webValues) (httpx.Request, error) {
	r := httpx.Request{Method: w.options.Method, Query: url.Values{}, Repeatable: true, Header: http.Header{"Accept": {"application/json"}}}
	var err error
	if r.Path, err = q.fillPath(v); err != nil {
		return r, err
	}
	for name, templates := range q.params {
		for _, t := range templates {
			if err := v.addParameter(r.Query, name, t); err != nil {
				return r, err
			}
		}
	}
	for name, t := range w.options.Parameters {
		if r.Query.Has(name) {
			return r, fmt.Errorf("parameter %s is given twice: by the query and by the source", clean.Cut(name, 60))
		}
		if err := v.addParameter(r.Query, name, string(t)); err != nil {
			return r, err
		}
	}
	if w.body != nil {
		filled, err := v.fillJSON(w.body)
		if err != nil {
			return r, fmt.Errorf("body: %w", err)
		}
		if r.Body, err = json.Marshal(filled); err != nil {
			return r, fmt.Errorf("body: %w", err)
		}
	}
	return r, nil
}
