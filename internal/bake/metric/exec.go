package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/command"
)

// ExecOptions is the block of a command of the job's own. A query is the arguments that come behind it, one blank between two; each
// variable stays within its argument, and no shell reads any of it.
type ExecOptions struct {
	Command []Template        `yaml:"command,required"`
	Env     map[string]string `yaml:"env"` // beside PATH, HOME and TMPDIR: nothing of the job's
	Timeout time.Duration     `yaml:"timeout"`
}

const (
	execTimeout = 10 * time.Second
	execOutput  = 1 << 20
)

type execSource struct {
	options ExecOptions
	env     Env
	history bool
	memory  memory
}

var buildExec = built(ExecOptions{Timeout: execTimeout}, newExec)

func newExec(o ExecOptions) (*execSource, error) {
	switch {
	case len(o.Command) == 0 || strings.TrimSpace(string(o.Command[0])) == "":
		return nil, errors.New("command is empty, want a list of the program and its arguments: [./probe, --of, $service]")
	case slices.ContainsFunc(pieces(string(o.Command[0])), func(p piece) bool { return p.variable }):
		return nil, errors.New("a variable stands in the program's name: it may only stand in an argument")
	case o.Timeout <= 0 || o.Timeout > pollTime:
		return nil, fmt.Errorf("timeout %s, want more than 0s and at most %s", o.Timeout, pollTime)
	}
	for name := range o.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, fmt.Errorf("env: %q is no name of a variable", clean.Cut(name, 40))
		}
	}
	s := &execSource{options: o}
	var from, to bool
	for _, a := range o.Command {
		from, to = from || uses("from")(string(a)), to || uses("to")(string(a))
	}
	if from != to {
		return nil, errors.New("of $from and $to one is used, want both or none: they are the window that is asked for")
	}
	s.history = from
	_, err := s.arguments("", webValues{values: values{check: true}, window: true})
	return s, err
}

// pollTime is the longest time that one query may take: the bake gives a poll two minutes.
const pollTime = time.Minute

// Traits implements Source.
func (s *execSource) Traits() Traits { return Traits{History: s.history} }

// Check implements Source.
func (s *execSource) Check(q Query) error {
	if err := q.only("a command gives one number: write bad and total, a gauge, a boolean or an expr", Counter, Gauge, Expr); err != nil {
		return err
	}
	if _, err := s.arguments(q.Text, webValues{values: values{check: true}, window: s.history}); err != nil {
		return fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	return nil
}

// Use implements Wants.
func (s *execSource) Use(e Env) error {
	s.env = e
	return command.Permit(e.AllowCommands, "the command "+clean.Cut(string(s.options.Command[0]), 100))
}

// Range implements Source.
func (s *execSource) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	if s.history {
		return ranges(s.past).all(ctx, queries, from, to, step)
	}
	return s.memory.Range(ctx, queries, from, to, step, func(ctx context.Context, q Query) ([]sample, error) {
		return s.run(ctx, q, webValues{values: q.with(step)})
	})
}

func (s *execSource) past(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	points, err := s.run(ctx, q, webValues{values: q.with(step), window: true, from: w.from, to: w.to, times: "rfc3339"})
	if err != nil {
		return err
	}
	return acc.add(nil, points)
}

// arguments are the words of the command and of the query, with their variables. A value neither makes two words of one nor becomes an
// option.
func (s *execSource) arguments(text string, v webValues) ([]string, error) {
	words := strings.Fields(text)
	if len(words) == 1 && words[0] == "." {
		words = nil // a query can't be empty
	}
	all := slices.Clone(s.options.Command)
	for _, w := range words {
		all = append(all, Template(w))
	}
	args := make([]string, len(all))
	for i, a := range all {
		filled, err := v.each(string(a), func(s string) string { return s })
		switch {
		case err != nil:
			return nil, err
		case strings.ContainsRune(filled, 0):
			return nil, fmt.Errorf("argument %q holds a NUL", clean.Cut(string(a), 60))
		case strings.HasPrefix(filled, "-") && !strings.HasPrefix(string(a), "-"):
			return nil, fmt.Errorf("argument %q becomes an option by its value: put something in front of the variable, as in --of=$service", clean.Cut(string(a), 60))
		}
		args[i] = filled
	}
	return args, nil
}

