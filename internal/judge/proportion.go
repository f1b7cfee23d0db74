package judge

// proportionStep reduces a sample of counts.
func proportionStep(s Sample) step {
	return step{from: s.From, to: s.To, bad: s.Bad, high: s.Bad, total: s.Total}
}

// fitProportion plans the tests of a proportion: one for each upper limit, one against the history.
func (f *fitted) fitProportion(spec *Spec, before []Sample) {
	hist := make([]step, 0, len(before))
	for _, s := range before {
		hist = append(hist, proportionStep(s))
	}
	base := observe(hist)
	known := base.Total >= leastBaseline
	for _, l := range spec.Limits {
		if l.HasMin || !l.HasMax || l.Quantile != 0 || l.Max < 0 {
			f.unjudged(l, "a proportion takes an upper limit from 0 to 1")
			continue
		}
		f.Plans = append(f.Plans, plan{Rule: ruleLimit, Allowed: min(l.Max, 1), Text: limitText(l), Known: known, Base: base})
	}
	if !spec.Compare {
		return
	}
	if !known {
		f.missing(base.Total)
		return
	}
	f.Plans = append(f.Plans, plan{Rule: ruleRatio, Compared: true, Known: true, Base: base})
}
