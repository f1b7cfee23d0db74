package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/bakegate/bakegate/internal/judge"
)

// setting is a rule at one strictness, and what it said.
type setting struct {
	rule, strict string
	ours         bool
	says         func(r reading, d deploy, factor float64) bool
	n, worse     [len(sizes)]int
}

// settings are bakegate at several alphas, and Mann-Whitney as Kayenta has it, with more confidence, and with a least effect.
func settings() (all []*setting) {
	for _, alpha := range []float64{0.001, defaultAlpha, 0.03, 0.1} {
		all = append(all, &setting{rule: "bakegate", strict: fmt.Sprintf("alpha %g", alpha), ours: true, says: func(r reading, d deploy, f float64) bool {
			return play(learn(r, d, alpha), r.samples(d.after, f)).Status == judge.Fail
		}})
	}
	for _, k := range []kayenta{kayentaDefault, {3.09, 1}, {3.72, 1}, {2.326, 1.25}, {2.326, 1.5}, {2.326, 1.75}, {2.326, 2}, {2.326, 2.5}, {2.326, 3}} {
		all = append(all, &setting{rule: "Mann-Whitney", strict: fmt.Sprintf("z %.2f, effect x%g", k.confidence, k.effect), says: k.worse})
	}
	return all
}

// compare says what each rule detects at each rate of false alarms, so that rules can be compared where these are equal.
func compare(all []series, o options, out io.Writer) error {
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	fmt.Fprint(w, "read as\trule\tstrictness\tdeploys\tfalse alarms %\tdetected x2 %\tdetected x3 %\n")
	for _, as := range []reading{gauge, down, up} {
		cs := settings()
		for i := range all {
			for _, r := range readings(all[i].name) {
				if r.name == as.name {
					judgeAll(&all[i], r, o, cs)
				}
			}
		}
		if cs[0].n[0] == 0 {
			continue
		}
		for _, c := range cs {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d", as.name, c.rule, c.strict, c.n[0])
			for i := range sizes {
				fmt.Fprintf(w, "\t%.2f", c.percent(i))
			}
			fmt.Fprintln(w)
		}
		equal(w, as.name, cs)
	}
	return w.Flush()
}

func judgeAll(s *series, r reading, o options, cs []*setting) {
	for _, d := range s.deploys(o.points, o.most, o.earlier) {
		still := mean(values(d.after, 1)) == 0 // no factor changes it
		for _, c := range cs {
			for i, size := range sizes {
				if i > 0 && still {
					break
				}
				c.n[i]++
				if c.says(r, d, r.harm(size)) {
					c.worse[i]++
				}
			}
		}
	}
}

func (c *setting) percent(size int) float64 {
	return 100 * float64(c.worse[size]) / float64(max(1, c.n[size]))
}

// equal tells, for bakegate at each alpha, what the best Mann-Whitney detects that has no more false alarms than it.
func equal(w io.Writer, as string, cs []*setting) {
	for _, c := range cs {
		if !c.ours {
			continue
		}
		var best [len(sizes)]float64
		for _, k := range cs {
			if k.ours || k.worse[0] > c.worse[0] {
				continue
			}
			for i := range sizes {
				best[i] = max(best[i], k.percent(i))
			}
		}
		fmt.Fprintf(w, "%s\tbest Mann-Whitney\tas few as %s\t%d\t%.2f\t%.2f\t%.2f\n", as, c.strict, c.n[0], best[0], best[1], best[2])
	}
}
