package diff

import (
	"slices"
	"strings"
)

// listRule says what the items of a list are known by.
type listRule struct {
	keys    [][]string // the first that every item has is taken
	ordered bool       // the order of the items matters
}

// keyed are the lists of Kubernetes that are maps in truth (listMapKey in k8s.io/api), and those of an ECS task definition.
var keyed = map[string]listRule{
	"containers":                {keys: keys("name")},
	"initContainers":            {keys: keys("name"), ordered: true}, // they run one after the other
	"ephemeralContainers":       {keys: keys("name")},
	"env":                       {keys: keys("name")},
	"volumes":                   {keys: keys("name")},
	"volumeMounts":              {keys: keys("mountPath")},
	"volumeDevices":             {keys: keys("devicePath")},
	"ports":                     {keys: keys("containerPort protocol", "port protocol")},
	"hostAliases":               {keys: keys("ip")},
	"topologySpreadConstraints": {keys: keys("topologyKey whenUnsatisfiable")},
	"imagePullSecrets":          {keys: keys("name")},
	"resourceClaims":            {keys: keys("name")},
	"conditions":                {keys: keys("type")},
	"containerDefinitions":      {keys: keys("name")},
	"environment":               {keys: keys("name")},
	"secrets":                   {keys: keys("name")},
}

// guessed is for any other list of mappings: whether its order matters isn't known, so that a new order is told.
var guessed = listRule{keys: keys("name", "key", "id"), ordered: true}

// atomic are lists that Kubernetes takes as a whole: by position, whatever is in them.
var atomic = set("args command envFrom tolerations sources resizePolicy clusterIPs items")

// unordered are lists of scalars in Kubernetes objects whose order has no meaning; behind the name, what they must stand in.
var unordered = map[string]string{
	"verbs": "rules", "apiGroups": "rules", "resources": "rules", "resourceNames": "rules", "add": "capabilities", "drop": "capabilities",
	"policyTypes": "spec", "accessModes": "spec", "loadBalancerSourceRanges": "spec", "externalIPs": "spec", "finalizers": "metadata",
}

// isBag says whether the list at the path is one of them.
func isBag(path []segment) bool {
	n := len(path)
	in, ok := unordered[path[n-1].key]
	for n--; ok && n > 0; n-- {
		if path[n-1].kind == fieldSegment {
			return path[n-1].key == in
		}
	}
	return false
}

func keys(choices ...string) [][]string {
	var ks [][]string
	for _, c := range choices {
		ks = append(ks, strings.Fields(c))
	}
	return ks
}

// listKeys gives what the items of both lists are known by, nil where it is their position.
func listKeys(name string, a, b *Node) (rule listRule, keys []string) {
	rule, ok := keyed[name]
	if !ok {
		rule = guessed
	}
	if atomic[name] {
		return rule, nil
	}
	for _, ks := range rule.keys {
		if unique(a, ks) && unique(b, ks) {
			return rule, ks
		}
	}
	return rule, nil
}

// unique says whether every item has the keys, and no two the same values.
func unique(n *Node, keys []string) bool {
	seen := make(map[string]bool, len(n.Items))
	for _, item := range n.Items {
		id, ok := identity(item, keys)
		if !ok || seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

// identity joins an item's keys. The protocol of a port may be left out: it is TCP.
func identity(item *Node, keys []string) (string, bool) {
	id := ""
	for _, k := range keys {
		v := item.text(k)
		if v == "" && k == "protocol" && item.IsMap {
			v = "TCP"
		}
		if v == "" {
			return "", false
		}
		id += v + "\x00"
	}
	return id, true
}

func itemNames(id string, keys []string) segment {
	s := segment{kind: itemSegment}
	for i, v := range strings.Split(strings.TrimSuffix(id, "\x00"), "\x00") {
		s.names = append(s.names, selector{keys[min(i, len(keys)-1)], v})
	}
	return s
}

// list compares two lists.
func (c *comparer) list(a, b *Node, sa, sb scope) {
	name := ""
	if n := len(c.path); n > 0 {
		name = c.path[n-1].key
	}
	if c.kubernetes && len(c.path) > 1 && isBag(c.path) && scalars(a) && scalars(b) {
		c.bag(a, b, sa, sb)
		return
	}
	rule, keys := listKeys(name, a, b)
	if keys == nil {
		c.sequence(a, b, sa, sb)
		return
	}
	c.byKeys(a, b, sa, sb, keys)
	if rule.ordered {
		c.order(a, b, sa, sb, keys)
	}
}

func scalars(n *Node) bool {
	return !slices.ContainsFunc(n.Items, func(i *Node) bool { return !i.scalar() })
}

func (c *comparer) byKeys(a, b *Node, sa, sb scope, keys []string) {
	inB := make(map[string]int, len(b.Items))
	for i, item := range b.Items {
		id, _ := identity(item, keys)
		inB[id] = i
	}
	for i, item := range a.Items {
		id, _ := identity(item, keys)
		c.push(itemNames(id, keys))
		if j, ok := inB[id]; ok {
			c.node(item, b.Items[j], c.mask.item(sa, a, i), c.mask.item(sb, b, j))
			delete(inB, id)
		} else {
			c.gone(Missing, item, c.mask.item(sa, a, i))
		}
		c.pop()
	}
	for j, item := range b.Items {
		id, _ := identity(item, keys)
		if _, left := inB[id]; left {
			c.push(itemNames(id, keys))
			c.gone(Extra, item, c.mask.item(sb, b, j))
			c.pop()
		}
	}
}

// order tells that the items which both lists have stand in another order.
func (c *comparer) order(a, b *Node, sa, sb scope, keys []string) {
	common := func(n, other *Node) (ids []string) {
		has := map[string]bool{}
		for _, item := range other.Items {
			id, _ := identity(item, keys)
			has[id] = true
		}
		for _, item := range n.Items {
			if id, _ := identity(item, keys); has[id] {
				ids = append(ids, id)
			}
		}
		return ids
	}
	from, to := common(a, b), common(b, a)
	if slices.Equal(from, to) {
		return
	}
	c.reordered(a, b, c.shownOrder(from), c.shownOrder(to))
}

func (c *comparer) shownOrder(ids []string) string {
	shown := make([]string, len(ids))
	for i, id := range ids {
		shown[i] = c.mask.name(strings.ReplaceAll(strings.TrimSuffix(id, "\x00"), "\x00", "/"))
	}
	return "order: " + strings.Join(shown, ", ")
}

// bag compares lists of scalars whose order means nothing.
func (c *comparer) bag(a, b *Node, sa, sb scope) {
	left := map[string]int{}
	for _, item := range b.Items {
		left[canonical(item)]++
	}
	for i, item := range a.Items {
		if k := canonical(item); left[k] > 0 {
			left[k]--
		} else {
			c.goneAt(Missing, i, item, c.mask.item(sa, a, i))
		}
	}
	for j, item := range b.Items { // the last ones of those that are too many
		if k := canonical(item); left[k] > 0 {
			left[k]--
			c.goneAt(Extra, j, item, c.mask.item(sb, b, j))
		}
	}
}

func (c *comparer) goneAt(class Class, i int, n *Node, s scope) {
	c.push(at(i))
	c.gone(class, n, s)
	c.pop()
}
