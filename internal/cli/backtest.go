package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/verdict"
)

// backtestOptions are the flags of bakegate backtest beside the usual ones.
type backtestOptions struct {
	from  string // ledger, markers, every, or a file
	times string
	every time.Duration
	days  int
	all   bool
}

const (
	defaultEvery = 6 * time.Hour
	defaultDays  = 14
	maxPast      = 5000
)

// backtestCommand replays the bake over deploys that are long over, and says what it would have said.
func backtestCommand(ctx context.Context, a *app, args []string) int {
	var b backtestOptions
	o, err := a.parse("backtest", args, func(fs *flag.FlagSet, _ *options) {
		fs.StringVar(&b.times, "times", "", "`FILE` of deploys: on each line a time (RFC 3339), then good or bad where that is known, then a name")
		fs.StringVar(&b.from, "from", "", "where the deploys are known from: ledger, markers (the tool under mark), or every, where nothing was deployed")
		fs.DurationVar(&b.every, "every", 0, "replay at times `SO LONG` apart, as if something had been deployed (default 6h)")
		fs.IntVar(&b.days, "days", defaultDays, "how many `DAYS` to look back (default 14)")
		fs.BoolVar(&b.all, "all", false, "list every replay, not only those that say something")
	})
	if err != nil {
		return a.exit(err)
	}
	l, err := a.load(ctx, o)
	if err != nil {
		return a.exit(err)
	}
	if l.file.Bake == nil {
		return a.usage(errors.New("bakegate backtest: the configuration has no bake section, and no flag says what to watch"))
	}
	past, told, err := l.past(ctx, b)
	if err != nil {
		return a.exit(err)
	}
	return l.backtest(ctx, past, told, b.all)
}

// past finds the times to replay, and says where they are from.
func (l *loaded) past(ctx context.Context, b backtestOptions) ([]bake.Past, string, error) {
	if b.days < 1 || b.days > 400 {
		return nil, "", usagef("--days %d: want 1 to 400", b.days)
	}
	to := time.Now().UTC()
	from := to.Add(-time.Duration(b.days) * 24 * time.Hour)
	var past []bake.Past
	var told string
	var err error
	switch {
	case b.times != "":
		past, err = readTimes(b.times)
		told = "the times in " + clean.Cut(b.times, 100)
	case b.every > 0 || b.from == "every":
		past, told = every(b.every, from, to)
	case b.from == "markers":
		past, told, err = l.marked(ctx, from, to)
	case b.from == "ledger", b.from == "":
		past, told = l.recorded(from), "the deploys in the ledger"
		if len(past) == 0 && b.from == "" {
			past, told = every(b.every, from, to)
		}
	default:
		return nil, "", usagef("--from %q: want ledger, markers or every", b.from)
	}
	if err != nil {
		return nil, "", err
	}
	past = over(past, to.Add(-l.bakePlan().Options.Window-time.Minute))
	if len(past) == 0 {
		return nil, "", usagef("backtest: %s gave no deploy in the last %d days whose window is over: give --every 6h, --times FILE or more --days", told, b.days)
	}
	if len(past) > maxPast {
		return nil, "", usagef("backtest: got %d times, want at most %d: give fewer --days or a longer --every", len(past), maxPast)
	}
	return past, told, nil
}

// every makes times at which nothing was deployed, as far as anybody says.
func every(d time.Duration, from, to time.Time) ([]bake.Past, string) {
	if d <= 0 {
		d = defaultEvery
	}
	d = max(d, time.Minute)
	var out []bake.Past
	for t := from.Truncate(time.Minute); t.Before(to) && len(out) <= maxPast; t = t.Add(d) {
		out = append(out, bake.Past{Started: t, Truth: bake.None})
	}
	return out, fmt.Sprintf("every %s, as if something had been deployed", d)
}

// over keeps what ended before a time.
func over(past []bake.Past, end time.Time) []bake.Past {
	var out []bake.Past
	for _, p := range past {
		if p.Started.Before(end) && p.Serving.Before(end) {
			out = append(out, p)
		}
	}
	return out
}

// recorded are the deploys of this environment in the ledger.
func (l *loaded) recorded(from time.Time) []bake.Past {
	var out []bake.Past
	here := l.here()
	for _, r := range here {
		if r.Kind != record.Started || !r.Deploy.Known() || r.Deploy.Started.Before(from) {
			continue
		}
		p := bake.Past{Started: r.Deploy.Started, Name: r.Release.Version, Truth: bake.Unclear}
		if _, f := record.Of(here, r.DeployID); f.DeployID != "" {
			p.Serving, p.Recorded, p.Truth = f.Deploy.Serving, string(f.Verdict), truthOf(string(f.Verdict))
		}
		out = append(out, p)
	}
	return out
}

func truthOf(v string) bake.Truth {
	switch verdict.Name(v) {
	case verdict.NamePass:
		return bake.Good
	case verdict.NameRollback, verdict.NameHold:
		return bake.Bad
	}
	return bake.Unclear
}

// marked are the deploys that the tools under mark know.
func (l *loaded) marked(ctx context.Context, from, to time.Time) ([]bake.Past, string, error) {
	for _, s := range l.file.Mark {
		lister, ok := s.Sink.(sink.Lister)
		if !ok {
			continue
		}
		ms, err := lister.List(ctx, sink.Marker{Service: l.file.Service, Environment: l.file.Environment}, from, to)
		if err != nil {
			return nil, "", fmt.Errorf("mark.%s: %w", s.Kind, err)
		}
		var out []bake.Past
		for _, m := range ms {
			out = append(out, bake.Past{Started: m.Started, Name: m.Version, Recorded: m.Verdict, Truth: truthOf(m.Verdict)})
		}
		return out, "the markers in " + s.Kind, nil
	}
	return nil, "", usagef("--from markers: none of the tools under mark can list its markers (grafana and datadog can)")
}

