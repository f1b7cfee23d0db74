package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
)

// warn says what of the configuration is worth a second look.
func (l *loaded) warn() {
	for _, w := range l.file.Warnings {
		fmt.Fprintf(l.log(), "warning: %s\n", w)
	}
	if _, err := sink.ResourceAttributes(sink.Marker{}, l.plainVar(resourceVar)); err != nil {
		fmt.Fprintf(l.log(), "warning: %v\n", err)
	}
}

// warnUnknownDeploy says before anything runs what the bake would say only at its end.
func (s *session) warnUnknownDeploy() {
	bakes := s.file.Bake != nil && (s.mode != step.Alone || s.name == "bake")
	if bakes && s.afterDeploy() && !s.deploy.Known() && s.bakePlan().ComparesHistory() {
		fmt.Fprintf(s.log(), "warning: %s; %s\n", bake.DeployUnknown, bake.SayDeploy)
	}
}

// platformBegin makes the platform and verdict.json say "error" until the end: a run that is killed must leave no earlier verdict.
func (s *session) platformBegin() error {
	for _, n := range s.file.SecretNames() {
		s.platform.Mask(s.app.env.get(n))
	}
	if s.name == "finish" && s.o.once && s.earlier != nil {
		return nil // pending stays pending between two looks
	}
	if err := s.platform.Begin(); err != nil {
		return err
	}
	return s.writeVerdict(report.Pending(s.recordPlan()))
}

func (l *loaded) writeVerdict(d report.Document) error {
	b, err := d.JSON()
	if err != nil {
		return err
	}
	return l.write("verdict.json", b)
}

func (l *loaded) write(name string, b []byte) error {
	if err := os.MkdirAll(l.o.out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(l.o.out, name)
	// Written aside and renamed: whoever reads it sees the old one or the new one, never a half.
	if err := os.WriteFile(path+".tmp", b, 0o644); err != nil {
		return err
	}
	l.platform.Own(path + ".tmp")
	return os.Rename(path+".tmp", path)
}

// finish renders the run from its journal and publishes it. The exit code is the verdict's, whatever of the publishing fails: evidence
// that could not be shown changes nothing about the deploy.
func (l *loaded) finish(res step.Result) int {
	r, err := readBack(l.o.out)
	if err != nil {
		fmt.Fprintf(l.app.stderr, "bakegate: the journal can't be read back: %v\n", err)
		r = &report.Report{Verdict: record.Sealed{Verdict: res.Verdict}, HasVerdict: true}
	}
	return l.publish(*r, res.Verdict.Exit)
}

func readBack(out string) (*report.Report, error) { return report.From(record.EntriesIn(out)) }

func (l *loaded) publish(r report.Report, exit int) int {
	var summary bytes.Buffer
	errs := []error{r.Markdown(&summary), l.write("summary.md", summary.Bytes()), l.writeVerdict(r.Document())}
	errs = append(errs, l.platform.Publish(ci.Result{Verdict: r.Verdict.Verdict, Outputs: l.outputs(&r), Summary: summary.Bytes(), Annotations: annotations(&r, l.inCheckout)}))
	if l.o.format == "json" {
		b, err := r.Document().JSON()
		_, werr := l.app.stdout.Write(b)
		errs = append(errs, err, werr)
	} else {
		errs = append(errs, r.Text(l.app.stdout, l.o.out))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(l.app.stderr, "bakegate: the verdict stands, but publishing it failed: %v\n", err)
	}
	return exit
}

// outputs are the same on every platform.
func (l *loaded) outputs(r *report.Report) []ci.Output {
	v := r.Verdict
	out := []ci.Output{{Key: "verdict", Value: string(v.Name)}, {Key: "reason", Value: v.Reason}, {Key: "exit", Value: strconv.Itoa(v.Exit)},
		{Key: "summary", Value: v.Summary}, {Key: "deploy_id", Value: r.Plan.DeployID}, {Key: "image", Value: pinned(r)},
		{Key: "images", Value: allPinned(r)},
		{Key: "digest", Value: r.Images[r.Plan.Release.Image]}, {Key: "rollback", Value: strconv.FormatBool(v.Name == verdict.NameRollback)},
		{Key: "rollback_command", Value: r.Plan.Rollback}}
	target := ""
	if g := r.Plan.LastGood; g != nil {
		target = g.Digest
		if g.Image != "" && g.Digest != "" {
			target = release.Repository(g.Image) + "@" + g.Digest
		}
	}
	out = append(out, ci.Output{Key: "rollback_target", Value: target})
	return append(out, l.telemetry(r)...)
}

func pinned(r *report.Report) string {
	ref := r.Plan.Release.Image
	if d := r.Images[ref]; d != "" {
		return release.Repository(ref) + "@" + d
	}
	return ""
}

// allPinned is the JSON list of every verified image with its digest, sorted.
func allPinned(r *report.Report) string {
	list := []string{}
	for ref, d := range r.Images {
		list = append(list, release.Repository(ref)+"@"+d)
	}
	slices.Sort(list)
	b, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(b)
}

// annotations are what stands beside the code: the findings that a person must see.
func annotations(r *report.Report, inCheckout func(verdict.Place) string) []ci.Annotation {
	var as []ci.Annotation
	for _, f := range r.Findings {
		level := map[verdict.Outcome]string{verdict.Note: "notice", verdict.Unknown: "warning", verdict.Fail: "error"}[f.Outcome]
		if level == "" {
			continue
		}
		msg := f.Summary
		if f.Hint != "" {
			msg = strings.TrimSuffix(msg, ".") + ". " + f.Hint
		}
		as = append(as, placed(ci.Annotation{Level: level, Title: "bakegate " + f.Check, Message: msg}, f.Evidence, inCheckout)...)
	}
	if r.Verdict.Name == verdict.NameError {
		as = append(as, ci.Annotation{Level: "error", Title: "bakegate", Message: r.Verdict.Summary})
	}
	return as
}

// placesShown is how many places of one finding are annotated: a platform shows about ten annotations of a level.
const placesShown = 3

// placed puts an annotation beside the first value that it is about, and the next ones beside theirs.
func placed(a ci.Annotation, es []verdict.Evidence, inCheckout func(verdict.Place) string) []ci.Annotation {
	as := []ci.Annotation{a}
	for _, e := range es {
		if e.At == (verdict.Place{}) {
			continue
		}
		file := inCheckout(e.At)
		if file == "" {
			continue
		}
		here := ci.Annotation{Level: a.Level, File: file, Line: e.At.Line, Col: e.At.Column, Title: a.Title, Message: e.What + ": got " + e.Got + ", want " + e.Want}
		if as[0].File == "" {
			here.Message = a.Message + " (" + here.Message + ")"
			as[0] = here
			continue
		}
		if as = append(as, here); len(as) == placesShown {
			break
		}
	}
	return as
}

// inCheckout gives a place's file as the platform knows it, relative to the working directory; "" where it is none of the checkout's: the
// file of a commit, a chart that was rendered.
func (l *loaded) inCheckout(p verdict.Place) string {
	rel := p.File
	if !filepath.IsAbs(rel) {
		rel = filepath.Join(l.file.Dir, rel)
	}
	wd, err := os.Getwd()
	if err != nil {
		return ""
	}
	abs, err := filepath.Abs(rel)
	if err != nil {
		return ""
	}
	if rel, err = filepath.Rel(wd, abs); err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	if fi, err := os.Stat(rel); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	return filepath.ToSlash(rel)
}
