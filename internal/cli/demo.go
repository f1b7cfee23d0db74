package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bakegate/bakegate/internal/demo"
)

// demoDir is what the demo leaves behind.
const demoDir = "bakegate-demo"

// demoCommand runs the real step three times in a world of its own.
func demoCommand(ctx context.Context, a *app, args []string) int {
	if len(args) == 2 && args[0] == "deploy" { // the demo's deploy command
		if err := demo.Deploy(ctx, args[1]); err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, "the new version is out")
		return 0
	}
	if len(args) > 0 {
		return a.usage(fmt.Errorf("bakegate demo takes no arguments, got %q", args[0]))
	}
	if err := a.demo(ctx); err != nil {
		return a.fail(err)
	}
	return 0
}

func (a *app) demo(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := clearDemo(); err != nil {
		return err
	}
	w, err := demo.Start(ctx, demoDir)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "A registry, a Grafana and a shop with real traffic now run in this process.\nThe real step runs three times, with short windows:\n")
	var rows []string
	for i, r := range w.Releases {
		fmt.Fprintf(a.stdout, "\n%s\n%d. %s: %s\n%s\n", strings.Repeat("=", 80), i+1, r.Version, r.Title, strings.Repeat("=", 80))
		row, err := a.demoRun(ctx, w, self, r)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		if w.RollBack(r) {
			fmt.Fprintf(a.stdout, "\nThe pipeline sees the exit code and rolls back, as its job is.\n")
		}
	}
	a.demoEnd(w, rows)
	return nil
}

// clearDemo removes what an earlier demo left, and only that.
func clearDemo() error {
	for _, name := range []string{"out-*", "ledger"} {
		paths, err := filepath.Glob(filepath.Join(demoDir, name))
		if err != nil {
			return err
		}
		for _, p := range paths {
			if err := os.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// demoRun runs the step once, through the same entry as any command line.
func (a *app) demoRun(ctx context.Context, w *demo.World, self string, r demo.Release) (string, error) {
	begin := time.Now()
	env := append([]string{"PATH=" + a.env.get("PATH"), "HOME=" + a.env.get("HOME")}, w.Env(r)...)
	code := Main(ctx, w.Args(self, r), env, a.stdout, a.stderr)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	rep, err := readBack(w.Out(r))
	if err != nil {
		return "", err
	}
	v := rep.Verdict
	if v.Reason != r.Want {
		return "", fmt.Errorf("the demo's release %s should end in %s and ended in %s: please report this, with %s", r.Version, r.Want, v.Reason, w.Out(r))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%s", r.Version, v.Name, v.Reason, code, time.Since(begin).Round(time.Second)), nil
}

func (a *app) demoEnd(w *demo.World, rows []string) {
	fmt.Fprintf(a.stdout, "\n%s\n", strings.Repeat("=", 80))
	t := tabwriter.NewWriter(a.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "release\tverdict\treason\texit\ttook")
	for _, r := range rows {
		fmt.Fprintln(t, r)
	}
	_ = t.Flush()
	fmt.Fprintf(a.stdout, "\nYours to copy: %s/bakegate.yaml. What each run saw and decided: %s/out-*/.\n", demoDir, demoDir)
	fmt.Fprintf(a.stdout, "Grafana has %d annotations, each closed with its verdict. The ledger: bakegate history --ledger %s/ledger\n", len(w.Grafana.Annotations()), demoDir)
}
