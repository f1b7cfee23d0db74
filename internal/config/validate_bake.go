package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

func (v *validator) bake() {
	if v.f.Bake == nil {
		return
	}
	v.times()
	v.baseline()
	if v.fine("bake") && len(v.f.Bake.Metrics) == 0 {
		v.at("bake", "add metrics:", "there is no metric to watch")
	}
	used, names := map[string]bool{}, map[string]bool{}
	for i := range v.f.Bake.Metrics {
		v.metric(index("bake.metrics", i), &v.f.Bake.Metrics[i], used, names)
	}
	if v.f.Bake.ReadyWhen != nil {
		v.readyWhen(used)
	}
	v.required()
	v.unused(used)
}

// unused reports sources that nothing asks. A name in from: that could not be resolved makes every source possibly used.
func (v *validator) unused(used map[string]bool) {
	sources := v.root.get("bake").get("sources")
	if sources == nil || used[""] || !v.fine("bake.metrics") {
		return
	}
	for _, e := range sources.entries {
		if !used[e.key.value] {
			v.d.c.add(e.key, join("bake.sources", e.key.value), "remove it, or name it in from:", "no metric uses this source")
		}
	}
}

func (v *validator) times() {
	b := v.f.Bake
	if v.fine("bake.window") && b.Window < time.Second {
		v.at("bake.window", "", "got %s, want at least 1s", v.shown("bake.window"))
		return
	}
	if v.has("bake.step") && v.fine("bake.step") && v.fine("bake.window") {
		switch half := b.Window / 2; {
		case b.Step < time.Second:
			v.at("bake.step", "", "got %s, want at least 1s", v.shown("bake.step"))
		case b.Step > max(half, time.Second):
			v.at("bake.step", fmt.Sprintf("try %s", short(defaultStep(b.Window))), "got %s, want at most half of the window, which is %s: one look is no bake",
				v.shown("bake.step"), short(half))
		}
	}
	v.passAfter()
	if at := "bake.preflight"; v.has(at) && v.fine(at) && b.Preflight != bake.PreflightNote && b.Preflight != bake.PreflightBlock {
		v.at(at, "leave it out not to look", "got %s, want note or block", v.shown(at))
	}
	if v.has("bake.alpha") && v.fine("bake.alpha") && (b.Alpha <= 0 || b.Alpha >= 0.5) {
		v.at("bake.alpha", "1% is usual", "got %s, want more than 0 and less than 50%%", v.shown("bake.alpha"))
	}
}

// passAfter looks at the least time that is watched where a bake may pass early: it ends within the window, behind the warm-up.
func (v *validator) passAfter() {
	const at = "bake.pass-after"
	b := v.f.Bake
	if !v.has(at) || !v.fine(at) {
		return
	}
	switch {
	case b.PassAfter > b.Window-2*b.Step && v.fine("bake.window") && v.fine("bake.step"):
		v.at(at, "leave it out to always watch the whole window", "got %s, want at most two steps less than the window, which is %s: a pass takes two looks before its end",
			v.shown(at), short(b.Window))
	case b.PassAfter > 0 && b.PassAfter < *b.WarmUp && v.fine("bake.warm-up"):
		v.at(at, "watch longer, or say warm-up: what a fresh process needs", "got %s, want at least the warm-up, which is %s: nobody knows before what the new version does",
			v.shown(at), short(*b.WarmUp))
	}
}

// required looks whether every class of signals that must be watched is.
func (v *validator) required() {
	b := v.f.Bake
	for i, c := range b.Require {
		if at := index("bake.require", i); v.fine(at) && !slices.Contains(bake.Classes(), c) {
			v.at(at, v.meant(at, bake.Classes()), "got %s, want one of %s", v.shown(at), strings.Join(bake.Classes(), ", "))
		}
	}
	if lacks := b.Lacks(); len(lacks) > 0 && v.fine("bake.require") && v.fine("bake.metrics") {
		v.at("bake.require", "add such a metric, or say with class: which one is it", "no metric that counts shows: %s", strings.Join(lacks, ", "))
	}
	if v.has("bake.extend") && v.fine("bake.extend") && b.Extend < 0 {
		v.at("bake.extend", "", "got %s, want 0s or more", v.shown("bake.extend"))
	}
}

func (v *validator) baseline() {
	b := v.f.Bake
	compared := slices.ContainsFunc(b.Metrics, func(m bake.Metric) bool { return m.Compare != "" })
	if (compared || v.has("bake.baseline.window")) && v.fine("bake.baseline") && v.fine("bake.step") && b.Baseline.Window < 10*b.Step {
		v.at("bake.baseline.window", "", "the baseline is %s, want at least ten steps, which is %s", short(b.Baseline.Window), short(10*b.Step))
	}
	for i, x := range b.Baseline.Exclude {
		if path := index("bake.baseline.exclude", i); v.fine(path) && !x.From.Before(x.To) {
			v.at(path+".to", "", "the interval ends before it begins")
		}
	}
}

