package diff

import (
	"encoding/base64"
	"math/big"
	"strings"
)

// Two scalars that are written differently may mean the same, where their place says what they are: 1000m and 1 of a CPU, 60s and 1m of
// a time-out. What is written so elsewhere (1000m in an environment variable) stays a difference.

// alike says whether two scalars mean the same at the path.
func (c *comparer) alike(a, b *Node) bool {
	switch {
	case same(a, b):
		return true
	case c.isQuantity() && c.sameQuantity(a, b):
		return true
	case a.Type != b.Type:
		return c.builtin && intOrString[c.fieldAt(0)] && a.Value == b.Value && digits(a.Value) && !within(c.path, opaque)
	case a.Type != "string":
		return false
	case c.kubernetes && (c.refersTo(a.Value, b.Value) || c.isDerived(a, b)):
		return true
	case isDuration(c.settingName()) && sameDuration(a.Value, b.Value):
		return true
	}
	return sameText(a.Value, b.Value)
}

// fieldAt gives the key of a field of the path, items left out: 0 the last, 1 the one that it stands in.
func (c *comparer) fieldAt(up int) string {
	for i := len(c.path) - 1; i >= 0; i-- {
		if c.path[i].kind != fieldSegment {
			continue
		}
		if up == 0 {
			return c.path[i].key
		}
		up--
	}
	return ""
}

// within says whether a path leads through a field with one of the names.
func within(path []segment, names map[string]bool) bool {
	for _, s := range path {
		if s.kind == fieldSegment && names[s.key] {
			return true
		}
	}
	return false
}

// settingName gives what a value is called: by its key, or by the name of the item whose value it is.
func (c *comparer) settingName() string {
	key := c.fieldAt(0)
	if n := len(c.path); n > 1 && key == "value" && c.path[n-2].kind == itemSegment {
		return c.path[n-2].names[0].value
	}
	return key
}

var (
	// amountMappings are mappings of Kubernetes whose values are quantities.
	amountMappings = set("limits requests capacity allocatable hard podFixed minAllowed maxAllowed")
	// rangeAmounts are those of a LimitRange.
	rangeAmounts = set("default defaultRequest max min maxLimitRequestRatio")
	// amountNames are fields that are quantities.
	amountNames = set("cpu memory storage ephemeral-storage sizeLimit size storageSize averageValue targetAverageValue divisor")
	// intOrString are fields in which a number may stand as a text (IntOrString.IntValue of k8s.io/apimachinery).
	intOrString = set("targetPort port maxSurge maxUnavailable minAvailable")
)

// isQuantity says whether the value at the path is a quantity of Kubernetes. The sizes of docker compose have units of their own.
func (c *comparer) isQuantity() bool {
	if !c.quantities || c.kubernetes && within(c.path, opaque) {
		return false
	}
	key, parent := c.fieldAt(0), c.fieldAt(1)
	return amountNames[key] || amountMappings[parent] || rangeAmounts[parent] && c.kind == "LimitRange"
}

// bothQuantities says so of two values that differ.
func (c *comparer) bothQuantities(a, b *Node) bool {
	_, x := quantityOf(a)
	_, y := quantityOf(b)
	return x && y && c.isQuantity()
}

// sameQuantity keeps its answers: there are few different quantities in a state.
func (c *comparer) sameQuantity(a, b *Node) bool {
	k := [2]string{a.Type + a.Value, b.Type + b.Value}
	same, known := c.amounts[k]
	if !known {
		x, okX := quantityOf(a)
		y, okY := quantityOf(b)
		same = okX && okY && x.Cmp(y) == 0
		if len(c.amounts) < 100_000 {
			c.amounts[k] = same
		}
	}
	return same
}

func quantityOf(n *Node) (*big.Rat, bool) {
	switch n.Type {
	case "number":
		return quantity(number(n.Value))
	case "string":
		return quantity(n.Value)
	}
	return nil, false
}

// durationWords are in the name of what is a time: requestTimeout, SCRAPE_INTERVAL.
var durationWords = set(`timeout timeouts interval period duration ttl delay backoff deadline expiry expiration lifetime retention cooldown
	keepalive frequency wait age grace`)

func isDuration(name string) bool {
	for _, w := range wordsOf(name) {
		if durationWords[w] {
			return true
		}
	}
	return false
}

func sameDuration(a, b string) bool {
	x, okX := duration(a)
	y, okY := duration(b)
	return okX && okY && x == y
}

// sameText says whether two texts of several lines differ in the ends of their lines alone, and in how many there are at the end. In a
// script the ends of lines count: a shell reads the carriage return.
func sameText(a, b string) bool {
	if !strings.Contains(strings.TrimSpace(a), "\n") {
		return false
	}
	if !strings.HasPrefix(a, "#!") {
		a, b = strings.ReplaceAll(a, "\r\n", "\n"), strings.ReplaceAll(b, "\r\n", "\n")
	}
	return strings.TrimRight(a, "\n") == strings.TrimRight(b, "\n")
}

// sameSecret says whether two secrets are equal, and whether that can be said. In a Secret's data it is the decoded bytes that count.
func (c *comparer) sameSecret(a, b *Node) (same, known bool) {
	return c.prints.same(c.prints.of(a, c.plainSecret(a)), c.prints.of(b, c.plainSecret(b)))
}

func (c *comparer) plainSecret(n *Node) string {
	if isSecretData(c.kind, c.path) {
		return decoded(n.Value)
	}
	return n.Value
}

func isSecretData(kind string, path []segment) bool {
	return kind == "Secret" && len(path) == 2 && path[0].key == "data"
}

// decoded gives what a base64 text holds, the text itself where it is none.
func decoded(s string) string {
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return s
	}
	return string(raw)
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
