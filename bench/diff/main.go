// Command diff measures the comparison of two states against `dyff between`: the same files, one tool after the other in turn. README.md
// beside it says how to run it and what its numbers mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/diff:", err)
		os.Exit(1)
	}
}

// bench is what a run needs.
type bench struct {
	out    io.Writer
	dir    string
	self   string // this program, which compares when it is called so
	dyff   string // "" where there is none
	cli    string // bakegate, "" where it is not asked for
	sizes  []int
	rounds int
	check  bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	switch { // this program calls itself
	case len(args) == 3 && args[0] == "compare":
		return compare(ctx, args[1], args[2], out)
	case len(args) == 4 && args[0] == "make":
		return write(args[1], args[2], args[3], out)
	}
	b := &bench{out: out}
	fs := flag.NewFlagSet("diff", flag.ContinueOnError)
	sizes := fs.String("docs", "100,1000,5000", "`NUMBERS` of documents in a state")
	fs.StringVar(&b.dyff, "dyff", "", "`PATH` of dyff (default: dyff in PATH)")
	fs.StringVar(&b.cli, "bakegate", "", "`PATH` of bakegate, to measure its command line too")
	fs.IntVar(&b.rounds, "n", 3, "how `OFTEN` each is run")
	fs.BoolVar(&b.check, "check", false, "fail where a goal is missed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 100 || n > 100_000 {
			return fmt.Errorf("-docs: got %q, want numbers from 100 to 100000", s)
		}
		b.sizes = append(b.sizes, n)
	}
	if b.dyff == "" {
		b.dyff, _ = exec.LookPath("dyff")
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench-diff-*"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return b.measure(ctx)
}

// measure runs every case and writes the table.
func (b *bench) measure(ctx context.Context) error {
	if b.dyff == "" {
		fmt.Fprintln(b.out, "dyff is not in PATH: the comparison was not run")
	}
	w := tabwriter.NewWriter(b.out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tdocuments\ttool\tCPU s\tmost memory MB\twall s\tlines told\tdifferences made")
	var missed []string
	for _, docs := range b.sizes {
		for _, c := range cases {
			rows, err := b.one(ctx, c, docs)
			if err != nil {
				return fmt.Errorf("%s, %d documents: %w", c.name, docs, err)
			}
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%d\t%s\t%.2f\t%.0f\t%.2f\t%d\t%d\n", c.name, docs, r.tool, r.cpu.Seconds(), r.memory/1e6, r.wall.Seconds(), r.lines, r.made)
			}
			missed = append(missed, c.missed(docs, rows[0])...)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if b.check && len(missed) > 0 {
		return fmt.Errorf("goals missed: %s", strings.Join(missed, "; "))
	}
	return nil
}

// row is a line of the table.
type row struct {
	tool string
	cost
	made int // the differences that were made: more lines are noise
}

// tool is a command that compares two files.
type tool struct {
	name string
	args func(previous, target string) []string
}

func (b *bench) tools() []tool {
	ts := []tool{{"bakegate (library)", func(p, t string) []string { return []string{b.self, "compare", p, t} }}}
	if b.cli != "" {
		ts = append(ts, tool{"bakegate diff", func(p, t string) []string { return []string{b.cli, "diff", "--previous", p, "--target", t} }})
	}
	if b.dyff != "" {
		ts = append(ts, tool{"dyff", func(p, t string) []string { return []string{b.dyff, "between", "-s", "-c", "off", "-b", "-i", p, t} }})
	}
	return ts
}

func (b *bench) one(ctx context.Context, c benchCase, docs int) ([]row, error) {
	previous, target := filepath.Join(b.dir, "previous.yaml"), filepath.Join(b.dir, "target.yaml")
	// In a process of its own: what this one holds when it starts another counts as the other's memory.
	said, err := exec.CommandContext(ctx, b.self, "make", c.name, strconv.Itoa(docs), b.dir).Output()
	if err != nil {
		return nil, err
	}
	made, err := strconv.Atoi(strings.TrimSpace(string(said)))
	if err != nil {
		return nil, err
	}
	tools := b.tools()
	costs := make([][]cost, len(tools))
	for range b.rounds {
		for i, t := range tools { // in turn, so that a busy moment meets all
			x, err := measured(ctx, b.dir, t.args(previous, target))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			costs[i] = append(costs[i], x)
		}
	}
	rows := make([]row, len(tools))
	for i, t := range tools {
		least := slices.MinFunc(costs[i], func(x, y cost) int { return int(x.cpu - y.cpu) })
		rows[i] = row{t.name, least, made}
	}
	return rows, nil
}