// short writes a duration as people do: 15m, not 15m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// from resolves a metric's source; with one source it goes without saying.
func (v *validator) from(path, from string, used map[string]bool) (name string, src metric.Source) {
	declared := slices.Sorted(maps.Keys(v.f.Bake.Sources))
	at := join(path, "from")
	switch {
	case !v.fine(at):
		used[""] = true
		return "", nil
	case v.has(at):
		used[from] = true
		s, ok := v.f.Bake.Sources[from]
		if !ok {
			used[""] = true
			v.at(at, v.declared(at, declared), "%s is no source", v.shown(at))
		}
		return from, s.Source
	case len(declared) == 1:
		used[declared[0]] = true
		return declared[0], v.f.Bake.Sources[declared[0]].Source
	case len(declared) == 0:
		if v.fine("bake") {
			v.at(path, "add sources: to bake", "there is no source to ask")
		}
	default:
		used[""] = true
		v.at(path, "", "from is missing, and there are several sources: %s", strings.Join(declared, ", "))
	}
	return "", nil
}

func (v *validator) declared(path string, names []string) string {
	if h := v.meant(path, names); h != "" || len(names) == 0 {
		return h
	}
	return "declared under sources: " + strings.Join(names, ", ")
}

var metricName = lazyregexp.New(`^[a-z0-9][a-z0-9_-]*$`)

func (v *validator) metric(path string, m *bake.Metric, used, names map[string]bool) {
	if at := path + ".name"; v.has(at) && v.fine(at) {
		switch {
		case !metricName.MatchString(m.Name) || len(m.Name) > 63:
			v.at(at, "", "got %s, want lower-case letters, digits, - and _, at most 63: it stands in the verdict's reason", v.shown(at))
		case names[m.Name]:
			v.at(at, "", "the name %s is there already", v.shown(at))
		}
		names[m.Name] = true
	}
	name, src := v.from(path, m.From, used)
	m.From = name
	kind := v.metricKind(path)
	v.limits(path, kind, m)
	v.together(path, kind, m, src)
	v.compare(path, kind, m)
	v.query(path, "bad", metric.Counter, m.Bad, src)
	v.query(path, "total", metric.Counter, m.Total, src)
	v.query(path, "histogram", metric.Histogram, m.Histogram, src)
	v.query(path, "rate", metric.Counter, m.Rate, src)
	v.query(path, "of", metric.Counter, m.Of, src)
	v.query(path, "gauge", metric.Gauge, m.Gauge, src)
	v.query(path, "boolean", metric.Gauge, m.Boolean, src)
	v.query(path, "expr", metric.Expr, m.Expr, src)
}

// metricKind is the key that says what a metric is, "bad" for bad with total, "" after a problem.
func (v *validator) metricKind(path string) string {
	bad, total := v.has(path+".bad"), v.has(path+".total")
	switch {
	case bad && !total:
		v.at(path, "total selects all events, the failed ones too", "bad needs total")
		return "bad"
	case total && !bad:
		v.at(path, "bad selects the failed events of total", "total needs bad")
		return "bad"
	}
	kind, _ := v.oneOf(path, "bad", "histogram", "rate", "gauge", "boolean", "expr")
	return kind
}

// together looks at what a metric is to the others, and at what only some kinds have.
func (v *validator) together(path, kind string, m *bake.Metric, src metric.Source) {
	only := func(key string, fits bool, of string) bool {
		if v.has(join(path, key)) && v.fine(join(path, key)) && !fits && kind != "" {
			v.at(join(path, key), "remove it", "%s belongs to %s, and this is %s", key, of, kind)
			return false
		}
		return v.has(join(path, key)) && v.fine(join(path, key))
	}
	only("of", kind == "rate", "rate")
	only("slo", kind == "bad", "bad and total")
	if only("worse", kind == "rate", "rate") && m.Worse != "down" && m.Worse != "up" {
		v.at(path+".worse", "", "got %s, want down or up", v.shown(path+".worse"))
	}
	if at := path + ".class"; v.has(at) && v.fine(at) && !slices.Contains(bake.Classes(), m.Class) {
		v.at(at, v.meant(at, bake.Classes()), "got %s, want one of %s", v.shown(at), strings.Join(bake.Classes(), ", "))
	}
	if at := path + ".weight"; v.has(at) && v.fine(at) && !(m.Weight > 0 && m.Weight <= 100) {
		v.at(at, "a metric that should not count is dry-run: true", "got %s, want more than 0 and at most 100", v.shown(at))
	}
	if m.Critical && (m.DryRun || m.Upstream) {
		v.at(path+".critical", "remove one of them", "a metric without effect is not critical")
	}
	if kind == "gauge" && src != nil && src.Traits().Boolean {
		v.at(path+".gauge", "write boolean:", "this source says yes or no: boolean is the only kind that it has")
	}
	v.by(path, kind, m, src)
	v.control(path, kind, m, src)
}

