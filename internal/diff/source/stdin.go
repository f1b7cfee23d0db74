package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// StdinOptions is the block `stdin:`: the state that is piped into bakegate. Written as a scalar it is Format.
type StdinOptions struct {
	Format string `yaml:"format"` // auto (default: told by the content), yaml, json, toml, dotenv, properties, ini, tfvars
	Name   string `yaml:"name"`   // what the file is called where its content has no name of its own: app.yaml
}

// UnmarshalText reads the scalar form.
func (o *StdinOptions) UnmarshalText(b []byte) error {
	o.Format = string(b)
	return nil
}

// stdinEndings are the ends of names by which a format is told.
var stdinEndings = map[string]string{"": "", "auto": "", "yaml": ".yaml", "json": ".json", "toml": ".toml", "dotenv": ".env", "properties": ".properties", "ini": ".ini", "tfvars": ".tfvars"}

type stdinSource struct {
	StdinOptions
	env    Env
	limits limits
}

func buildStdin(decode func(any) error) (Source, error) {
	s := &stdinSource{limits: defaultLimits}
	if err := decode(&s.StdinOptions); err != nil {
		return nil, err
	}
	if _, ok := stdinEndings[s.Format]; !ok {
		return nil, fmt.Errorf("got %q, want the format: %s", clean.Cut(s.Format, 60), strings.Join(formats(), ", "))
	}
	return s, nil
}

func formats() []string {
	var names []string
	for n := range stdinEndings {
		if n != "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// Use implements Wants.
func (s *stdinSource) Use(e Env) { s.env = e }

// Snapshot reads standard input to its end.
func (s *stdinSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: "standard input"}
	if s.env.Stdin == nil {
		return t, errors.New("stdin: nothing is piped into bakegate")
	}
	data, err := s.read(ctx)
	switch {
	case err != nil:
		return t, fmt.Errorf("stdin: %w", err)
	case len(strings.TrimSpace(string(data[:min(len(data), 4096)]))) == 0 && len(data) < 4096:
		return t, errors.New("stdin: got nothing: did the command before the pipe fail?")
	}
	g := gather(s.limits, s.env.Documents)
	if err := g.end(g.File("stdin", orWord(s.Name, "stdin"+stdinEndings[s.Format]), data, true)); err != nil {
		return t, err
	}
	return t, g.into(&t)
}

// read ends with the context, whatever is at the other end of the pipe.
func (s *stdinSource) read(ctx context.Context) ([]byte, error) {
	type reply struct {
		data []byte
		err  error
	}
	done := make(chan reply, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(s.env.Stdin, s.limits.total+1))
		done <- reply{data, err}
	}()
	select {
	case r := <-done:
		if r.err == nil && int64(len(r.data)) > s.limits.total {
			r.err = fmt.Errorf("it has more than %d bytes", s.limits.total)
		}
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
