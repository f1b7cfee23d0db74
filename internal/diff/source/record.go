package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// lastGood stands for the last good deploy of the environment that is deployed to.
const lastGood = "last-good"

// RecordOptions is the block `record:`: the configuration of an earlier deploy, as its record keeps it.
type RecordOptions struct {
	// Environment whose last good deploy is meant, or last-good: that of this environment. Written as a scalar it is this.
	Environment string `yaml:"environment,required"`
}

// UnmarshalText reads the scalar form.
func (o *RecordOptions) UnmarshalText(b []byte) error {
	o.Environment = string(b)
	return nil
}

type recordSource struct {
	RecordOptions
	env Env
}

func buildRecord(decode func(any) error) (Source, error) {
	s := &recordSource{}
	if err := decode(&s.RecordOptions); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Environment) == "" {
		return nil, errors.New("want last-good, or the name of an environment")
	}
	return s, nil
}

// Use implements Wants.
func (s *recordSource) Use(e Env) { s.env = e }

// Snapshot reads the state out of the record. Where no good deploy is recorded, the error wraps ErrNoState.
func (s *recordSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	environment := s.Environment
	if environment == lastGood {
		environment = ""
	}
	t := diff.Tree{Name: clean.Text("record of " + s.Environment)}
	if s.env.State == nil {
		return t, fmt.Errorf("%s: there is no ledger: say under record where the deploys are recorded", t.Name)
	}
	b, name, err := s.env.State(ctx, environment)
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.Name, err)
	}
	kept, err := diff.DecodeState(b)
	if err != nil {
		return t, fmt.Errorf("%s: %s: %w", t.Name, clean.Cut(name, 200), err)
	}
	kept.Name = clean.Text("record of " + name)
	return kept, nil
}
