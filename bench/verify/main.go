// Command verify measures `bakegate verify` against `cosign verify --key`: the same image, the same registry, one after the other in turn.
// README.md beside it says how to run it and what its numbers mean.
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
	"text/tabwriter"
	"time"
)

// Goals of the product, for -check.
const (
	mostRatio    = 0.5 // of cosign's median wall time
	mostRequests = 5
	mostAtOnce   = 8 // requests in flight to one registry: the default of registries.HOST.at-once
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/verify:", err)
		os.Exit(1)
	}
}

// bench is what a run needs.
type bench struct {
	out              io.Writer
	dir              string // temporary
	bakegate, cosign string // cosign: "" where there is none
	rounds, images   int
	delay            time.Duration
	proxy            *proxy
	signer           signer
	outs             int // out directories so far
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("verify", flag.ContinueOnError)
	b := &bench{out: out}
	fs.StringVar(&b.bakegate, "bakegate", "", "`PATH` of bakegate (default: build it from this module)")
	fs.StringVar(&b.cosign, "cosign", os.Getenv("COSIGN"), "`PATH` of cosign (default: $COSIGN, or cosign in PATH)")
	fs.IntVar(&b.rounds, "n", 20, "how `OFTEN` each command is run")
	fs.IntVar(&b.images, "images", 20, "how `MANY` images are verified at once")
	fs.DurationVar(&b.delay, "delay", 20*time.Millisecond, "how `LONG` the registry takes for each answer while many images are verified at once")
	check := fs.Bool("check", false, "fail where a goal is missed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-verify-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	if err := b.prepare(ctx); err != nil {
		return err
	}
	reg, err := startRegistry(ctx, dir)
	if err != nil {
		return err
	}
	defer reg.stop()
	if b.proxy, err = startProxy(reg.addr); err != nil {
		return err
	}
	defer b.proxy.stop()
	missed, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if *check && len(missed) > 0 {
		return fmt.Errorf("missed: %v", missed)
	}
	return nil
}

// prepare finds the commands and makes a key.
func (b *bench) prepare(ctx context.Context) error {
	if b.cosign == "" {
		b.cosign, _ = exec.LookPath("cosign") // none: the comparison is not run
	}
	if b.bakegate == "" {
		b.bakegate = filepath.Join(b.dir, "bakegate")
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", b.bakegate, "github.com/bakegate/bakegate")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building bakegate: %w\n%s", err, said)
		}
	}
	var err error
	b.signer, err = newSigner(b.dir)
	return err
}

// measure does all of it and prints the table. It returns the goals that were missed.
func (b *bench) measure(ctx context.Context) (missed []string, err error) {
	im, err := b.push(ctx, "one")
	if err != nil {
		return nil, err
	}
	ours, theirs, err := b.inTurn(ctx, im)
	if err != nil {
		return nil, err
	}
	many, err := b.many(ctx)
	if err != nil {
		return nil, err
	}
	return b.print(ours, theirs, many), nil
}

// series is one command's runs.
type series struct {
	took     []time.Duration // wall time
	cpu      []time.Duration // user and system
	requests int             // of the last run
	paths    []string
	atOnce   int
}

func (s series) median() time.Duration { return quantile(s.took, 0.5) }

func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Clone(ds)
	slices.Sort(ds)
	return ds[int(q*float64(len(ds)-1))]
}

// inTurn runs both commands n times, one after the other, so that a busy moment of the machine meets both. The first run of each, which
// reads the binary from the disk, does not count.
func (b *bench) inTurn(ctx context.Context, im image) (ours, theirs series, err error) {
	config, err := b.config(im)
	if err != nil {
		return ours, theirs, err
	}
	for i := range b.rounds + 1 {
		if err = b.time(&ours, i > 0, b.verify(ctx, config)); err != nil {
			return ours, theirs, err
		}
		if b.cosign == "" {
			continue
		}
		if err = b.time(&theirs, i > 0, b.cosignVerify(ctx, im)); err != nil {
			return ours, theirs, err
		}
	}
	return ours, theirs, nil
}

