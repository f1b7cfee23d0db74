package sink

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// maxListed bounds how many markers are asked for in one reply: Grafana gives 100 where nothing is said, Datadog 1,000 at most.
const maxListed = 1000

// tagged reads what bakegate wrote into the tags of a marker.
func tagged(tags []string) Marker {
	var m Marker
	for _, t := range tags {
		key, value, _ := strings.Cut(clean.Cut(t, 200), ":")
		switch key {
		case "deploy-id":
			m.DeployID = value
		case "version":
			m.Version = value
		case "verdict":
			m.Verdict = value
		}
	}
	return m
}

// List implements Lister: the annotations that carry the tags of this service and environment.
func (g *grafana) List(ctx context.Context, of Marker, from, to time.Time) ([]Marker, error) {
	q := url.Values{"type": {"annotation"}, "limit": {strconv.Itoa(maxListed)}, "from": {strconv.FormatInt(from.UnixMilli(), 10)}, "to": {strconv.FormatInt(to.UnixMilli(), 10)}}
	q["tags"] = append(tags([]pair{{"service", of.Service}, {"environment", of.Environment}}, nil, grafanaTag), "deploy")
	resp, err := g.api.Do(ctx, httpx.Request{Path: "/api/annotations", Query: q})
	if err != nil {
		return nil, hintGrafana(err)
	}
	var all []annotation
	if err := httpx.DecodeJSON(resp, &all); err != nil {
		return nil, err
	}
	if len(all) >= maxListed {
		return nil, fmt.Errorf("there are %d annotations or more of this service in that time in Grafana, perhaps others: ask for fewer days", maxListed)
	}
	var out []Marker
	for _, a := range all {
		m := tagged(a.Tags)
		m.Started = time.UnixMilli(a.Time).UTC()
		if m.Started.Before(from) || !m.Started.Before(to) {
			continue // a region that only reaches into the time
		}
		out = append(out, m)
	}
	return sorted(out), nil
}

// datadogPast is an event as GET /api/v1/events gives it.
type datadogPast struct {
	DateHappened int64    `json:"date_happened"` // seconds
	Tags         []string `json:"tags"`
}

// List implements Lister: an event at the start and one at the end of each deploy, told apart by the verdict.
func (d *datadog) List(ctx context.Context, of Marker, from, to time.Time) ([]Marker, error) {
	if d.options.AppKey.IsZero() { // it is sent with every request where it is there
		return nil, errors.New("reading events needs an application key beside the API key: give app-key, as ${NAME}")
	}
	q := url.Values{"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix(), 10)}, "unaggregated": {"true"},
		"tags": {strings.Join(append(tags([]pair{{"service", of.Service}, {"env", of.Environment}}, nil, datadogTag), "source:bakegate"), ",")}}
	var events []datadogPast
	for page := range 10 {
		q.Set("page", strconv.Itoa(page))
		resp, err := d.api.Do(ctx, httpx.Request{Path: "/api/v1/events", Query: q})
		if err != nil {
			return nil, d.hint(err)
		}
		var reply struct {
			Events []datadogPast `json:"events"`
		}
		if err := httpx.DecodeJSON(resp, &reply); err != nil {
			return nil, err
		}
		events = append(events, reply.Events...)
		if len(reply.Events) < maxListed {
			return pairedEvents(events), nil
		}
	}
	return nil, fmt.Errorf("there are more than %d events of this service in that time in Datadog: ask for fewer days", 10*maxListed)
}

// pairedEvents puts the two events of each deploy together. What has an end alone started before the time that was asked for.
func pairedEvents(events []datadogPast) []Marker {
	verdicts := map[string]string{}
	for _, e := range events {
		if m := tagged(e.Tags); m.Verdict != "" {
			verdicts[m.DeployID] = m.Verdict
		}
	}
	var out []Marker
	seen := map[string]bool{}
	for _, e := range events {
		m := tagged(e.Tags)
		if m.Verdict != "" || m.DeployID == "" || seen[m.DeployID] {
			continue
		}
		seen[m.DeployID] = true
		m.Started, m.Verdict = time.Unix(e.DateHappened, 0).UTC(), verdicts[m.DeployID]
		out = append(out, m)
	}
	return sorted(out)
}

func sorted(ms []Marker) []Marker {
	slices.SortStableFunc(ms, func(a, b Marker) int { return a.Started.Compare(b.Started) })
	return ms
}
