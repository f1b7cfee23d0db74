package bake

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

// zone is a part of a service: so many requests a second, of which a share fails, and from a time on another share.
type zone struct {
	name       string
	rate       float64
	bad, later float64 // shares
	from, gone time.Duration
}

// zones is a service in several zones. What changes does so three minutes after the deploy.
func zones(now time.Time, zs ...zone) *backend {
	b := &backend{every: 15 * time.Second, answers: map[string][]process{}}
	wrong := now.Add(troubleAfter)
	for _, z := range zs {
		born, died := now.Add(-72*time.Hour), time.Time{}
		if z.from != 0 {
			born = now.Add(z.from)
		}
		if z.gone != 0 {
			died = now.Add(z.gone)
		}
		count := func(code string, perSec, later float64) process {
			value := func(age time.Duration) float64 {
				before := min(age, wrong.Sub(born))
				return float64(int(perSec*before.Seconds() + later*(age-before).Seconds()))
			}
			labels := map[string]string{"code": code, "pod": z.name + "-1"}
			if z.name != "" {
				labels["zone"] = z.name
			}
			return process{name: totalText, labels: labels, born: born, died: died, value: value}
		}
		ok, bad := count("200", z.rate*(1-z.bad), z.rate*(1-z.later)), count("500", z.rate*z.bad, z.rate*z.later)
		b.answers[totalText] = append(b.answers[totalText], ok, bad)
		b.answers[badText] = append(b.answers[badText], bad)
	}
	return b
}

func steady(name string, rate float64) zone {
	return zone{name: name, rate: rate, bad: 0.001, later: 0.001}
}

func worsening(name string, rate, to float64) zone {
	return zone{name: name, rate: rate, bad: 0.001, later: to}
}

var byZone = Metric{Name: "errors", From: "prom", Bad: badText, Total: totalText, Compare: "before", By: "zone"}

func groupsPlan(b *backend, ms ...Metric) Plan {
	p := plan(b, nil, ms...)
	p.newJudge, p.newDeploy = nil, nil
	return p
}

func told(fs []verdict.Finding) string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "%s %s (%s): %s", f.Outcome, f.Check, f.Reason, f.Summary)
		if f.External {
			b.WriteString(" [external]")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The worst group decides; what nothing is known of decides nothing by itself.
func TestGroups(t *testing.T) {
	a, c := steady("eu-west-1a", 100), steady("eu-west-1c", 100)
	whole := with(byZone, func(m *Metric) { m.By = "" })
	limited := with(byZone, func(m *Metric) { m.Limit = max1 })
	many := []zone{}
	for i := range maxGroups + 3 {
		many = append(many, steady(fmt.Sprintf("z%02d", i), 20))
	}
	tests := []struct {
		name   string
		zones  []zone
		metric Metric
		worst  verdict.Outcome
		says   []string
	}{
		{"all is well", []zone{a, steady("eu-west-1b", 100), c}, byZone, verdict.Pass, []string{"harm is excluded in eu-west-1a, eu-west-1b, eu-west-1c"}},
		{"the whole of it looks fine", []zone{a, worsening("eu-west-1b", 1, 0.08), c}, whole, verdict.Pass, nil},
		{"one zone fails", []zone{a, worsening("eu-west-1b", 1, 0.08), c}, byZone, verdict.Fail, []string{"fail bake/errors in zone eu-west-1b (errors): errors in zone eu-west-1b "}},
		{"one large zone fails", []zone{a, worsening("eu-west-1b", 100, 0.08), c}, byZone, verdict.Fail, []string{"fail bake/errors in zone eu-west-1b (errors)"}},
		{"all zones fail", []zone{worsening("a", 100, 0.08), worsening("b", 100, 0.08)}, byZone, verdict.Fail, []string{"fail bake/errors (): errors "}},
		{"one zone failed before too", []zone{a, {name: "eu-west-1b", rate: 100, bad: 0.08, later: 0.08}, c}, byZone, verdict.Pass, []string{"harm is excluded in eu-west-1a, eu-west-1b"}},
		{"one zone was beyond the limit before too", []zone{a, {name: "eu-west-1b", rate: 10, bad: 0.08, later: 0.08}, c}, limited, verdict.Fail, []string{"[external]", "fail bake/errors in zone eu-west-1b"}},
		{"a zone that is new", []zone{a, c, {name: "eu-west-1d", rate: 50, bad: 0.001, later: 0.001, from: 2 * time.Minute}}, byZone, verdict.Pass, []string{"nothing to compare with in eu-west-1d"}},
		{"a zone that is new and bad", []zone{a, c, {name: "eu-west-1d", rate: 1, bad: 0.1, later: 0.1, from: 2 * time.Minute}}, byZone, verdict.Unknown, []string{"(no-baseline): errors by zone: eu-west-1d was not there before the deploy, and is worse"}},
		{"a zone that is new, bad, and beyond the limit", []zone{a, c, {name: "eu-west-1d", rate: 5, bad: 0.2, later: 0.2, from: 2 * time.Minute}}, limited, verdict.Fail, []string{"fail bake/errors in zone eu-west-1d (errors)"}},
		{"every one is new", []zone{{name: "x1", rate: 100, gone: -30 * time.Second, bad: 0.001}, {name: "x2", rate: 100, from: -30 * time.Second, bad: 0.001, later: 0.001}}, byZone, verdict.Unknown, []string{"(no-baseline)", "nothing to compare with in x2"}},
		{"a zone that is gone", []zone{a, c, {name: "eu-west-1b", rate: 100, bad: 0.001, later: 0.001, gone: 2 * time.Minute}}, byZone, verdict.Note, nil},
		{"a zone that went with the deploy", []zone{a, c, {name: "eu-west-1b", rate: 100, bad: 0.001, later: 0.001, gone: -20 * time.Second}}, byZone, verdict.Pass, []string{"nothing came from eu-west-1b any more, which alone is no evidence"}},
		{"a quiet zone", []zone{a, c, steady("eu-west-1b", 0.02)}, byZone, verdict.Pass, []string{"too little to say anything by itself of eu-west-1b"}},
		{"no zones", []zone{{name: "", rate: 100, bad: 0.001, later: 0.001}}, byZone, verdict.Unknown, []string{"(groups): errors: none of the ", "they have code, pod"}},
		{"too many zones", many, byZone, verdict.Unknown, []string{"(groups): errors: the label zone has more than 20 values"}},
		{"a hostile zone", []zone{a, c, worsening("\x1b[31m|<b>::error::@all\n", 100, 0.1)}, byZone, verdict.Fail, []string{"fail bake/errors in zone "}},
		{"a dry run", []zone{a, worsening("eu-west-1b", 100, 0.08), c}, with(byZone, func(m *Metric) { m.DryRun = true }), verdict.Note, []string{"dry run"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := Run(t.Context(), groupsPlan(zones(time.Now(), tt.zones...), tt.metric))
				text := told(r.Findings)
				if worst := verdict.Worst(r.Findings); worst != tt.worst && !(worst == verdict.Note && tt.worst == verdict.Pass) {
					t.Errorf("got %s, want %s:\n%s", worst, tt.worst, text)
				}
				for _, want := range tt.says {
					if !strings.Contains(text, want) {
						t.Errorf("got\n%s\nwant %q in it", text, want)
					}
				}
				if strings.ContainsAny(text, "\x1b\a") {
					t.Errorf("not clean: %q", text)
				}
				t.Log(text)
			})
		})
	}
}
