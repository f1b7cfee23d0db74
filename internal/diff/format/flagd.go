package format

import "github.com/bakegate/bakegate/internal/diff"

// isFlagd says whether a document defines feature flags for flagd: every flag says what it is set to.
func isFlagd(_ string, n *diff.Node) bool {
	flags := n.Fields["flags"]
	if flags == nil || len(flags.Fields)+len(flags.Items) == 0 {
		return false
	}
	for _, f := range flags.Fields {
		if !isFlag(f) {
			return false
		}
	}
	for _, f := range flags.Items {
		if !isFlag(f) || !isText(f.Fields["key"]) {
			return false
		}
	}
	return true
}

func isFlag(n *diff.Node) bool {
	return n.IsMap && (n.Fields["state"] != nil || n.Fields["variants"] != nil || n.Fields["defaultVariant"] != nil)
}

// flagd gives the flags by their keys, however the file lists them (flags.json of open-feature/flagd-schemas allows both), and takes
// out what says nothing: $schema, and targeting without a rule.
func (in *input) flagd(n *diff.Node) (*diff.Node, error) {
	flags := n.Fields["flags"]
	byKey := mapping(flags)
	for k, f := range flags.Fields {
		byKey.Fields[k] = targeted(f)
	}
	for _, f := range flags.Items {
		key := f.Fields["key"]
		if first := byKey.Fields[key.Value]; first != nil {
			return nil, in.errorAt(key.Line, key.Column, "the flag %s stands here twice, first at line %d", shownKey(key.Value), first.Line)
		}
		byKey.Fields[key.Value] = targeted(with(f, "key", nil))
	}
	return with(with(n, "flags", byKey), "$schema", nil), nil
}

// targeted takes out targeting that has no rule.
func targeted(flag *diff.Node) *diff.Node {
	if t := flag.Fields["targeting"]; t != nil && (t.Type == "null" || t.IsMap && len(t.Fields) == 0) {
		return with(flag, "targeting", nil)
	}
	return flag
}
