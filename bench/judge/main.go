// Command judge measures a judge of deploys in a simulated world: services made of pods, good and bad deploys of them, and the telemetry as it is.
// README.md beside it says how to run it and what its numbers mean.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/judge:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	command string
	only    string
	seeds   int
	first   uint64
	bake    int
	workers int
	csv     string
	dump    bool
	list    bool
	check   bool
	bars    bars
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("judge", flag.ContinueOnError)
	fs.StringVar(&o.command, "judge", "", "`COMMAND` of the judge, or naive (default: bakegate of this module)")
	fs.StringVar(&o.only, "case", "", "only classes whose name contains one of these `NAMES`, separated by commas")
	fs.IntVar(&o.seeds, "seeds", 20, "deploys of each class")
	fs.Uint64Var(&o.first, "first", 1, "the first seed")
	fs.IntVar(&o.bake, "bake", 1800, "length of the bake in `SECONDS`")
	fs.IntVar(&o.workers, "workers", 1, "so many judges at a time")
	fs.StringVar(&o.csv, "csv", "", "write every trace's verdict to this `FILE`")
	fs.BoolVar(&o.dump, "dump", false, "write the messages of the first trace, and do not ask a judge")
	fs.BoolVar(&o.list, "list", false, "list the classes")
	fs.BoolVar(&o.check, "check", false, "fail where a bound is missed")
	fs.Float64Var(&o.bars.wrong, "false", 2, "with -check: most false rollbacks, in `PERCENT`")
	fs.Float64Var(&o.bars.worst, "worst", 8, "with -check: most false rollbacks in any class, in `PERCENT`")
	fs.Float64Var(&o.bars.detected, "detected", 85, "with -check: fewest bad deploys detected, in `PERCENT`")
	fs.Float64Var(&o.bars.promoted, "promoted", 7, "with -check: most bad deploys passed, in `PERCENT`")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("got %q, want flags only", fs.Args())
	case o.seeds < 1 || o.workers < 1:
		return o, fmt.Errorf("-seeds %d -workers %d: want 1 or more", o.seeds, o.workers)
	case o.bake < 300 || o.bake%tick != 0:
		return o, fmt.Errorf("-bake %d: want 300 or more, and a multiple of %d", o.bake, int(tick))
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	cs := chosen(o.only)
	switch {
	case len(cs) == 0:
		return fmt.Errorf("-case %s: no class has such a name; -list lists them", o.only)
	case o.list:
		return list(out, cs)
	case o.dump:
		return dump(out, simulate(whole(cs[0], o.first, o.bake)))
	}
	open, done, err := opener(ctx, o.command)
	if err != nil {
		return err
	}
	defer done()
	results, err := measure(ctx, o, cs, open)
	if err != nil {
		return err
	}
	if o.csv != "" {
		if err := save(o.csv, results); err != nil {
			return err
		}
	}
	s := scoreOf(results)
	if err := s.print(out); err != nil {
		return err
	}
	if m := s.misses(o.bars); o.check && len(m) > 0 {
		return fmt.Errorf("bounds missed: %s", strings.Join(m, "; "))
	}
	return nil
}

func chosen(only string) []*class {
	var cs []*class
	for _, c := range classes() {
		for name := range strings.SplitSeq(only, ",") {
			if strings.Contains(c.name, name) {
				cs = append(cs, c)
				break
			}
		}
	}
	return cs
}

// opener says how a judge is started, and what to do when none is needed any more.
func opener(ctx context.Context, command string) (open func(context.Context) (judge, error), done func(), err error) {
	done = func() {}
	switch command {
	case "naive":
		return func(context.Context) (judge, error) { return &naive{}, nil }, done, nil
	case "":
		dir, err := os.MkdirTemp("", "bench-judge-*")
		if err != nil {
			return nil, nil, err
		}
		done = func() { os.RemoveAll(dir) }
		binary := filepath.Join(dir, "bakegate")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/bakegate/bakegate")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			done()
			return nil, nil, fmt.Errorf("go build: %w", err)
		}
		command = binary + " judge --arena"
	}
	return func(ctx context.Context) (judge, error) { return startProcess(ctx, command) }, done, nil
}

func save(path string, results []*result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	w.Write([]string{"class", "bad", "mode", "series", "seed", "onset", "verdict", "t", "delay", "why"}) // an error is kept until Flush
	for _, r := range results {
		delay := ""
		if r.detected() {
			delay = strconv.Itoa(r.t - int(r.onset))
		}
		w.Write([]string{r.class.name, strconv.FormatBool(r.class.bad), r.mode, r.group, strconv.FormatUint(r.seed, 10), strconv.Itoa(int(r.onset)), r.Verdict, strconv.Itoa(r.t), delay, r.Why})
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}
