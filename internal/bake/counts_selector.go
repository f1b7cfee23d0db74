package bake

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// selection knows whether an empty answer to `bad` means zero events or a selector that can't match. A client library creates the
// series of a failure with the first failure, so that a healthy service has none.
type selection struct {
	bad, total string          // the queries' texts
	badSeen    bool            // bad matched something, now or in history
	totalSeen  bool            // and so did total
	names      map[string]bool // the names of total's series
	labels     map[string]bool // the labels of total's series
}

func (s *selection) sawTotal(series metric.Series) {
	s.totalSeen = true
	if s.names == nil {
		s.names, s.labels = map[string]bool{}, map[string]bool{}
	}
	if series.Name != "" {
		s.names[series.Name] = true
	}
	for l := range series.Labels {
		s.labels[l] = true
	}
}

// trouble is nil where an empty bad is zero events: it matched before, or it selects from the metric of total, by labels that
// total's series carry.
func (s *selection) trouble() *trouble {
	if s.badSeen {
		return nil
	}
	if !s.fromTotal() {
		return &trouble{"selector", fmt.Sprintf("bad has never matched anything, in history neither, and does not select from total's own metric (%s): nobody knows whether that means zero failures or a wrong name",
			clean.Cut(selectorName(s.total), 100)), "compare bad's selector with what the service exports; a counter of failures that starts at 0 settles it"}
	}
	if l := s.missingLabel(); l != "" {
		return &trouble{"selector", fmt.Sprintf("bad has never matched anything and never can: it asks for the label %q, which no series of total has", clean.Cut(l, 100)), seeLabels}
	}
	return nil
}

// seeLabels is what to do about a label that there is not.
const seeLabels = "see which label holds the status (code, status, status_code...) and use that one"

// fromTotal reports whether bad selects from the metric of total.
func (s *selection) fromTotal() bool {
	name := selectorName(s.bad)
	return name != "" && (name == selectorName(s.total) || s.names[name])
}

// selectorName is the metric's name in front of a selector's braces, or its __name__ inside of them; "" when there is none.
func selectorName(text string) string {
	name, braces, _ := strings.Cut(text, "{")
	if name = strings.TrimSpace(name); name != "" {
		return name
	}
	for _, m := range matcher.FindAllStringSubmatch(braces, -1) {
		if m[1] == "__name__" && m[2] == "=" {
			return m[3][1 : len(m[3])-1]
		}
	}
	return ""
}

// matcher finds label matchers inside of a selector's braces: name, operator, quoted value.
var matcher = lazyregexp.New(`([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)

// missingLabel is a label without which no series can match bad, and which no series of total has.
func (s *selection) missingLabel() string {
	if len(s.labels) == 0 { // sums without labels say nothing
		return ""
	}
	_, braces, _ := strings.Cut(s.bad, "{")
	for _, m := range matcher.FindAllStringSubmatch(braces, -1) {
		label, op, value := m[1], m[2], m[3][1:len(m[3])-1]
		if s.labels[label] || label == "__name__" || strings.HasPrefix(op, "!") || matchesEmpty(op, value) {
			continue
		}
		return label
	}
	return ""
}

// matchesEmpty reports whether a matcher also accepts series without the label.
func matchesEmpty(op, value string) bool {
	if op == "=" {
		return value == ""
	}
	re, err := regexp.Compile("^(?:" + value + ")$")
	return err != nil || re.MatchString("")
}
