package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The kinds of a Record.
const (
	Started  = "started"
	Finished = "finished"
)

// maxRecord bounds one record that is read from a store.
const maxRecord = 1 << 20

// Store keeps the ledger. Records are immutable and each has a name of its own, so that no writer can lose another's.
type Store interface {
	// Put writes a record and reads it back.
	Put(ctx context.Context, r Record) error
	// List returns the records of one service and environment, oldest first; an empty name means all. A record that cannot be read is
	// an error: a ledger with holes must not look like one without them.
	List(ctx context.Context, service, environment string) ([]Record, error)
	// PutState keeps what a deploy was configured with, which has no secrets in it, and gives the name by which State finds it: its digest.
	// The same state is kept once.
	PutState(ctx context.Context, state []byte) (digest string, err error)
	// State gives what PutState kept. What is not what its digest says is an error.
	State(ctx context.Context, digest string) ([]byte, error)
	String() string // for people: "directory /var/lib/bakegate"
}

// Env is what a store needs beside its options.
type Env struct {
	Dir      string // relative paths start here
	Registry Remotes
}

// Opener makes a store; no I/O happens before the first call of the store.
type Opener func(Env) (Store, error)

// Build makes an opener from a store's options.
type Build func(decode func(options any) error) (Opener, error)

// Stores are the kinds of ledger by the name of their block.
var Stores = map[string]Build{
	"directory": buildDirectory,
	"registry":  buildRegistry,
}

// Spec is the record section: `directory: PATH` or `registry: REPOSITORY`.
type Spec struct {
	Kind string
	Open Opener
}

// Choices lists the keys that may stand in the section.
func (*Spec) Choices() []string { return []string{"directory", "registry"} }

// Choose builds the store named by the key.
func (s *Spec) Choose(kind string, decode func(any) error) error {
	o, err := Stores[kind](decode)
	if err != nil {
		return err
	}
	s.Kind, s.Open = kind, o
	return nil
}

func decodeRecord(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("not a record: %w", err)
	}
	if r.V < 1 || r.V > Version {
		return r, fmt.Errorf("record version %d, this bakegate reads up to %d", r.V, Version)
	}
	if r.Kind != Started && r.Kind != Finished || r.DeployID == "" || r.At.IsZero() {
		return r, errors.New("not a record: kind, deployId or at is missing")
	}
	return r, nil
}

func byTime(rs []Record) []Record {
	sort.SliceStable(rs, func(i, j int) bool { return rs[i].At.Before(rs[j].At) })
	return rs
}

// LastGood is the newest deploy that passed, apart from the one with this id.
func LastGood(rs []Record, except string) (Record, bool) {
	for i := len(rs) - 1; i >= 0; i-- {
		if r := rs[i]; r.Kind == Finished && r.Verdict == verdict.NamePass && r.DeployID != except {
			return r, true
		}
	}
	return Record{}, false
}

// mostRemedied bounds the deploys that one good deploy is said to have made good.
const mostRemedied = 10

// Remedied are the deploys that a good deploy of this digest makes good: those that failed behind the last good one, the newest first. It is
// a rollback where an earlier good deploy had the digest.
func Remedied(rs []Record, deployID, digest string) (failed []Record, rollback bool) {
	for _, r := range slices.Backward(rs) {
		switch {
		case r.Kind != Finished || r.DeployID == deployID:
		case r.Verdict == verdict.NamePass:
			return failed, passedBefore(rs, deployID, digest)
		case r.Verdict.Failed() && len(failed) < mostRemedied:
			failed = append(failed, r)
		}
	}
	return failed, false
}

func passedBefore(rs []Record, deployID, digest string) bool {
	return digest != "" && slices.ContainsFunc(rs, func(r Record) bool {
		return r.Kind == Finished && r.Verdict == verdict.NamePass && r.DeployID != deployID && r.Release.Digest == digest
	})
}

// livesUntil is when a deploy that failed has gone: at the latest where the next one begins, whose own interval follows.
func livesUntil(rs []Record, failed Record) time.Time {
	end := failed.At.Add(undone)
	if failed.Verdict == verdict.NameHold {
		end = failed.At.Add(held)
	}
	for _, r := range rs {
		if t := r.Deploy.Started; r.Kind == Started && t.After(failed.At) && t.Before(end) {
			end = t
		}
	}
	return end
}

// Of returns the started and the finished record of a deploy; zero where there is none.
func Of(rs []Record, deployID string) (started, finished Record) {
	for _, r := range rs {
		if r.DeployID != deployID {
			continue
		}
		if r.Kind == Started && started.DeployID == "" {
			started = r
		}
		if r.Kind == Finished {
			finished = r
		}
	}
	return started, finished
}

// Newer is another deploy of the same service and environment that started after t: it took this one over.
func Newer(rs []Record, deployID string, t time.Time) (Record, bool) {
	for i := len(rs) - 1; i >= 0; i-- {
		if r := rs[i]; r.Kind == Started && r.DeployID != deployID && r.Deploy.Started.After(t) {
			return r, true
		}
	}
	return Record{}, false
}

// undone is how long a deploy that failed may live on behind its verdict, until it is rolled back by what leaves no record; held, until a
// person has decided.
const (
	undone = 15 * time.Minute
	held   = time.Hour
)

// Disturbed lists the intervals of other deploys, from their start to their end: what the metrics did in them is no baseline. A deploy
// that never finished counts for an hour; one that failed lives on for a while, or until the next deploy.
func Disturbed(rs []Record, except string) []release.Deploy {
	var out []release.Deploy
	for _, r := range rs {
		if r.Kind != Started || r.DeployID == except || !r.Deploy.Known() {
			continue
		}
		end := r.Deploy.Started.Add(time.Hour)
		if _, f := Of(rs, r.DeployID); f.DeployID != "" {
			end = f.At
			if f.Verdict.Failed() {
				end = livesUntil(rs, f)
			}
		}
		out = append(out, release.Deploy{Started: r.Deploy.Started, Finished: end, Source: "ledger"})
	}
	return out
}
