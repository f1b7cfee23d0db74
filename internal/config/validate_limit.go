package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
)

var quantileKeys = []string{"p50", "p90", "p95", "p99", "p99.9"}

// limits looks whether the limit fits the kind of the metric.
func (v *validator) limits(path, kind string, m *bake.Metric) {
	v.limit(path+".hard", kind, m.Hard)
	at := path + ".limit"
	if m.Limit == nil {
		if kind == "expr" {
			v.at(path, "an expression is one value: say how large it may be", "expr needs a limit")
		}
		return
	}
	v.limit(at, kind, m.Limit)
}

func (v *validator) limit(at, kind string, l *bake.Limit) {
	if l == nil || !v.fine(at) {
		return
	}
	n, _ := v.root.locate(at)
	if n.shape == mapping && len(n.entries) == 0 {
		v.at(at, "", "the limit is empty")
		return
	}
	switch kind {
	case "bad":
		v.proportionLimit(at, l)
	case "histogram":
		v.histogramLimit(at, l)
	case "rate":
		v.at(at, "write compare: before", "a rate has no limit: it is compared with before")
	case "boolean":
		v.at(at, "remove it", "a boolean has no limit: it must not be 0")
	case "gauge", "expr":
		v.valueLimit(at, kind, l)
	}
}

// where is the path of a limit's key, which the scalar form does not write.
func (v *validator) where(at, key string) string {
	if v.has(join(at, key)) {
		return join(at, key)
	}
	return at
}

func (v *validator) refuse(at string, keys []string, hint, format string) {
	for _, k := range keys {
		if v.has(join(at, k)) {
			v.at(join(at, k), hint, format, k)
		}
	}
}

// isDuration says whether a bound was written with a unit of time.
func isDuration(b bake.Bound) bool {
	return b.Text != "" && strings.ContainsRune("smh", rune(b.Text[len(b.Text)-1]))
}

func (v *validator) proportionLimit(at string, l *bake.Limit) {
	v.refuse(at, append(slices.Clone(quantileKeys), "min"), "write limit: 1%", "bad of total has one limit, a share: %s does not fit")
	if !l.Max.Set {
		return
	}
	path := v.where(at, "max")
	switch {
	case isDuration(l.Max):
		v.at(path, "", "got %s, want a share, e.g. 1%%", v.shown(path))
	case l.Max.V < 0:
		v.at(path, "", "got %s, want a share from 0%% to 100%%", v.shown(path))
	case l.Max.V >= 1:
		hint := ""
		if !strings.HasSuffix(l.Max.Text, "%") && l.Max.V < 100 && v.literal(path) {
			hint = "did you mean " + strconv.FormatFloat(l.Max.V, 'g', -1, 64) + "%?"
		}
		v.at(path, hint, "got %s, want a share below 100%%: every event may fail", v.shown(path))
	}
}

// literal says whether no variable had a part in the value at path.
func (v *validator) literal(path string) bool {
	n, _ := v.root.locate(path)
	return n.flag != "" || !strings.Contains(n.value, "${")
}

func (v *validator) histogramLimit(at string, l *bake.Limit) {
	n, _ := v.root.locate(at)
	if n.shape == scalar {
		v.at(at, "write p99: before it, in a line of its own", "the limit of a histogram names a percentile")
		return
	}
	v.refuse(at, []string{"max", "min"}, "write p99: 500ms", "the limit of a histogram names a percentile: %s does not fit")
	for i, b := range []bake.Bound{l.P50, l.P90, l.P95, l.P99, l.P999} {
		path := join(at, quantileKeys[i])
		switch {
		case !b.Set:
		case strings.HasSuffix(b.Text, "%"):
			v.at(path, "", "got %s, want a duration or a number, e.g. 500ms", v.shown(path))
		case b.V <= 0:
			v.at(path, "", "got %s, want more than 0", v.shown(path))
		}
	}
}

func (v *validator) valueLimit(at, kind string, l *bake.Limit) {
	v.refuse(at, quantileKeys, "write max: or min:", "a percentile needs a histogram, and this is "+kind+": %s does not fit")
	if l.Max.Set && l.Min.Set && l.Min.V > l.Max.V {
		v.at(at+".min", "", "min %s is more than max %s", v.shown(at+".min"), v.shown(at+".max"))
	}
}
