package diff

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Options say how two states are compared.
type Options struct {
	Rules Rules
	// Today is the day on which it is asked, in the time zone in which rules expire; its time of day does not count.
	Today time.Time
	// Key is what the fingerprints of secrets in records were made with. Without it the secrets of a record can't be compared.
	Key httpx.Secret
}

// Compare says how target differs from previous, what of it the rules expect or forbid, and what to think of it.
//
// The same trees and options give the same bytes. Nothing in the result holds a secret.
func (o Options) Compare(previous, target Tree) Result {
	ps := pairObjects(previous.Objects, target.Objects)
	c := &comparer{mask: newMasker(), rules: newRuleSet(o.Rules, o.Today), prints: newFingerprints(o.Key), amounts: map[[2]string]bool{}}
	c.look(ps)
	c.root = c.mask.name(target.Name)
	r := Result{Previous: c.mask.name(previous.Name), Target: c.mask.name(target.Name)}
	c.tellOnce(ps)
	for _, p := range ps.pairs {
		r.Objects.count(p)
		if !p.identical {
			c.object(p)
		}
	}
	r.Changes, r.Pairs = c.changes, c.paired(ps)
	c.rules.count(r.Changes)
	beyond := c.beyond(ps, previous, target, o.Rules)
	for _, e := range c.rules.expects {
		r.Suppressed = append(r.Suppressed, e.used)
	}
	r.Findings = append(beyond, c.findings(r, skipped(c.mask, previous), skipped(c.mask, target))...)
	return r
}

// Alone judges a target where nothing is known of an earlier state, and says why: what must be there, the checks, the policies and the
// references need only the target. That nothing was compared is noted; a first deploy can't be held up by it.
func (o Options) Alone(target Tree, why string) Result {
	r := o.Compare(target, target)
	r.Previous, r.Pairs = "", nil
	i := slices.IndexFunc(r.Findings, func(f verdict.Finding) bool { return f.Check == "diff/changes" })
	r.Findings[i] = verdict.Finding{Check: "diff/changes", Outcome: verdict.Note, Reason: "no-previous", Doc: "diff-changes",
		Summary: fmt.Sprintf("nothing was compared with %s: %s", r.Target, clean.Cut(why, 300)),
		Hint:    "behind the first deploy that passes there is a state to compare with; a change of a first deploy is not found"}
	return r
}

// look looks at all pairs before they are compared: which are the same, what is secret, and what is in the states that decides how other
// objects are compared.
func (c *comparer) look(ps pairing) {
	for i := range ps.pairs {
		p := &ps.pairs[i]
		p.identical = p.both() && equal(p.previous.Root, p.target.Root)
		switch p.either().Kind {
		case "HorizontalPodAutoscaler", "ScaledObject":
			c.autoscaled = true
		case "ConfigMap", "Secret":
			c.configured = c.configured || !p.identical
		}
	}
	c.mask.learn(ps.pairs)
}

// paired lists the pairs that were found by something else than their name.
func (c *comparer) paired(ps pairing) []Paired {
	var out []Paired
	for _, p := range ps.pairs {
		if p.both() && p.reason != ByName && p.reason != ByVersion {
			out = append(out, Paired{c.identify(p.previous), c.identify(p.target), p.reason, math.Round(p.confidence*100) / 100})
		}
	}
	return out
}

func (c *Counts) count(p pair) {
	if p.previous != nil {
		c.Previous++
	}
	if p.target != nil {
		c.Target++
	}
	switch {
	case p.target == nil:
		c.Missing++
	case p.previous == nil:
		c.Extra++
	default:
		c.Paired++
	}
}

func skipped(m *masker, t Tree) []string {
	out := make([]string, len(t.Skipped))
	for i, s := range t.Skipped {
		out[i] = clean.Text(m.name(s))
	}
	return out
}
