package bake

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// zoned is what Prometheus scraped of one zone: 0.1% of its requests fail, and from the deploy on another share.
func zoned(app, zone string, deploy time.Time, rate, later float64) (out []realtest.History) {
	const before, after = -4 * time.Hour, 30 * time.Minute
	for code, shares := range map[string][2]float64{"200": {0.999, 1 - later}, "500": {0.001, later}} {
		h := realtest.History{Name: "http_requests_total", Labels: map[string]string{"app": app, "zone": zone, "pod": zone + "-1", "code": code}, From: deploy.Add(before), Every: 15 * time.Second}
		for d := before; d < after; d += h.Every {
			early, late := min(d, 0)-before, max(d, 0)
			h.Values = append(h.Values, math.Floor(rate*(shares[0]*early.Seconds()+shares[1]*late.Seconds())))
		}
		out = append(out, h)
	}
	return out
}

// Of three zones on a real Prometheus one fails 8% of its few requests: the whole looks as it did, and the zone is found and named.
func TestGroupsOnRealPrometheus(t *testing.T) {
	deploy := time.Now().Add(-5 * time.Hour).Truncate(15 * time.Second)
	var history []realtest.History
	for app, later := range map[string]float64{"sound": 0.001, "hurt": 0.08} {
		history = append(history, zoned(app, "eu-west-1a", deploy, 100, 0.001)...)
		history = append(history, zoned(app, "eu-west-1b", deploy, 1, later)...)
		history = append(history, zoned(app, "eu-west-1c", deploy, 80, 0.001)...)
	}
	src := realSource(t, realtest.Prometheus(t, 15*time.Second, history).URL)
	tests := []struct {
		app, by string
		worst   verdict.Outcome
		says    string
	}{
		{"sound", "zone", verdict.Note, "harm is excluded in eu-west-1a, eu-west-1b, eu-west-1c"},
		{"hurt", "", verdict.Pass, "pass bake/errors"},
		{"hurt", "zone", verdict.Fail, "fail bake/errors in zone eu-west-1b (errors): errors in zone eu-west-1b "},
		{"hurt", "region", verdict.Unknown, "they have app, code, pod, zone"},
	}
	for _, tt := range tests {
		t.Run(tt.app+" by "+tt.by, func(t *testing.T) {
			m := Metric{Name: "errors", Bad: `http_requests_total{app="$service",code=~"5.."}`, Total: `http_requests_total{app="$service"}`, Compare: "before", By: tt.by}
			o := Options{Metrics: []Metric{m}, Sources: map[string]Spec{"prom": {Source: src}}, Baseline: Baseline{Window: 3 * time.Hour}}.WithDefaults()
			r := Run(t.Context(), Plan{Options: o, Sources: o.sources(), Vars: map[string]string{"service": tt.app}, Deploy: release.Deploy{Started: deploy.Add(-time.Minute), Finished: deploy}})
			text := told(r.Findings)
			if worst := verdict.Worst(r.Findings); worst != tt.worst && !(tt.worst == verdict.Note && worst == verdict.Pass) || !strings.Contains(text, tt.says) {
				t.Errorf("got\n%s\nwant %s, with %q", text, tt.worst, tt.says)
			}
		})
	}
}
