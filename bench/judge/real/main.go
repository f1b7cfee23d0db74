// Command real measures the judge of deploys on real monitoring series. README.md beside it says how to run it and what its numbers mean.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/judge/real:", err)
		os.Exit(1)
	}
}

type options struct {
	data    string
	only    string
	points  int
	most    int
	earlier int
	alarms  bool
	curve   bool
}

func run(args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("real", flag.ContinueOnError)
	fs.StringVar(&o.data, "data", "", "`DIR` that the data sets are below")
	fs.StringVar(&o.only, "series", "", "only series whose name contains this `TEXT`")
	fs.IntVar(&o.points, "points", 12, "length of the window in points")
	fs.IntVar(&o.most, "deploys", 300, "at most so many deploys of a series")
	fs.IntVar(&o.earlier, "earlier", 0, "so many earlier good deploys of the series to learn a warm-up from")
	fs.BoolVar(&o.alarms, "alarms", false, "tell every false alarm of bakegate")
	fs.BoolVar(&o.curve, "curve", false, "compare the rules at several strictnesses instead")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.data == "" || o.points < 1 || o.most < 1 {
		return errors.New("got no data or an empty window, want -data DIR")
	}
	all, err := load(o.data, o.only)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("-data %s: no series that is known is below it", o.data)
	}
	if o.curve {
		return compare(all, o, out)
	}
	var ts []*tally
	for i := range all {
		for _, r := range readings(all[i].name) {
			t, err := measure(&all[i], r, o, out)
			if err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
			ts = append(ts, t)
		}
	}
	return write(out, ts)
}

func measure(s *series, r reading, o options, out io.Writer) (*tally, error) {
	t := &tally{name: s.name, as: r.name}
	for _, d := range s.deploys(o.points, o.most, o.earlier) {
		learnt, err := json.Marshal(learn(r, d, defaultAlpha)) // each size is judged by a copy
		if err != nil {
			return nil, err
		}
		for i, size := range sizes {
			if i > 0 && mean(values(d.after, 1)) == 0 {
				break // no factor changes it
			}
			j := &judge.Deploy{}
			if err := json.Unmarshal(learnt, j); err != nil {
				return nil, err
			}
			f := r.harm(size)
			v := play(j, r.samples(d.after, f))
			t.add(i, v.Status, kayentaDefault.worse(r, d, f))
			if o.alarms && i == 0 && v.Status == judge.Fail {
				tell(out, t, r, d, v)
			}
		}
	}
	return t, nil
}

// tell writes what is needed to look a false alarm up.
func tell(out io.Writer, t *tally, r reading, d deploy, v judge.Verdict) {
	day := values(d.before, 1)
	hour := day[max(0, len(day)-len(d.after)):]
	fmt.Fprintf(out, "%s, %s, %s: mean of the day %.4g, of the window before %.4g, of the window %.4g, evidence %.3g. %s\n",
		t.name, r.name, d.after[0].at.Format(time.DateTime), mean(day), mean(hour), mean(values(d.after, 1)), v.Evidence, v.Sentence)
}
