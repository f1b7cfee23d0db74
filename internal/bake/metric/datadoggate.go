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

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// datadogGate has Datadog evaluate a deployment gate, once a deploy: 1 where it passes, 0 where it fails, and no value until it has decided.
type datadogGate struct {
	*datadogAPI

	mu     sync.Mutex
	deploy time.Time // when it began; zero: not yet
	runs   map[string]*gateRun
}

// gateRun is one evaluation.
type gateRun struct {
	mu     sync.Mutex
	id     string
	begun  time.Time
	asked  time.Time
	done   bool
	value  float64
	notes  []string
	points []sample
}

const (
	gateEvery  = 10 * time.Second // Datadog recommends 10 to 20
	gatePoints = 50_000           // more than any window has
	gateEarly  = time.Minute      // in which the evaluation may not be found yet
	gatePath   = "/api/v2/deployments/gates/evaluation"
)

var buildDatadogGate = built(DatadogAccount{}, newDatadogGate)

func newDatadogGate(o DatadogAccount) (*datadogGate, error) {
	api, err := o.connect()
	if err != nil {
		return nil, err
	}
	return &datadogGate{datadogAPI: api, runs: map[string]*gateRun{}}, nil
}

// Traits implements Source.
func (d *datadogGate) Traits() Traits { return Traits{Boolean: true, FromDeploy: true} }

// Since implements Since: before the deploy nothing is evaluated.
func (d *datadogGate) Since(deploy time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deploy = deploy
}

// Check implements Source.
func (d *datadogGate) Check(q Query) error {
	if err := q.only("a gate passes or fails: write boolean", Gauge); err != nil {
		return err
	}
	_, err := gateAttributes(q.Text, values{check: true})
	return err
}

// gateKeys are what a gate's query may say, by the names that Datadog has for them.
var gateKeys = []string{"service", "env", "version", "identifier", "primary_tag"}

// gateAttributes reads what is evaluated: KEY:VALUE, one behind the other. A variable becomes a part of a value, whatever it holds.
func gateAttributes(text string, v values) (map[string]string, error) {
	attributes := map[string]string{}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, ":")
		if !slices.Contains(gateKeys, key) || value == "" || attributes[key] != "" {
			return nil, fmt.Errorf("%s: want each of %s at most once, as in service:$service env:$environment version:$version", clean.Cut(word, 100), strings.Join(gateKeys, ", "))
		}
		filled, err := v.fill(value)
		if err != nil {
			return nil, err
		}
		attributes[key] = filled
	}
	if attributes["service"] == "" || attributes["env"] == "" {
		return nil, errors.New("want service and env at least: service:$service env:$environment version:$version")
	}
	return attributes, nil
}

// Range implements Source. While the gate is evaluated there is no value; what it decides then holds for all of the time since its begin.
func (d *datadogGate) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return each(queries, func(q Query) ([]Series, error) {
		attributes, err := gateAttributes(q.Text, q.with(step))
		if err != nil {
			return nil, troublef(BadQuery, "%w", err)
		}
		run := d.run(q.key())
		if run == nil {
			return nil, nil // there is no deploy yet
		}
		run.mu.Lock()
		defer run.mu.Unlock()
		if time.Since(to) <= max(scrapeFresh, 2*step) { // what is over is answered from memory
			if err := d.advance(ctx, run, attributes); err != nil {
				return nil, err
			}
			run.extend(time.Now(), step)
		}
		acc := &accumulator{query: q.ID, from: ceilMilli(from), to: ceilMilli(to), notes: run.notes}
		if err := acc.add(nil, run.points); err != nil {
			return nil, err
		}
		return acc.finish(), nil
	})
}

// run is the evaluation of a query, nil before the deploy.
func (d *datadogGate) run(key string) *gateRun {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deploy.IsZero() {
		return nil
	}
	if d.runs[key] == nil {
		d.runs[key] = &gateRun{}
	}
	return d.runs[key]
}

