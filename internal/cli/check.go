package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/report"
)

// checkCommand loads the configuration and says what would be done and what is unwise. It asks nobody (but the ledger, where a built
// digest stands in it, and with --live the metrics backends) and writes nothing.
func checkCommand(ctx context.Context, a *app, args []string) int {
	live := false
	o, err := a.parse("check", args, func(fs *flag.FlagSet, _ *options) {
		fs.BoolVar(&live, "live", false, "ask the metrics backends once: what each metric shows now, what is wrong with it, and the smallest harm that it can prove")
	})
	if err != nil {
		return a.exit(err)
	}
	o.offline = true
	l, err := a.load(ctx, o)
	if err != nil {
		return a.exit(err)
	}
	fmt.Fprint(a.stdout, l.description())
	if !live || l.file.Bake == nil {
		return 0
	}
	text, code := l.look(ctx)
	fmt.Fprint(a.stdout, text)
	return code
}

// look says what the metrics show now. What is wrong with one of them is worth an exit code: a pipeline that checks the file sees it.
func (l *loaded) look(ctx context.Context) (text string, code int) {
	var b strings.Builder
	fmt.Fprintln(&b, "\nWhat the metrics show now")
	for _, m := range bake.Look(ctx, l.bakePlan()) {
		report.Paragraph(&b, "  - ", m.String())
		for _, g := range m.Groups {
			report.Paragraph(&b, "      ", g.String())
		}
		for _, t := range m.Wrong {
			code = 1
			report.Paragraph(&b, "      wrong: ", clean.Cut(t, 600))
		}
	}
	return b.String(), code
}

// description says what would be done and what is unwise.
func (l *loaded) description() string {
	var b strings.Builder
	report.Paragraph(&b, "", fmt.Sprintf("%s%s: the configuration has no mistake", dash(l.file.Service), where(l.file.Environment)))
	fmt.Fprintln(&b, "\nWhat would be done")
	for _, row := range l.doing() {
		report.Paragraph(&b, fmt.Sprintf("  %-9s", row[0]), row[1])
	}
	unwise := l.unwise()
	if len(unwise) == 0 {
		fmt.Fprintln(&b, "\nNothing is unwise.")
		return b.String()
	}
	fmt.Fprintln(&b, "\nWhat is unwise")
	for _, s := range unwise {
		report.Paragraph(&b, "  - ", s)
	}
	return b.String()
}

// doing says what each stage would do, a row a line.
func (l *loaded) doing() [][2]string {
	f := l.file
	var rows [][2]string
	add := func(stage, format string, args ...any) {
		rows = append(rows, [2]string{stage, fmt.Sprintf(format, args...)})
	}
	if f.Verify != nil {
		for i, image := range f.Verify.Images {
			add("verify", "%s must be %s (%s)", image.Image, l.built[i].Digest, l.built[i].Origin)
		}
		if f.Verify.Signature != nil {
			add("verify", "every image must be signed")
		}
		for _, a := range f.Verify.Attestations {
			add("verify", "every image must have a signed attestation: %s", clean.Cut(a.Type, 120))
		}
		for _, d := range f.Verify.Deployed {
			when := "before the deploy"
			if d.Source.Behind() {
				when = "behind the deploy, at the end"
			}
			add("verify", "what %s says must be these images (asked %s)", d.Kind, when)
		}
	}
	if f.Diff != nil {
		add("diff", "two states are compared; %d rules say what may differ, %d what must not", len(f.Diff.Expect), len(f.Diff.Forbid))
	}
	for _, m := range f.Mark {
		add("mark", "%s", m.Kind)
	}
	if f.Bake != nil {
		doing, _ := advice(bake.Describe(l.bakePlan()))
		for _, s := range doing {
			add("bake", "%s", s)
		}
	}
	if l.ledger != nil {
		add("record", "%s", l.ledger)
	}
	if f.Rollback != nil && f.Rollback.Command != "" {
		add("rollback", "it would be: %s (printed, never run)", f.Rollback.Command)
	}
	return rows
}

// unwise lists what works and will hurt one day.
func (l *loaded) unwise() []string {
	var out []string
	for _, w := range slices.Concat(l.file.Warnings, l.file.NotYet) {
		out = append(out, w.String())
	}
	if err := l.versioned(); err != nil {
		out = append(out, err.Error())
	}
	f := l.file
	switch {
	case l.ledger == nil:
		out = append(out, "there is no ledger (record:): a deploy that is taken over by another is not seen, the last good one is not known, and a run whose "+
			"out directory is lost can't be resumed")
	case f.Record.Kind == "directory" && l.hosted():
		out = append(out, "the ledger is a directory, and a hosted runner's disk goes with the job: use record: {registry: ...}")
	}
	if f.Verify == nil {
		out = append(out, "there is no verify: whether the image that runs is the one that was built is not checked")
	}
	if f.Bake == nil {
		out = append(out, "there is no bake: nobody looks whether the new version works")
	} else {
		_, unwise := advice(bake.Describe(l.bakePlan()))
		out = append(out, unwise...)
	}
	if f.Rollback == nil || f.Rollback.Command == "" {
		out = append(out, "there is no rollback.command: the report can't print what a tired person should run")
	}
	return out
}

// hosted says whether the disk of this machine ends with the job.
func (l *loaded) hosted() bool {
	return l.app.env.get("RUNNER_ENVIRONMENT") == "github-hosted" || strings.Contains(l.app.env.get("CI_RUNNER_TAGS"), "saas-")
}
