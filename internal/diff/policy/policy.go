// Package policy asks the policy engines of others about the target: run.go runs them, where commands are allowed, on copies of the
// objects without their secrets; conftest.go and kyverno.go read what they say.
//
// An engine that could not do its work is an error, and so is an output in which nothing was looked at: neither is a pass.
package policy

import (
	"errors"
	"fmt"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// MaxOutput bounds an output, in bytes. What is longer is refused, as its end would be missing.
const MaxOutput = 32 << 20

// maxEvidence is how many objects a finding lists; the rest is counted.
const maxEvidence = 20

// maxShown bounds a message, in bytes.
const maxShown = 300

// engine collects what one engine says.
type engine struct {
	name   string              // conftest
	redact func(string) string // takes secrets out of a message
	label  Label               // nil: a file's name stands for itself
	passed int

	failed, warned, unknown, excepted []verdict.Evidence
}

// Label says what a file that an engine names stands for, and where that stands; "" where it is none of ours.
type Label func(file string) (name string, at verdict.Place)

func (e *engine) place(file string) (string, verdict.Place) {
	if e.label != nil {
		if name, at := e.label(file); name != "" {
			return name, at
		}
	}
	return file, verdict.Place{}
}

func newEngine(name string, out []byte, redact func(string) string) (*engine, error) {
	if redact == nil {
		return nil, errors.New("policy: no way to take secrets out of messages")
	}
	if len(out) > MaxOutput {
		return nil, fmt.Errorf("%s: the output has %d bytes, want at most %d", name, len(out), MaxOutput)
	}
	return &engine{name: name, redact: redact}, nil
}

func (e *engine) evidence(what, got, want string) verdict.Evidence {
	return verdict.Evidence{What: e.shown(what), Got: e.shown(got), Want: e.shown(want)}
}

// shown cleans a text before secrets are taken out of it, as what is cleaned away may hide one, and bounds what is left.
func (e *engine) shown(s string) string { return clean.Cut(e.redact(clean.Text(s)), maxShown) }

// findings tells what was refused, warned of, not answered and excepted; a pass where nothing was wrong.
func (e *engine) findings() ([]verdict.Finding, error) {
	if e.passed+len(e.failed)+len(e.warned)+len(e.unknown)+len(e.excepted) == 0 {
		return nil, fmt.Errorf("%s: no policy was asked about any file: look at its policies and paths", e.name)
	}
	var fs []verdict.Finding
	add := func(o verdict.Outcome, es []verdict.Evidence, what string) {
		if len(es) > 0 {
			fs = append(fs, e.finding(o, es, fmt.Sprintf("%s %s in %s", e.name, what, places(len(es)))))
		}
	}
	add(verdict.Fail, e.failed, "refuses the target")
	add(verdict.Unknown, e.unknown, "could not evaluate a policy")
	add(verdict.Note, e.warned, "warns of the target")
	add(verdict.Note, e.excepted, "excepts the target from a policy")
	if len(e.failed)+len(e.unknown) == 0 {
		fs = append(fs, e.finding(verdict.Pass, nil, fmt.Sprintf("%s refuses nothing (%d passed)", e.name, e.passed)))
	}
	return fs, nil
}

func (e *engine) finding(o verdict.Outcome, es []verdict.Evidence, summary string) verdict.Finding {
	f := verdict.Finding{Check: "diff/" + e.name, Outcome: o, Reason: e.name, Summary: summary, Evidence: es, Doc: docs[e.name]}
	if n := len(es); n > maxEvidence {
		f.Evidence = append(es[:maxEvidence:maxEvidence], verdict.Evidence{What: "and " + places(n-maxEvidence) + " more"})
	}
	return f
}

// docs are the pages of the engines.
var docs = map[string]string{"conftest": "diff-conftest", "kyverno": "diff-kyverno"}

func places(n int) string {
	if n == 1 {
		return "1 place"
	}
	return fmt.Sprintf("%d places", n)
}