// run runs the command once and reads what it printed.
func (s *execSource) run(ctx context.Context, q Query, v webValues) ([]sample, error) {
	if err := command.Permit(s.env.AllowCommands, "a command"); err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	args, err := s.arguments(q.Text, v)
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	program, err := s.program(args[0])
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	home, err := os.MkdirTemp("", "bakegate-exec-")
	if err != nil {
		return nil, troublef(BackendDown, "%w", err)
	}
	defer os.RemoveAll(home)
	out, err := command.Command{Program: program, Args: args[1:], Env: s.environment(home), Dir: s.env.Dir, Limit: execOutput, Timeout: s.options.Timeout}.Run(ctx)
	switch {
	case errors.Is(err, command.ErrTooMuch):
		return nil, troublef(Truncated, "%w", err)
	case err != nil:
		return nil, troublef(BackendDown, "%w", err)
	}
	points, err := readPrinted(out, s.history)
	if err != nil {
		return nil, badQuery(fmt.Errorf("%s: %w", clean.Cut(filepath.Base(program), 60), err))
	}
	return points, nil
}

// program finds the program: in PATH, or by its path from the configuration's folder.
func (s *execSource) program(name string) (string, error) {
	switch {
	case filepath.IsAbs(name):
		return name, nil
	case strings.ContainsRune(name, '/'):
		return filepath.Abs(filepath.Join(s.env.Dir, name))
	}
	return command.Program(s.env.Getenv, name)
}

// environment is all that a command gets: no token of the job.
func (s *execSource) environment(home string) []string {
	env := []string{"HOME=" + home, "TMPDIR=" + home}
	if s.env.Getenv != nil {
		env = append(env, "PATH="+s.env.Getenv("PATH"))
	}
	for name, value := range s.options.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// printed is the long form of what a command prints: {"value": 12} or {"points": [[1700000000, 12], ...]}. Null is no data.
type printed struct {
	Value  *float64 `json:"value"`
	Points []point  `json:"points"`
}

// readPrinted reads a number, null, or the long form.
func readPrinted(out []byte, history bool) ([]sample, error) {
	text := strings.TrimSpace(string(out))
	var p printed
	switch {
	case text == "":
		return nil, errors.New(`it printed nothing, want a number, null for no data, or {"value": 12}`)
	case text == "null":
		return nil, nil
	case text[0] == '{':
		dec := json.NewDecoder(bytes.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&p); err != nil {
			return nil, fmt.Errorf(`it printed %q, want {"value": 12} or {"points": [[TIME, 12], ...]}: %w`, clean.Cut(text, 60), err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("it printed something behind the JSON object")
		}
	default:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("it printed %q, want a number", clean.Cut(text, 60))
		}
		p.Value = &v
	}
	switch {
	case p.Value != nil && p.Points != nil:
		return nil, errors.New("it printed value and points, want one of them")
	case p.Value != nil && history:
		return nil, errors.New(`it printed a number, want {"points": [[TIME, 12], ...]}, because the command is given $from and $to`)
	case p.Value != nil:
		return moment(*p.Value), nil
	}
	return sortedPoints(p.Points)
}

// sortedPoints leaves out the points that are null.
func sortedPoints(points []point) ([]sample, error) {
	if len(points) > maxCELPoints {
		return nil, troublef(TooMany, "more than %d points", maxCELPoints)
	}
	var out []sample
	for _, p := range points {
		if p.ok {
			out = append(out, p.sample)
		}
	}
	slices.SortStableFunc(out, func(a, b sample) int { return int(a.ms - b.ms) })
	return out, nil
}
