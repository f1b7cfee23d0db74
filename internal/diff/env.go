package diff

import (
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// isEnv says whether a list of that name holds environment variables: env, and extraEnv in the values of a chart.
func isEnv(name string) bool { return name == "env" || strings.HasSuffix(name, "Env") }

// reference is a variable in the value of an environment variable or an argument: $(NAME).
var reference = lazyregexp.New(`\$\(([A-Za-z_][A-Za-z0-9_.\-]*)\)`)

// variables tells that an environment variable uses another one which stood in front of it, and no longer does, or the other way round:
// Kubernetes puts in the values of those in front alone.
func (c *comparer) variables(a, b *Node) {
	before, after := uses(a), uses(b)
	var moved []string
	for use, inFront := range before {
		if now, ok := after[use]; ok && now != inFront {
			moved = append(moved, use.of, use.in)
		}
	}
	if len(moved) == 0 {
		return
	}
	order := func(n *Node) []string {
		return slices.DeleteFunc(identities(n, []string{"name"}), func(id string) bool { return !slices.Contains(moved, strings.TrimSuffix(id, "\x00")) })
	}
	c.reordered(a, b, c.shownOrder(order(a), 0), c.shownOrder(order(b), 0))
}

// use is a variable that stands in the value of another one.
type use struct{ of, in string }

// uses says of each variable that is used by another one whether it stands in front.
func uses(n *Node) map[use]bool {
	out := map[use]bool{}
	place := map[string]int{}
	for i, item := range n.Items {
		place[item.text("name")] = i
	}
	for i, item := range n.Items {
		v := item.text("value")
		if !strings.Contains(v, "$(") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(v, -1) {
			if j, ok := place[m[1]]; ok {
				out[use{m[1], item.text("name")}] = j < i
			}
		}
	}
	return out
}
