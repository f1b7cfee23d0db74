package metric

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// GrafanaAlertsOptions is the block of the alert rules that Grafana itself evaluates. A query is matchers, as of an Alertmanager.
type GrafanaAlertsOptions struct {
	httpx.Remote
	Token httpx.Secret `yaml:"token"` // of a service account
	Org   int64        `yaml:"org"`   // default: the token's
}

// grafanaAlerts says 1 while no alert rule fires that did not before the deploy, and 0 while one does.
type grafanaAlerts struct {
	matched
	client *httpx.Client
}

var buildGrafanaAlerts = built(GrafanaAlertsOptions{}, newGrafanaAlerts)

func newGrafanaAlerts(o GrafanaAlertsOptions) (*grafanaAlerts, error) {
	c, err := grafanaClient(o.Remote, o.Token, o.Org)
	if err != nil {
		return nil, err
	}
	g := &grafanaAlerts{client: c}
	g.look = g.matching
	return g, nil
}

// grafanaRules is the reply with all rules, in the form of Prometheus.
type grafanaRules struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   *struct {
		Groups []struct {
			Folder string        `json:"file"`
			Rules  []grafanaRule `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

type grafanaRule struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Health string            `json:"health"`
	Paused bool              `json:"isPaused"`
	Alerts []grafanaInstance `json:"alerts"`
}

// grafanaInstance is one of the things that a rule looks at.
type grafanaInstance struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	Since       time.Time         `json:"activeAt"`
}

// grafanaManager is where Grafana's own Alertmanager is.
const grafanaManager = "/api/alertmanager/grafana"

// matching asks for the rules that match. What is paused, in error or without data says nothing, whatever state it was given for that; where
// nothing else is there, nobody looks.
func (g *grafanaAlerts) matching(ctx context.Context, ms []*labels.Matcher) (sighting, error) {
	const path = "/api/prometheus/grafana/api/v1/rules"
	var reply grafanaRules
	if err := askJSON(ctx, g.client, httpx.Request{Path: path, Header: http.Header{"Accept": {"application/json"}}}, &reply); err != nil {
		return sighting{}, err
	}
	if reply.Status != "success" || reply.Data == nil {
		return sighting{}, troublef(BackendDown, "GET %s%s: status %q %s, want the rules", g.client.URL(), path, clean.Cut(reply.Status, 40), clean.Cut(g.client.Redact(reply.Error), 200))
	}
	seen := sighting{blind: true}
	for _, group := range reply.Data.Groups {
		for _, r := range group.Rules {
			if r.Type != "recording" && !r.Paused {
				if err := g.rule(r, group.Folder, ms, &seen); err != nil {
					return sighting{}, err
				}
			}
		}
	}
	if len(seen.firing) == 0 {
		return seen, nil
	}
	return seen, g.dropSilenced(ctx, &seen)
}

// rule looks at the instances of one rule.
func (g *grafanaAlerts) rule(r grafanaRule, folder string, ms []*labels.Matcher, seen *sighting) error {
	own := maps.Clone(r.Labels)
	if own == nil {
		own = map[string]string{}
	}
	own[model.AlertNameLabel], own["grafana_folder"] = r.Name, folder
	mine := matchesAll(ms, own)
	for _, x := range r.Alerts {
		if !mine && !matchesAll(ms, x.Labels) {
			continue
		}
		mine = true
		switch x.State {
		case "Normal", "Pending":
			seen.blind = false
		case "Alerting", "Recovering":
			if x.Labels == nil || x.Since.IsZero() {
				return troublef(BackendDown, "%s: rule %s fires, and the reply does not say what or since when", g.client.URL(), clean.Cut(r.Name, 100))
			}
			seen.blind = false
			seen.firing = append(seen.firing, alarm{publicKey(x.Labels), g.client.Redact(alertText(x.Labels, x.Annotations)), x.Since})
		}
	}
	if mine && r.Health != "ok" {
		seen.notes = append(seen.notes, g.client.Redact(fmt.Sprintf("rule %s: %s", clean.Cut(r.Name, 120), clean.Cut(r.Health, 40))))
	}
	return nil
}

// publicKey is the same for the same labels, those aside that Grafana keeps for itself.
func publicKey(ls map[string]string) string {
	ls = maps.Clone(ls)
	maps.DeleteFunc(ls, func(k, _ string) bool { return strings.HasPrefix(k, "__") })
	return seriesKey(ls)
}

// dropSilenced leaves out what somebody silenced, or what another alert inhibits.
func (g *grafanaAlerts) dropSilenced(ctx context.Context, seen *sighting) error {
	quiet, err := askAlerts(ctx, g.client, grafanaManager, url.Values{"active": {"false"}, "silenced": {"true"}, "inhibited": {"true"}, "unprocessed": {"false"}})
	if err != nil {
		return err
	}
	silent := map[string]bool{}
	for _, x := range quiet {
		if len(x.Status.SilencedBy)+len(x.Status.InhibitedBy) > 0 {
			silent[publicKey(x.Labels)] = true
		}
	}
	var out []alarm
	for _, x := range seen.firing {
		if !silent[x.key] {
			out = append(out, x)
		}
	}
	seen.firing = out
	return nil
}