// readTimes reads a list of deploys.
func readTimes(path string) ([]bake.Past, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	var out []bake.Past
	sc := bufio.NewScanner(io.LimitReader(f, 4<<20))
	for n := 1; sc.Scan(); n++ {
		fields := strings.Fields(sc.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t, err := time.Parse(time.RFC3339, fields[0])
		if err != nil {
			return nil, usagef("%s:%d: got %q, want a time as RFC 3339 (2026-11-21T14:05:00Z), then good or bad, then a name", path, n, clean.Cut(fields[0], 60))
		}
		p := bake.Past{Started: t.UTC(), Truth: bake.Unclear}
		rest := fields[1:]
		if len(rest) > 0 && (rest[0] == "good" || rest[0] == "bad" || rest[0] == "none") {
			p.Truth, rest = bake.Truth(rest[0]), rest[1:]
		}
		p.Name = clean.Cut(strings.Join(rest, " "), 60)
		out = append(out, p)
	}
	return out, sc.Err()
}

// backtest replays and reports.
func (l *loaded) backtest(ctx context.Context, past []bake.Past, told string, all bool) int {
	plan := l.bakePlan()
	bt := bake.Backtest{Options: plan.Options, Sources: plan.Sources, Vars: plan.Vars, Past: past, Progress: l.progress()}
	begin := time.Now()
	rs, err := bt.Run(ctx)
	if err != nil {
		return l.app.exit(fmt.Errorf("backtest: after %d of %d: %w", len(rs), len(past), err))
	}
	sum := plan.Options.Summarise(rs)
	if l.o.format == "json" {
		enc := json.NewEncoder(l.app.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"summary": sum, "replays": rs})
	} else {
		err = writeBacktest(l.app.stdout, told, time.Since(begin), rs, sum, all)
	}
	if err != nil {
		return l.app.exit(err)
	}
	return 0
}

// progress tells now and then how far it is.
func (l *loaded) progress() func(done, all int) {
	last := time.Now()
	return func(done, all int) {
		if done == all || time.Since(last) > 5*time.Second {
			last = time.Now()
			fmt.Fprintf(l.log(), "%s backtest  %d of %d\n", last.UTC().Format(time.TimeOnly), done, all)
		}
	}
}

func writeBacktest(w io.Writer, told string, took time.Duration, rs []bake.Replayed, s bake.BacktestSummary, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d replayed in %s\n\n", told, len(rs), took.Round(100*time.Millisecond))
	line := func(what string, x bake.Share) {
		if x.Of > 0 {
			fmt.Fprintf(&b, "  %-42s %d of %d (%.1f%%, at most %.1f%% with 95%% confidence)\n", what, x.N, x.Of, 100*float64(x.N)/float64(x.Of), 100*x.Upper)
		}
	}
	line("rollbacks where nothing was wrong", s.Good)
	if s.Bad.Of > 0 {
		fmt.Fprintf(&b, "  %-42s %d of %d", "rollbacks of deploys that were bad", s.Bad.N, s.Bad.Of)
		if s.Bad.N > 0 {
			fmt.Fprintf(&b, ", after %s (median)", s.Delay.Round(time.Second))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "  %-42s %d of %d\n", "inconclusive", s.Inconclusive.N, s.Inconclusive.Of)
	if s.Early.N > 0 {
		fmt.Fprintf(&b, "  %-42s %d of %d", "passed before the end of the window", s.Early.N, s.Early.Of)
		if s.EarlyBad > 0 {
			fmt.Fprintf(&b, ", %d of which were bad", s.EarlyBad)
		}
		fmt.Fprintln(&b)
	}
	metricTable(&b, s)
	replayTable(&b, rs, all)
	if len(s.Advice) > 0 {
		fmt.Fprintln(&b, "\nWhat to change")
		for _, a := range s.Advice {
			report.Paragraph(&b, "  - ", a)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func metricTable(b *strings.Builder, s bake.BacktestSummary) {
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  metric\tfalse alarms\talone\tbad ones seen\tbeyond its limit\tno verdict")
	for _, m := range s.Metrics {
		none := 0
		for _, n := range m.NoVerdict {
			none += n
		}
		fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\t%d\n", m.Name, m.FalseAlarms, m.Alone, m.Caught, m.OverLimit, none)
	}
	_ = t.Flush() // a strings.Builder takes everything
}

// maxReplays is how many lines are shown; the rest is in --format json.
const maxReplays = 40

func replayTable(b *strings.Builder, rs []bake.Replayed, all bool) {
	var shown []bake.Replayed
	for _, r := range rs {
		if all || r.Truth != bake.None || r.Verdict != bake.ReplayPass {
			shown = append(shown, r)
		}
	}
	if len(shown) == 0 {
		return
	}
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  time\tit was\twould be\tafter\tby\tname")
	for i, r := range shown {
		if i == maxReplays && !all {
			break
		}
		was := string(r.Truth)
		if r.Recorded != "" {
			was = r.Recorded
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", r.Started.UTC().Format("2006-01-02 15:04"), was, r.Verdict, r.At.Sub(r.Serving).Round(time.Second), clean.Cut(strings.Join(r.By, ", "), 40), clean.Cut(r.Name, 30))
	}
	_ = t.Flush()
	if more := len(shown) - maxReplays; more > 0 && !all {
		fmt.Fprintf(b, "  and %d more (--all)\n", more)
	}
}
