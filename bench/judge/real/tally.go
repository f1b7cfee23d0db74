package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/bakegate/bakegate/internal/judge"
)

// sizes of the harm injected: so many times worse; the first is none.
var sizes = [...]float64{1, 2, 3}

// tally counts the verdicts on one series as it was read.
type tally struct {
	name, as  string
	n         [len(sizes)]int
	worse     [len(sizes)][2]int // said by bakegate, by Mann-Whitney; of n
	undecided int                // by bakegate, without harm
}

func (t *tally) add(size int, s judge.Status, mannWhitney bool) {
	t.n[size]++
	if s == judge.Fail {
		t.worse[size][0]++
	}
	if mannWhitney {
		t.worse[size][1]++
	}
	if s == judge.Unknown && size == 0 {
		t.undecided++
	}
}

func (t *tally) plus(o *tally) {
	t.undecided += o.undecided
	for i := range sizes {
		t.n[i] += o.n[i]
		t.worse[i][0] += o.worse[i][0]
		t.worse[i][1] += o.worse[i][1]
	}
}

// limits is a share and its 95% interval (Wilson), in percent.
func limits(k, n int) string {
	if n == 0 {
		return "-"
	}
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return fmt.Sprintf("%.1f (%.1f-%.1f)", 100*p, 100*math.Max(0, mid-half), 100*math.Min(1, mid+half))
}

func write(out io.Writer, ts []*tally) error {
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	fmt.Fprint(w, "percent (95%)\t\t\tinconclusive\tfalse alarms\t\tdetected x2\t\tdetected x3\t\n")
	fmt.Fprint(w, "series\tread as\tdeploys\tbakegate\tbakegate\tMann-Whitney\tbakegate\tMann-Whitney\tbakegate\tMann-Whitney\n")
	sums := []*tally{{name: "all", as: gauge.name}, {name: "all", as: down.name}, {name: "all", as: up.name}, {name: "all", as: "any"}}
	for _, t := range ts {
		t.write(w)
		for _, s := range sums {
			if s.as == t.as || s.as == "any" {
				s.plus(t)
			}
		}
	}
	for _, s := range sums {
		s.write(w)
	}
	return w.Flush()
}

func (t *tally) write(w io.Writer) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%s", t.name, t.as, t.n[0], limits(t.undecided, t.n[0]))
	for i := range sizes {
		fmt.Fprintf(w, "\t%s\t%s", limits(t.worse[i][0], t.n[i]), limits(t.worse[i][1], t.n[i]))
	}
	fmt.Fprintln(w)
}