// by looks at the label whose values are judged one by one.
func (v *validator) by(path, kind string, m *bake.Metric, src metric.Source) {
	at := join(path, "by")
	switch {
	case !v.has(at) || !v.fine(at):
	case kind == "expr":
		v.at(at, "name counters, or use gauge: for an expression that keeps the label", "an expression is one value: it has no groups")
	case m.By == "" || len(m.By) > 200 || clean.Text(m.By) != m.By || strings.ContainsAny(m.By, " ,{}\"'$"):
		v.at(at, "", "got %s, want the name of one label, e.g. zone", v.shown(at))
	case m.By == "le" || m.By == "__name__":
		v.at(at, "zone, region and cluster are usual", "%s tells the parts of one metric apart, not groups", v.shown(at))
	case src != nil && !src.Traits().Labels:
		v.at(at, "remove it, or name one metric a group", "this source returns one series a query, without labels")
	}
}

// control looks at the queries of what runs beside the new version: the same as the metric's.
func (v *validator) control(path, kind string, m *bake.Metric, src metric.Source) {
	at := path + ".control"
	if m.Control == nil || !v.fine(at) || kind == "" {
		return
	}
	if m.Compare == "" {
		v.at(at, "add compare: before", "a control needs compare: the two are compared in how they changed since before the deploy")
	}
	wants := map[string][]string{"bad": {"bad", "total"}, "histogram": {"histogram"}, "rate": {"rate"}}[kind]
	if m.Of != "" {
		wants = append(wants, "of")
	}
	if wants == nil {
		v.at(at, "remove it", "%s has no control", kind)
		return
	}
	for _, key := range wants {
		if !v.has(join(at, key)) {
			v.at(at, "", "%s is missing: a control is asked for the same things", key)
		}
	}
	c, kinds := m.Control, map[string]metric.Kind{"histogram": metric.Histogram}
	for key, text := range map[string]bake.Text{"bad": c.Bad, "total": c.Total, "histogram": c.Histogram, "rate": c.Rate, "of": c.Of} {
		if v.has(join(at, key)) && !slices.Contains(wants, key) {
			v.at(join(at, key), "remove it", "the metric has no %s", key)
			continue
		}
		v.query(at, key, cmp.Or(kinds[key], metric.Counter), text, src)
	}
}

func (v *validator) compare(path, kind string, m *bake.Metric) {
	at := path + ".compare"
	switch {
	case v.has(at) && !v.fine(at):
	case !v.has(at):
		if !v.has(path+".limit") && !v.has(path+".slo") && kind != "boolean" && kind != "expr" {
			v.at(path, "add limit:, or compare: before", "this metric has neither limit nor compare: it would be compared with nothing")
		}
	case m.Compare == "control":
		v.at(at, "write compare: before, and the control's queries under control:", "a control is compared in how it changed since before the deploy")
	case !slices.Contains(bake.Comparisons(), m.Compare):
		hint := cmp.Or(v.meant(at, bake.Comparisons()), "leave it out to compare with nothing")
		v.at(at, hint, "got %s, want one of %s", v.shown(at), strings.Join(bake.Comparisons(), ", "))
	}
}

// query has the source look at a query, with values for the variables that are not known before the run.
func (v *validator) query(path, key string, kind metric.Kind, text bake.Text, src metric.Source) {
	at := join(path, key)
	if !v.has(at) || !v.fine(at) {
		return
	}
	if strings.TrimSpace(string(text)) == "" {
		v.at(at, "", "the query is empty")
		return
	}
	if src == nil {
		return
	}
	if err := src.Check(metric.Query{ID: at, Kind: kind, Text: string(text), Vars: v.vars()}); err != nil {
		v.at(at, "", "%s", v.d.env.hide(err.Error()))
	}
}

func (v *validator) vars() map[string]string {
	known := func(s, example string) string {
		if s == "" {
			return example
		}
		return s
	}
	return map[string]string{
		"service": known(v.f.Service, "service"), "environment": known(v.f.Environment, "environment"),
		"version": known(v.f.Release, "version"), "step": short(v.f.Bake.Step),
	}
}

func (v *validator) readyWhen(used map[string]bool) {
	const path = "bake.ready-when"
	r := v.f.Bake.ReadyWhen
	name, src := v.from(path, r.From, used)
	r.From = name
	key, _ := v.oneOf(path, "query", "version")
	v.query(path, "query", metric.Expr, r.Query, src)
	v.query(path, "version", metric.Gauge, r.Version, src)
	if key == "query" && v.has(path+".label") {
		v.at(path+".label", "remove it", "label belongs to version, and this is query")
	}
	if at := path + ".at-least"; v.has(at) && v.fine(at) {
		switch {
		case key == "version":
			v.at(at, "remove it", "at-least belongs to query, and this is version")
		case !(r.AtLeast.V > 0):
			v.at(at, "", "got %s, want a share of the traffic above 0%% (10%%), or a number above 0", v.shown(at))
		}
	}
	if v.fine(path+".timeout") && r.Timeout <= 0 {
		v.at(path+".timeout", "10m is the default", "got %s, want more than 0s", v.shown(path+".timeout"))
	}
}
