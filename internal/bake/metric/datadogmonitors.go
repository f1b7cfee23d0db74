package metric

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// datadogMonitors says 1 while no monitor with some tags alerts that did not before the deploy, and 0 while one does.
type datadogMonitors struct {
	alarms
	*datadogAPI
}

var buildDatadogMonitors = built(DatadogAccount{}, newDatadogMonitors)

func newDatadogMonitors(o DatadogAccount) (*datadogMonitors, error) {
	api, err := o.connect()
	if err != nil {
		return nil, err
	}
	return &datadogMonitors{datadogAPI: api}, nil
}

// Traits implements Source.
func (d *datadogMonitors) Traits() Traits { return Traits{Boolean: true} }

// Check implements Source.
func (d *datadogMonitors) Check(q Query) error {
	if err := q.only("monitors alert or do not: write boolean", Gauge); err != nil {
		return err
	}
	_, err := monitorTags(q.Text, values{check: true})
	return err
}

// monitorTags reads the tags of the monitors that are meant. A variable becomes what Datadog makes of a tag's value.
func monitorTags(text string, v values) ([]string, error) {
	var tags []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		for _, p := range pieces(word) {
			if !p.variable && strings.ContainsFunc(p.text, func(r rune) bool { return !tagRune(r) }) {
				return nil, fmt.Errorf("%s is no tag, want tags of the monitors as in service:$service env:$environment", clean.Cut(word, 100))
			}
		}
		tag, err := v.through(word, func(_, value string) (string, error) { return tagValue(value), nil })
		if err != nil {
			return nil, err
		}
		tags = append(tags, strings.ToLower(tag))
	}
	if len(tags) == 0 || len(tags) > maxMonitorTags {
		return nil, fmt.Errorf("%d tags, want 1 to %d of the monitors, as in service:$service env:$environment", len(tags), maxMonitorTags)
	}
	return tags, nil
}

const (
	maxMonitorTags = 20
	maxMonitors    = 1000 // with the tags of one query
)

// monitor is one monitor of the API.
// https://docs.datadoghq.com/api/latest/monitors/get-all-monitors/
type monitor struct {
	ID      int64    `json:"id"`
	Name    string   `json:"name"`
	Query   string   `json:"query"`
	Tags    []string `json:"tags"`
	Overall string   `json:"overall_state"`
	Draft   string   `json:"draft_status"`
	Options struct {
		Silenced map[string]*int64 `json:"silenced"` // until when, by scope
	} `json:"options"`
	Downtimes []struct {
		Scope []string `json:"scope"`
	} `json:"matching_downtimes"`
	State struct {
		Groups map[string]struct {
			Status    string `json:"status"`
			Triggered int64  `json:"last_triggered_ts"` // seconds
		} `json:"groups"`
	} `json:"state"`
}

// Range implements Source.
func (d *datadogMonitors) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return d.watch(ctx, queries, from, to, step, func(ctx context.Context, q Query) (sighting, error) {
		tags, err := monitorTags(q.Text, q.with(step))
		if err != nil {
			return sighting{}, troublef(BadQuery, "%w", err)
		}
		return d.look(ctx, tags)
	})
}

// look asks for the monitors that have all of the tags. One that is muted, a draft, or without data says nothing; where nothing else is there,
// nobody looks.
func (d *datadogMonitors) look(ctx context.Context, tags []string) (sighting, error) {
	form := url.Values{"monitor_tags": {strings.Join(tags, ",")}, "group_states": {"alert"}, "with_downtimes": {"true"}, "page": {"0"}, "page_size": {fmt.Sprint(maxMonitors)}}
	var all []monitor
	if err := d.json(ctx, httpx.Request{Path: "/api/v1/monitor", Query: form}, &all); err != nil {
		return sighting{}, err
	}
	if len(all) >= maxMonitors {
		return sighting{}, troublef(TooMany, "%d monitors and more have these tags: name more tags", maxMonitors)
	}
	seen := sighting{blind: true}
	for _, m := range all {
		if m.ID == 0 || m.Overall == "" {
			return sighting{}, troublef(BackendDown, "%s: a monitor of the reply has no id or no state: is that Datadog?", d.client.URL())
		}
		if !m.has(tags) || m.Draft == "draft" || m.muted([]string{"*"}) {
			continue
		}
		switch m.Overall {
		case "OK", "Warn":
			seen.blind = false
		case "Alert":
			firing, err := m.firing()
			if err != nil {
				return sighting{}, err
			}
			for i := range firing {
				firing[i].text = d.client.Redact(firing[i].text)
			}
			seen.blind, seen.firing = false, append(seen.firing, firing...)
		default: // No Data, Unknown, Skipped, Ignored
			seen.notes = append(seen.notes, d.client.Redact(fmt.Sprintf("monitor %s: %s", clean.Cut(m.Name, 120), clean.Cut(m.Overall, 40))))
		}
	}
	return seen, nil
}

// has reports whether the monitor has all of the tags: the filter of the API is looked at again.
func (m monitor) has(tags []string) bool {
	for _, want := range tags {
		if !slices.ContainsFunc(m.Tags, func(t string) bool { return strings.EqualFold(t, want) }) {
			return false
		}
	}
	return true
}

// firing are the groups that alert and that nobody muted, since they were triggered.
func (m monitor) firing() ([]alarm, error) {
	var out []alarm
	known := false
	for _, name := range slices.Sorted(maps.Keys(m.State.Groups)) {
		g := m.State.Groups[name]
		if g.Status != "Alert" || g.Triggered <= 0 {
			continue
		}
		known = true
		if m.muted(strings.Split(name, ",")) {
			continue
		}
		text := "monitor " + clean.Cut(m.Name, 150)
		if name != "*" && name != "" {
			text += " {" + clean.Cut(name, 100) + "}"
		}
		out = append(out, alarm{fmt.Sprintf("%d/%s", m.ID, name), text, time.Unix(g.Triggered, 0)})
	}
	if !known {
		return nil, troublef(Truncated, "monitor %s alerts, and the reply does not say since when", clean.Cut(m.Name, 150))
	}
	return out, nil
}

// muted reports whether a downtime is for a group, or for all: each tag of its scope is one of the group's, or one that the monitor's query
// selects by.
func (m monitor) muted(group []string) bool {
	covers := func(scope []string) bool {
		for _, tag := range scope {
			tag = strings.TrimSpace(tag)
			if tag != "*" && !slices.Contains(group, tag) && !selectsBy(m.Query, tag) {
				return false
			}
		}
		return len(scope) > 0
	}
	for scope, until := range m.Options.Silenced {
		if (until == nil || time.Unix(*until, 0).After(time.Now())) && covers(strings.Split(scope, ",")) {
			return true
		}
	}
	for _, d := range m.Downtimes {
		if covers(d.Scope) {
			return true
		}
	}
	return false
}

// selectsBy reports whether a tag stands alone in the braces of a monitor's query: whatever it looks at has it.
func selectsBy(query, tag string) bool {
	_, in, ok := strings.Cut(query, "{")
	in, _, closed := strings.Cut(in, "}")
	return ok && closed && slices.ContainsFunc(strings.Split(in, ","), func(t string) bool { return strings.TrimSpace(t) == tag })
}
