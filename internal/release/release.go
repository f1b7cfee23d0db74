// Package release describes what is being deployed. It is pure: no I/O, no clock.
package release

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Release is what is being deployed, where, and by which pipeline run.
type Release struct {
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Version     string `json:"version,omitempty"` // the version label the service reports; the image's tag unless it was given
	Image       string `json:"image,omitempty"`   // the first image, as it was written
	Digest      string `json:"digest,omitempty"`  // sha256:... of the built artifact, where it is known before the deploy
	Commit      string `json:"commit,omitempty"`
	Ref         string `json:"ref,omitempty"`
	Repository  string `json:"repository,omitempty"`
	Run         Run    `json:"run"`
}

// Run is the pipeline run that deploys.
type Run struct {
	Platform string    `json:"platform,omitempty"` // github, gitlab, tekton, plain
	ID       string    `json:"id,omitempty"`       // the same for every attempt of one run
	Attempt  string    `json:"attempt,omitempty"`
	URL      string    `json:"url,omitempty"`
	Actor    string    `json:"actor,omitempty"`
	Job      string    `json:"job,omitempty"`
	Started  time.Time `json:"started,omitzero"` // when the job started, zero where the platform does not say
}

// DeployID names one deploy of one run: the service and environment for a reader, and a hash of service, environment, digest and
// the run's id. The attempt is left out, so that a rerun is the same deploy. It is safe as a tag, a file name and a label value.
func (r Release) DeployID() string {
	h := sha256.New()
	for _, s := range []string{r.Service, r.Environment, r.Digest, r.Run.Platform, r.Run.ID} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	parts := []string{}
	for _, s := range []string{r.Service, r.Environment} {
		if s = slug(s); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(append(parts, hex.EncodeToString(h.Sum(nil))[:12]), "-")
}

// Repository is the part of an image's reference in front of its tag and digest.
func Repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i]
	}
	return ref
}

// slug keeps letters, digits and inner hyphens, lower case, 20 characters at most.
func slug(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 20 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// Deploy is the interval in which the deploy happened. A zero time is not known; it is never silently "now".
type Deploy struct {
	Started  time.Time `json:"started,omitzero"`  // the deploy command began
	Finished time.Time `json:"finished,omitzero"` // it ended
	Serving  time.Time `json:"serving,omitzero"`  // the new version serves: the bake's clock starts here
	// Source says how the interval is known: "command" (run --), "begin", "flag", "ledger", "job" (the CI job's start), "".
	Source string `json:"source,omitempty"`
	// FinishedSource says how the end is known where that is another way: Finish, or "" for the same.
	FinishedSource string `json:"finishedSource,omitempty"`
}

// Finish is the source of an end that nobody told: the deploy was over when bakegate finish began.
const Finish = "finish"

// Known reports whether the start is known: without it there is no "before the deploy".
func (d Deploy) Known() bool { return !d.Started.IsZero() }
