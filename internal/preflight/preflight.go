// Package preflight asks whether the deploy may go on now, from what the ledger knows of other deploys.
package preflight

import (
	"fmt"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

// Past is what the ledger knows of this service in this environment. The caller reads it: a stage does not know the ledger.
type Past struct {
	Configured bool   // there is a ledger
	Store      string // for people
	Running    *Other // another deploy that started and has not finished
	// Failed is the newest deploy of the same digest that was rolled back here.
	Failed *Other
}

// Other is another deploy.
type Other struct {
	DeployID string
	Version  string
	Reason   string
	At       time.Time
}

// running is how long a deploy that never finished is taken to be still under way.
const running = 2 * time.Hour

// Run looks at the past. Its findings inform: what they tell was known to the person who deploys, or is for a person to weigh.
func Run(p Past, now time.Time) []verdict.Finding {
	if !p.Configured {
		return nil
	}
	var fs []verdict.Finding
	if o := p.Running; o != nil && now.Sub(o.At) < running {
		fs = append(fs, verdict.Finding{Check: "preflight/ledger", Outcome: verdict.Note, Doc: "preflight-ledger",
			Summary: fmt.Sprintf("deploy %s started %s ago and has not finished: this deploy takes it over", o.DeployID, now.Sub(o.At).Round(time.Second)),
			Hint:    "let one deploy of a service finish before the next one starts (concurrency on GitHub, resource_group on GitLab)"})
	}
	if o := p.Failed; o != nil {
		fs = append(fs, verdict.Finding{Check: "preflight/known-bad", Outcome: verdict.Note, Doc: "preflight-known-bad",
			Summary: fmt.Sprintf("the same digest was here before and ended in %s on %s (deploy %s)", o.Reason, o.At.UTC().Format(time.RFC3339), o.DeployID),
			Hint:    "deploy it again only if the cause lay elsewhere"})
	}
	return fs
}

// Criteria says so when what is asked for is no longer what it was when the deploy began.
func Criteria(before, now string) []verdict.Finding {
	if before == "" || before == now {
		return nil
	}
	return []verdict.Finding{{Check: "preflight/criteria", Outcome: verdict.Note, Doc: "preflight-criteria",
		Summary:  "the criteria are not those with which the deploy began: the configuration changed in between",
		Evidence: []verdict.Evidence{{What: "digest of the criteria", Got: now, Want: before}},
		Hint:     "keep bakegate.yaml the same from begin to finish, or the deploy is judged by rules that nobody agreed to before"}}
}
