package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/bakegate/bakegate/internal/verdict"
)

// kyvernoReport is a policy report (wgpolicyk8s.io, openreports.io), as kyverno apply --policy-report --output-format json writes it.
type kyvernoReport struct {
	Kind    string          `json:"kind"`
	Results []kyvernoResult `json:"results"`
	Items   []kyvernoReport `json:"items"` // of a list
}

type kyvernoResult struct {
	Policy    string `json:"policy"`
	Rule      string `json:"rule"`
	Result    string `json:"result"` // pass, fail, warn, error, skip
	Message   string `json:"message"`
	Resources []struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"resources"`
}

// Kyverno reads the output of kyverno apply --policy-report --output-format json. Lines of text in front of the report are passed over.
// redact takes secrets out of the policies' messages.
func Kyverno(out []byte, redact func(string) string) ([]verdict.Finding, error) {
	e, err := newEngine("kyverno", out, redact)
	if err != nil {
		return nil, err
	}
	start := jsonStart(out)
	if start < 0 {
		return nil, errors.New("kyverno: its output has no report: want --policy-report --output-format json")
	}
	d := json.NewDecoder(bytes.NewReader(out[start:]))
	for {
		var r kyvernoReport
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("kyverno: its report is no JSON: %w", err)
		}
		e.kyverno(r)
	}
	return e.findings()
}

// jsonStart gives where the first line begins that opens an object, -1 where none does.
func jsonStart(out []byte) int {
	for at := 0; at < len(out); {
		if out[at] == '{' {
			return at
		}
		next := bytes.IndexByte(out[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
	}
	return -1
}

func (e *engine) kyverno(r kyvernoReport) {
	for _, i := range r.Items {
		for _, result := range i.Results {
			e.kyvernoResult(result)
		}
	}
	for _, result := range r.Results {
		e.kyvernoResult(result)
	}
}

func (e *engine) kyvernoResult(r kyvernoResult) {
	es := e.kyvernoEvidence(r)
	switch r.Result {
	case "pass":
		e.passed += len(es)
	case "fail":
		e.failed = append(e.failed, es...)
	case "warn":
		e.warned = append(e.warned, es...)
	case "skip":
		e.excepted = append(e.excepted, es...)
	default: // error, and whatever comes
		e.unknown = append(e.unknown, es...)
	}
}

// kyvernoEvidence gives an entry for every object of a result.
func (e *engine) kyvernoEvidence(r kyvernoResult) []verdict.Evidence {
	policy := r.Policy
	if r.Rule != "" {
		policy += "/" + r.Rule
	}
	if len(r.Resources) == 0 {
		return []verdict.Evidence{e.evidence(policy, r.Message, "what "+policy+" allows")}
	}
	es := make([]verdict.Evidence, 0, len(r.Resources))
	for _, o := range r.Resources {
		what := o.Kind + "/" + o.Name
		if o.Namespace != "" {
			what += " in " + o.Namespace
		}
		es = append(es, e.evidence(what, r.Message, "what "+policy+" allows"))
	}
	return es
}