// advance begins the evaluation, or looks how it stands. Its error says why there is no decision.
func (d *datadogGate) advance(ctx context.Context, run *gateRun, attributes map[string]string) error {
	switch {
	case run.done:
		return nil
	case run.id == "":
		if err := d.trigger(ctx, run, attributes); err != nil {
			return err
		}
	case time.Since(run.asked) < gateEvery:
		return run.undecided()
	}
	run.asked = time.Now()
	return d.result(ctx, run)
}

func (r *gateRun) undecided() error {
	return troublef(Undecided, "the evaluation %s is in progress since %s", clean.Cut(r.id, 60), r.begun.UTC().Format("15:04:05Z"))
}

// trigger begins an evaluation.
func (d *datadogGate) trigger(ctx context.Context, run *gateRun, attributes map[string]string) error {
	body, err := json.Marshal(map[string]any{"data": map[string]any{"type": "deployment_gates_evaluation_request", "attributes": attributes}})
	if err != nil {
		return err
	}
	begun := time.Now()
	var reply struct {
		Data struct {
			Attributes struct {
				ID string `json:"evaluation_id"`
			} `json:"attributes"`
		} `json:"data"`
	}
	err = d.json(ctx, httpx.Request{Method: http.MethodPost, Path: gatePath, Body: body, Repeatable: true}, &reply)
	var status *httpx.StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return troublef(BadQuery, "%w: is there a gate of that service, env and identifier?", status)
	}
	if err != nil {
		return err
	}
	if id := reply.Data.Attributes.ID; id == "" || len(id) > 100 {
		return troublef(BackendDown, "POST %s%s: got no evaluation_id, want that of an evaluation", d.client.URL(), gatePath)
	}
	run.id, run.begun = reply.Data.Attributes.ID, begun
	return nil
}

// gateResult is how an evaluation stands.
// https://docs.datadoghq.com/api/latest/deployment-gates/get-a-deployment-gate-evaluation-result/
type gateResult struct {
	Data struct {
		Attributes struct {
			DryRun bool   `json:"dry_run"`
			URL    string `json:"evaluation_url"`
			Status string `json:"gate_status"`
			Rules  []struct {
				DryRun bool   `json:"dry_run"`
				Name   string `json:"name"`
				Reason string `json:"reason"`
				Status string `json:"status"`
			} `json:"rules"`
		} `json:"attributes"`
	} `json:"data"`
}

// result looks how the evaluation stands. A gate in a dry run decides nothing, and is told.
func (d *datadogGate) result(ctx context.Context, run *gateRun) error {
	var reply gateResult
	err := d.json(ctx, httpx.Request{Path: gatePath + "/" + url.PathEscape(run.id)}, &reply)
	var status *httpx.StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound && time.Since(run.begun) < gateEarly {
		return run.undecided()
	}
	if err != nil {
		return err
	}
	got := reply.Data.Attributes
	switch got.Status {
	case "pass":
		run.done, run.value = true, 1
	case "fail":
		run.done, run.value = true, 0
		if got.DryRun {
			run.value = 1
			run.notes = addNote(run.notes, "the gate fails in a dry run, which decides nothing")
		}
	case "in_progress":
		return run.undecided()
	default:
		return troublef(BackendDown, "GET %s%s: gate_status %q, want pass, fail or in_progress", d.client.URL(), gatePath, clean.Cut(got.Status, 40))
	}
	for _, r := range got.Rules {
		if r.Status == "fail" {
			text := "rule " + clean.Cut(r.Name, 100) + " fails: " + clean.Cut(r.Reason, 150)
			if r.DryRun {
				text = "in a dry run, " + text
			}
			run.notes = addNote(run.notes, d.client.Redact(text))
		}
	}
	run.notes = addNote(run.notes, d.client.Redact(got.URL))
	return nil
}

// extend gives the decision for each step up to now: it is about all of the time since the evaluation began.
func (r *gateRun) extend(now time.Time, step time.Duration) {
	next := r.begun
	if n := len(r.points); n > 0 {
		next = time.UnixMilli(r.points[n-1].ms).Add(max(step, time.Second))
	}
	for ; r.done && !next.After(now) && len(r.points) < gatePoints; next = next.Add(max(step, time.Second)) {
		r.points = append(r.points, sample{ceilMilli(next), r.value})
	}
}