// time runs a command, which must succeed.
func (b *bench) time(s *series, counts bool, cmd *exec.Cmd) error {
	b.proxy.forget()
	begin := time.Now()
	said, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, said)
	}
	if counts {
		s.took = append(s.took, took)
		s.cpu = append(s.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	s.paths, s.atOnce = b.proxy.seen()
	s.requests = len(s.paths)
	return nil
}

// verify runs in an out directory of its own, as a job that starts in a fresh workspace does.
func (b *bench) verify(ctx context.Context, config string) *exec.Cmd {
	b.outs++
	cmd := exec.CommandContext(ctx, b.bakegate, "verify", "--config", config, "--format", "json", "--out", filepath.Join(b.dir, fmt.Sprint("out-", b.outs)))
	cmd.Dir, cmd.Env = b.dir, b.env()
	return cmd
}

// cosignVerify spares cosign what it would fetch over the network: an empty trusted root is enough for a key without the log.
func (b *bench) cosignVerify(ctx context.Context, im image) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.cosign, "verify", "--key", b.signer.public, "--insecure-ignore-tlog=true", "--trusted-root", b.signer.emptyRoot, im.ref)
	cmd.Dir, cmd.Env = b.dir, b.env()
	return cmd
}

// env is the same small environment for both: no login, no proxy, no CI platform.
func (b *bench) env() []string { return []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")} }

// many verifies many images in one run of bakegate, against a registry that takes its time.
func (b *bench) many(ctx context.Context) (series, error) {
	var s series
	var ims []image
	for i := range b.images {
		im, err := b.push(ctx, fmt.Sprintf("many-%d", i))
		if err != nil {
			return s, err
		}
		ims = append(ims, im)
	}
	config, err := b.config(ims...)
	if err != nil {
		return s, err
	}
	b.proxy.slow(b.delay)
	defer b.proxy.slow(0)
	return s, b.time(&s, true, b.verify(ctx, config))
}

func (b *bench) print(ours, theirs, many series) (missed []string) {
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	row := func(what string, s series) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", what, ms(s.median()), ms(quantile(s.took, 0)), ms(quantile(s.took, 1)), ms(quantile(s.cpu, 0.5)), s.requests)
	}
	goal := func(ok bool, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if ok {
			fmt.Fprintln(b.out, "met:   ", text)
			return
		}
		missed = append(missed, text)
		fmt.Fprintln(b.out, "missed:", text)
	}
	fmt.Fprintf(t, "one image, signed with a key, %d runs in turn\tmedian\tleast\tmost\tCPU\trequests\n", b.rounds)
	row("bakegate verify", ours)
	if b.cosign != "" {
		row("cosign verify --key", theirs)
	}
	_ = t.Flush() // nothing can be done where standard output is gone
	fmt.Fprintf(b.out, "\n%d images in one run, %s for each answer: %s, %d requests, at most %d in flight\n\n", b.images, b.delay, ms(many.median()), many.requests, many.atOnce)
	if b.cosign == "" {
		fmt.Fprintln(b.out, "not run: the comparison; there is no cosign in PATH or COSIGN")
	} else {
		ratio := float64(ours.median()) / float64(theirs.median())
		goal(ratio <= mostRatio, "wall time %.2f of cosign's, want at most %.2f", ratio, mostRatio)
	}
	goal(ours.requests <= mostRequests, "%d requests for one image, want at most %d", ours.requests, mostRequests)
	goal(many.atOnce <= mostAtOnce, "%d requests in flight to one registry, want at most %d", many.atOnce, mostAtOnce)
	fmt.Fprintln(b.out, "\nrequests of bakegate:", list(ours.paths))
	if b.cosign != "" {
		fmt.Fprintln(b.out, "requests of cosign:  ", list(theirs.paths))
	}
	return missed
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
