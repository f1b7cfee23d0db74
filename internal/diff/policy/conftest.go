package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bakegate/bakegate/internal/verdict"
)

// conftestFile is what conftest says of one file (conftest test --output json).
type conftestFile struct {
	Filename   string           `json:"filename"`
	Namespace  string           `json:"namespace"`
	Successes  int              `json:"successes"`
	Failures   []conftestResult `json:"failures"`
	Warnings   []conftestResult `json:"warnings"`
	Exceptions []conftestResult `json:"exceptions"`
}

type conftestResult struct {
	Message  string `json:"msg"`
	Metadata struct {
		Query string `json:"query"`
	} `json:"metadata"`
	Location struct {
		File string      `json:"file"`
		Line json.Number `json:"line"`
	} `json:"loc"`
}

// Conftest reads the output of conftest test --output json. redact takes secrets out of the policies' messages; label says what a file
// that conftest names stands for.
func Conftest(out []byte, redact func(string) string, label Label) ([]verdict.Finding, error) {
	e, err := newEngine("conftest", out, redact)
	if err != nil {
		return nil, err
	}
	e.label = label
	var files []conftestFile
	d := json.NewDecoder(bytes.NewReader(out))
	if err := d.Decode(&files); err != nil {
		return nil, fmt.Errorf("conftest: its output is no JSON list of files: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("conftest: something stands behind the JSON list of files, at byte %d", d.InputOffset())
	}
	for _, f := range files {
		e.passed += max(0, f.Successes)
		e.failed = append(e.failed, e.conftest(f, f.Failures)...)
		e.warned = append(e.warned, e.conftest(f, f.Warnings)...)
		e.excepted = append(e.excepted, e.conftest(f, f.Exceptions)...)
	}
	return e.findings()
}

func (e *engine) conftest(f conftestFile, rs []conftestResult) []verdict.Evidence {
	var es []verdict.Evidence
	for _, r := range rs {
		what, at := e.place(f.Filename)
		if r.Location.File != "" {
			what, at = e.place(r.Location.File)
			if line := r.Location.Line.String(); line != "" && at == (verdict.Place{}) {
				what += ":" + line
			}
		}
		want := r.Metadata.Query
		if want == "" {
			want = f.Namespace
		}
		ev := e.evidence(what, r.Message, "what "+want+" allows")
		ev.At = at
		es = append(es, ev)
	}
	return es
}
