// Package verdict turns findings into the one answer a pipeline acts on. It is pure: no I/O, no clock.
//
// A stage returns findings, never a verdict; Decide is the only place where findings become one.
package verdict

import "fmt"

// Outcome is what one check found. The order is the order of severity: the worst outcome wins.
type Outcome uint8

// The outcomes, best first.
const (
	Pass    Outcome = iota // the check proved what was asked
	Note                   // worth reading, changes nothing (a marker that failed, a rule that expired)
	Unknown                // there is too little evidence to say
	Fail                   // the check proved that it is wrong
)

var outcomeNames = [...]string{Pass: "pass", Note: "note", Unknown: "unknown", Fail: "fail"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// MarshalText writes the outcome's name, so that JSON holds words and not numbers.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads a name written by MarshalText.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, n := range outcomeNames {
		if n == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("outcome %q: want pass, note, unknown or fail", b)
}

// Finding is the result of one check.
type Finding struct {
	// Check names the check as STAGE/WHAT: "verify/digest", "diff/forbid", "bake/errors", "mark/grafana".
	Check   string  `json:"check"`
	Outcome Outcome `json:"outcome"`
	// Reason is the WHAT of the verdict's reason (VERDICT/WHAT) if this finding decides: "low-traffic",
	// "backend-down", "digest". Empty: the part of Check behind the stage, so that the metric "errors" decides as "rollback/errors".
	Reason string `json:"reason,omitempty"`
	// External is set on a Fail whose cause lies outside this deploy: rolling back would not help, so it holds.
	External bool `json:"external,omitempty"`
	// Irreversible is set where what was found says that a rollback would not undo the deploy: a job that deletes data. A rollback becomes
	// hold, unless the configuration says that it is safe.
	Irreversible bool       `json:"irreversible,omitempty"`
	Summary      string     `json:"summary"`            // one sentence, no secret, sanitised
	Evidence     []Evidence `json:"evidence,omitempty"` // what was looked at
	Hint         string     `json:"hint,omitempty"`     // what to do next
	Doc          string     `json:"doc,omitempty"`      // the page in docs/checks, without its folder and ".md": "verify-digest"
}

// Evidence is one thing that was looked at: what it is, what was got, what was wanted.
type Evidence struct {
	What string `json:"what"`
	Got  string `json:"got,omitempty"`
	Want string `json:"want,omitempty"`
	At   Place  `json:"at,omitzero"` // where it stands in a file; zero: in none
}

// Place is a place in a file of the checkout, or of wherever a state was read. Line and Column count from 1; a Column of 0 is not known.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty"`
}
