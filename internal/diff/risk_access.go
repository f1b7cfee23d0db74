package diff

import "strings"

// accountRules compares what a role allows.
func accountRules(w *survey, x both) {
	if k := w.c.id.Kind; k != "Role" && k != "ClusterRole" || len(w.steps) != 1 || !hasItems(x.b) {
		return
	}
	for i, r := range x.b.Items {
		w.steps = append(w.steps, surveyStep{both: both{b: r}, item: true, ia: -1, ib: i})
		w.accountRule(x.a, r)
		w.pop()
	}
}

// grave are what leads to everything else.
var grave = set("* secrets escalate bind impersonate nodes/proxy pods/exec")

func (w *survey) accountRule(previous, rule *Node) {
	got, s := "", medium
	for _, verb := range texts(fieldOf(rule, "verbs")) {
		for _, resource := range texts(fieldOf(rule, "resources")) {
			if allowed(previous, rule, verb, resource) {
				continue
			}
			if got == "" || s == medium && (grave[verb] || grave[resource]) {
				got = "may " + w.c.mask.name(verb) + " " + w.c.mask.name(resource)
			}
			if grave[verb] || grave[resource] {
				s = high
			}
		}
	}
	switch {
	case got == "":
	case previous == nil && s == high:
		w.notef(riskPermissions, high, both{b: rule}, fresh, got, "")
	case previous != nil:
		w.notef(riskPermissions, s, both{b: rule}, worse, got, "")
	}
}

// allowed says whether a rule of previous allows that already, in every group of the rule.
func allowed(previous, rule *Node, verb, resource string) bool {
	if previous == nil {
		return false
	}
	has := func(list *Node, text string) bool { return containsText(list, text) || containsText(list, "*") }
	groups := texts(fieldOf(rule, "apiGroups"))
	for _, r := range previous.Items {
		if !has(fieldOf(r, "verbs"), verb) || !has(fieldOf(r, "resources"), resource) {
			continue
		}
		all := true
		for _, g := range groups {
			all = all && has(fieldOf(r, "apiGroups"), g)
		}
		if all {
			return true
		}
	}
	return false
}

// texts gives the scalars of a list, as many as a person would write.
func texts(list *Node) []string {
	if list == nil {
		return nil
	}
	var out []string
	for _, i := range list.Items[:min(len(list.Items), 100)] {
		if i.scalar() {
			out = append(out, i.Value)
		}
	}
	return out
}

// roleRef tells an account that becomes the cluster's administrator.
func roleRef(w *survey, x both) {
	admin := func(n *Node) bool { return fieldOf(n, "name") != nil && n.text("name") == "cluster-admin" }
	if !admin(x.b) || admin(x.a) {
		return
	}
	v := x.get("name")
	w.push("name", v)
	st := worse
	if x.a == nil {
		st = fresh
	}
	w.note(riskPermissions, v, st)
	w.pop()
}

// everyone are groups with members that nobody chose.
var everyone = set("system:anonymous system:unauthenticated system:authenticated system:serviceaccounts")

func subjects(w *survey, x both) {
	if !strings.HasSuffix(w.c.id.Kind, "RoleBinding") || !hasItems(x.b) {
		return
	}
	for i, s := range x.b.Items {
		name := s.text("name")
		if !everyone[name] {
			continue
		}
		if had, _ := namedIn(x.a, name); had != nil {
			continue
		}
		w.steps = append(w.steps, surveyStep{both: both{b: s}, item: true, ia: -1, ib: i})
		w.notef(riskPermissions, high, both{b: s}, worse, name, "")
		w.pop()
	}
}

func namedIn(list *Node, name string) (*Node, int) {
	if list == nil {
		return nil, -1
	}
	return itemNamed(list, "name", name, 0)
}

// podSecurity compares the level of the pod security standards that a namespace enforces.
func podSecurity(w *survey, x both) {
	levels := map[string]int{"privileged": 1, "baseline": 2, "restricted": 3}
	level := func(n *Node) int {
		if !isScalar(n) {
			return 1
		}
		return levels[n.Value]
	}
	if x.a != nil && level(x.b) > 0 && level(x.b) < level(x.a) {
		w.note(riskAdmission, x, worse)
	}
}
