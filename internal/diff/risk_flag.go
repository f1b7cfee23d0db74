package diff

// A feature flag as flagd writes it (open-feature/flagd-schemas, json/flags.json): state, defaultVariant, variants, targeting; the flags
// stand in a mapping by their key, or in a list.

// isFlag says whether a mapping is a feature flag.
func isFlag(n *Node) bool {
	return isMapping(n) && n.Fields["variants"] != nil && n.Fields["state"] != nil
}

func flagState(w *survey, x both) {
	if up := w.parent(1); isFlag(up.a) && isFlag(up.b) && isScalar(x.a) && isScalar(x.b) && x.a.Value == "ENABLED" && x.b.Value == "DISABLED" {
		w.note(riskFlag, x, worse)
	}
}

func flagVariant(w *survey, x both) {
	if up := w.parent(1); isFlag(up.a) && isFlag(up.b) && isScalar(x.a) && (!isScalar(x.b) || x.a.Value != x.b.Value) {
		w.note(riskFlag, x, worse)
	}
}

// flagsGone tells flags that the target does not have: the service falls back to what its code says.
func flagsGone(w *survey, x both) {
	if !isMapping(x.a) || !isMapping(x.b) {
		return
	}
	for k, a := range x.a.Fields {
		if isFlag(a) && x.b.Fields[k] == nil {
			w.push(k, both{a: a})
			w.note(riskFlag, both{a: a}, worse)
			w.pop()
		}
	}
}
