package diff

import "strings"

// policyLoosened compares two network policies: what is no longer restricted, and who may connect now.
func policyLoosened(w *survey, p pair) {
	if p.previous == nil || p.target == nil {
		return
	}
	spec := both{fieldOf(p.previous.Root, "spec"), fieldOf(p.target.Root, "spec")}
	if spec.a == nil || spec.b == nil || canonical(spec.a) == canonical(spec.b) {
		return
	}
	w.push("spec", spec)
	defer w.pop()
	found := len(w.found)
	w.directions(spec)
	for _, key := range [...]string{"ingress", "egress"} {
		w.direction(key, spec.get(key))
	}
	if len(w.found) == found { // another one, neither wider nor narrower as far as can be seen
		w.notef(riskNetwork, low, spec, worse, "another policy", "")
	}
}

// directions tells that a policy no longer restricts one of ingress and egress.
func (w *survey) directions(spec both) {
	types := spec.get("policyTypes")
	if !hasItems(types.a) {
		return
	}
	for _, t := range types.a.Items {
		if t.scalar() && hasItems(types.b) && !containsText(types.b, t.Value) {
			w.push("policyTypes", types)
			w.notef(riskNetwork, high, types, worse, "without "+w.c.mask.name(t.Value), "")
			w.pop()
		}
	}
}

// direction tells rules that the target has more of, and rules that restrict nothing.
func (w *survey) direction(key string, x both) {
	if !hasItems(x.b) {
		return
	}
	had := map[string]bool{}
	if x.a != nil {
		for _, r := range x.a.Items {
			had[canonical(r)] = true
		}
	}
	w.push(key, x)
	defer w.pop()
	for i, r := range x.b.Items {
		if had[canonical(r)] {
			continue
		}
		s, got := medium, "a rule that previous doesn't have"
		if openRule(r) {
			s, got = high, "a rule that allows every address"
		}
		w.steps = append(w.steps, surveyStep{both: both{b: r}, item: true, ia: -1, ib: i})
		w.notef(riskNetwork, s, both{b: r}, worse, got, "")
		w.pop()
	}
}

// openRule says whether a rule names nobody, or everybody.
func openRule(r *Node) bool {
	peers := either(fieldOf(r, "from"), fieldOf(r, "to"))
	if !hasItems(peers) {
		return true
	}
	for _, p := range peers.Items {
		if everybody(fieldOf(fieldOf(p, "ipBlock"), "cidr")) {
			return true
		}
	}
	return false
}

func everybody(n *Node) bool { return isScalar(n) && (n.Value == "0.0.0.0/0" || n.Value == "::/0") }

// openAddresses tells a range of addresses that takes in everybody.
func openAddresses(w *survey, x both) {
	if w.under("egress") || w.c.target != nil && w.c.target.Kind == "NetworkPolicy" || !opens(x.b) || opens(x.a) {
		return
	}
	st := worse
	if w.parent(1).a == nil {
		st = fresh
	}
	w.notef(riskExposed, high, x, st, "every address", "")
}

func opens(n *Node) bool {
	switch {
	case n == nil:
		return false
	case n.IsList:
		for _, i := range n.Items {
			if everybody(i) {
				return true
			}
		}
		return false
	}
	return isScalar(n) && (strings.Contains(n.Value, "0.0.0.0/0") || n.Value == "::/0")
}

// serviceType tells a Service that opens a port to the outside.
func serviceType(w *survey, x both) {
	inService := w.c.target.Kind == "Service" && w.key(1) == "spec" && len(w.steps) == 2
	if !inService && w.key(1) != "service" || !isScalar(x.b) || x.b.Value != "LoadBalancer" && x.b.Value != "NodePort" {
		return
	}
	switch {
	case isScalar(x.a) && (x.a.Value == x.b.Value || x.a.Value == "LoadBalancer"):
	case w.parent(1).a == nil:
		w.notef(riskExposed, medium, x, fresh, "", "")
	default:
		w.note(riskExposed, x, worse)
	}
}

// entrances are the kinds through which requests come in.
var entrances = set("Ingress Gateway HTTPRoute GRPCRoute TLSRoute VirtualService Route IngressRoute HTTPProxy")

// ingressTLS tells a way in that had TLS and has none.
func ingressTLS(w *survey, x both) {
	if entrances[w.c.id.Kind] && x.a != nil && x.a.leaves() > 1 && (x.b == nil || len(x.b.Fields)+len(x.b.Items) == 0) {
		w.note(riskIngress, x, worse)
	}
}

// ingressHosts tells a way in that answers for fewer hosts. Their names differ between environments; their number seldom does.
func ingressHosts(w *survey, x both) {
	if !entrances[w.c.id.Kind] || !hasItems(x.a) || x.b == nil || len(w.steps) != 2 || len(x.b.Items) >= len(x.a.Items) {
		return
	}
	w.note(riskIngress, x, worse)
}

// routes are the kinds in which a time-out or a retry is one between services.
var routes = set("VirtualService DestinationRule HTTPRoute GRPCRoute BackendTrafficPolicy ServiceProfile ServiceRouter TrafficPolicy")

func inRoutes(w *survey, x both) {
	there := func(n *Node) bool {
		return isText(n) && !isZero(n) && n.Value != "0s" || switchedOn(n) && !isZero(n.Fields["attempts"])
	}
	if !routes[w.c.id.Kind] || !there(x.a) || there(x.b) {
		return
	}
	if v := x.get("attempts"); isZero(v.b) {
		w.push("attempts", v)
		defer w.pop()
		x = v
	}
	w.note(riskResilience, x, worse)
}

// isStagingAuthority says whether a text names the staging directory of an ACME authority, whose certificates no browser trusts.
func isStagingAuthority(v string) bool {
	return strings.Contains(v, "acme-staging") || strings.Contains(v, "letsencrypt-stag")
}
