package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/bakegate/bakegate/internal/config"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
)

// reportCommand renders a journal again.
func reportCommand(_ context.Context, a *app, args []string) int {
	fs := flag.NewFlagSet("report", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	format := fs.String("format", "text", "`FORMAT`: text, json or markdown")
	out := fs.String("out", "bakegate-out", "`DIR` whose journal is rendered, where none is named")
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			a.flagHelp("report", fs)
			return 0
		}
		return a.usage(err)
	}
	path := fs.Arg(0)
	if path == "" {
		path = *out
	}
	if i, err := os.Stat(path); err == nil && i.IsDir() {
		path = filepath.Join(path, record.JournalName)
	}
	if err := render(a.stdout, path, *format); err != nil {
		return a.exit(err)
	}
	return 0
}

func render(w io.Writer, path, format string) error {
	f, err := os.Open(path)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	r, err := report.From(record.Entries(f))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !r.HasVerdict {
		r.Unfinished()
	}
	switch format {
	case "text":
		return r.Text(w, "")
	case "markdown":
		return r.Markdown(w)
	case "json":
		b, err := r.Document().JSON()
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	}
	return usagef("--format %q: want text, json or markdown", format)
}

// historyCommand lists what the ledger knows.
func historyCommand(ctx context.Context, a *app, args []string) int {
	o, err := a.parse("history", args, nil)
	if err != nil {
		return a.exit(err)
	}
	rs, err := a.history(ctx, o)
	if err != nil {
		return a.exit(err)
	}
	if o.format == "json" {
		b, err := json.MarshalIndent(rs, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(b))
		return 0
	}
	printHistory(a.stdout, rs)
	return 0
}

func (a *app) history(ctx context.Context, o *options) ([]record.Record, error) {
	if o.ledger != "" { // needs no configuration
		if _, err := os.Stat(o.ledger); err != nil {
			return nil, usagef("the ledger: %w", err)
		}
		return record.Directory(absolute(o.ledger)).List(ctx, o.service, o.environment)
	}
	l, err := a.load(ctx, o)
	if err != nil {
		return nil, err
	}
	if l.ledger == nil {
		return nil, usagef("there is no ledger: add a record section to the configuration, or give --ledger")
	}
	if l.ledgerErr != nil {
		return nil, l.ledgerErr
	}
	return l.ledger.List(ctx, o.service, o.environment)
}

func printHistory(w io.Writer, rs []record.Record) {
	if len(rs) == 0 {
		fmt.Fprintln(w, "the ledger holds no deploy")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHEN\tSERVICE\tENVIRONMENT\tVERSION\tVERDICT\tDIGEST\tDEPLOY")
	for i := len(rs) - 1; i >= 0; i-- {
		r := rs[i]
		if r.Kind == record.Started {
			if _, f := record.Of(rs, r.DeployID); f.DeployID != "" {
				continue
			}
		}
		what := r.Reason
		if r.Kind == record.Started {
			what = "running"
			if time.Since(r.At) > 24*time.Hour {
				what = "never finished"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.At.UTC().Format("2006-01-02 15:04:05"), r.Release.Service, r.Release.Environment,
			dash(r.Release.Version), what, dash(short(r.Release.Digest)), r.DeployID)
	}
	_ = t.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func short(digest string) string { return digest[:min(len(digest), 19)] }

func schemaCommand(_ context.Context, a *app, _ []string) int {
	_, err := a.stdout.Write(config.Schema())
	if err != nil {
		return a.fail(err)
	}
	return 0
}
