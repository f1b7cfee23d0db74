package diff

import "strings"

// inBudget says whether the value at hand is part of a disruption budget.
func (w *survey) inBudget() bool {
	k := strings.ToLower(w.key(1))
	return w.c.target.Kind == "PodDisruptionBudget" && k == "spec" || k == "pdb" || strings.Contains(k, "disruptionbudget")
}

// budget tells a disruption budget that allows more than in previous.
func budget(w *survey, x both) {
	if x.a == nil || !w.inBudget() {
		return
	}
	up := w.parent(1)
	switch name := w.key(0); {
	case x.b == nil && fieldOf(up.b, "minAvailable") == nil && fieldOf(up.b, "maxUnavailable") == nil:
		w.note(riskBudget, x, worse)
	case name == "minAvailable" && lower(x), name == "maxUnavailable" && lower(both{x.b, x.a}):
		w.note(riskBudget, x, worse)
	}
}

// rollingUpdate tells a rollout that may take all replicas at once.
func rollingUpdate(w *survey, x both) {
	if w.key(1) != "rollingUpdate" || !takesAll(x.b, w.parent(3).b) {
		return
	}
	switch {
	case takesAll(x.a, w.parent(3).a):
		return
	case w.parent(3).a == nil:
		w.note(riskRollout, x, fresh)
	default:
		w.note(riskRollout, x, worse)
	}
}

// takesAll says whether so many pods may be down that none of the spec's replicas is left.
func takesAll(n, spec *Node) bool {
	if p, ok := percentage(n); ok {
		return p >= 100
	}
	v, ok := amountOf(n)
	replicas, known := amountOf(fieldOf(spec, "replicas"))
	return ok && known && v >= replicas && replicas > 0
}

// strategy tells a rollout that stops all replicas before it starts new ones.
func strategy(w *survey, x both) {
	if !isMapping(x.b) || x.b.text("type") != "Recreate" || fieldOf(x.a, "type") != nil && x.a.text("type") == "Recreate" {
		return
	}
	v := x.get("type")
	st := worse
	if w.parent(1).a == nil {
		st = fresh
	}
	w.push("type", v)
	w.note(riskRollout, v, st)
	w.pop()
}

// replicas tells a number of replicas that is lower, or none at all.
func (w *survey) replicas(x, shown both) {
	switch {
	case x.b == nil || isTrue(w.autoscaled()):
	case isZero(x.b) && isZero(x.a):
	case isZero(x.b) && x.a == nil && w.parent(1).a == nil:
		w.note(riskReplicaZero, shown, fresh)
	case isZero(x.b):
		w.note(riskReplicaZero, shown, worse)
	case lower(x):
		w.note(riskReplicas, shown, worse)
	}
}

// autoscaled gives the switch of the autoscaler beside a chart's number of replicas, which then says nothing.
func (w *survey) autoscaled() *Node { return fieldOf(fieldOf(w.parent(1).b, "autoscaling"), "enabled") }
