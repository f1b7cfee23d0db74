package sink

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Warning is returned beside an id (or by Seal) when the marker was made, but not as it was asked for.
type Warning struct {
	Text string // what differs
	Hint string // what to do
}

func (w *Warning) Error() string { return w.Text }

// Hinted is an error that says what to do about it.
type Hinted struct {
	Err  error
	Hint string
}

func (h *Hinted) Error() string { return h.Err.Error() }
func (h *Hinted) Unwrap() error { return h.Err }

// Uncertain reports whether the tool may have taken the message in spite of the error: a time-out, a connection that broke, a 5xx, a
// reply that cannot be read. A refusal (4xx) and a connection that was never made are certain.
func Uncertain(err error) bool {
	var status *httpx.StatusError
	var network *httpx.NetError
	var unsent *unsentError
	switch {
	case err == nil, errors.As(err, &unsent):
		return false
	case errors.As(err, &status):
		return status.Status >= 500 || status.Status == http.StatusRequestTimeout
	case errors.As(err, &network):
		return !network.Unsent()
	}
	return true
}

// unsentError is a failure before anything was sent.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// notSent marks an error of which it is certain that the tool was told nothing.
func notSent(err error) error { return &unsentError{err} }

// statusOf is the HTTP status that an error carries, 0 if none.
func statusOf(err error) int {
	var s *httpx.StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

// tagValue makes a text usable behind the colon of a tag in every tool: one line, no commas (lists of tags are split at them), and
// short enough for the columns that hold it.
func tagValue(s string, limit int) string {
	return clean.Cut(strings.ReplaceAll(clean.Text(s), ",", "_"), limit)
}

// checkTags looks at the tags of a block.
func checkTags(tags []string, limit int) error {
	for _, t := range tags {
		switch {
		case strings.TrimSpace(t) == "":
			return errors.New("tags: an empty tag")
		case t != tagValue(t, limit):
			return fmt.Errorf("tags: %q, want one line of at most %d bytes without commas", clean.Cut(t, 120), limit)
		case strings.HasPrefix(t, "deploy-id:"), strings.HasPrefix(t, "verdict:"):
			return fmt.Errorf("tags: %q begins with a name that bakegate sets itself", t)
		}
	}
	return nil
}

// pair is a tag of the marker itself.
type pair struct{ key, value string }

// tags joins the pairs that have a value with the block's own tags, the most important first.
func tags(pairs []pair, own []string, limit int) []string {
	var ts []string
	for _, p := range pairs {
		if v := tagValue(p.value, limit-len(p.key)-1); v != "" {
			ts = append(ts, p.key+":"+v)
		}
	}
	return append(ts, own...)
}

// title is the marker's first line.
func title(m Marker) string {
	s := "deploy"
	if m.Service != "" {
		s = "deploy of " + m.Service
	}
	if m.Version != "" {
		s += " " + m.Version
	}
	if m.Environment != "" {
		s += " to " + m.Environment
	}
	if m.Verdict != "" {
		s += ": " + m.Verdict
	}
	return clean.Cut(s, 200)
}

// details are the marker's further lines, as name and value.
func details(m Marker) []pair {
	image, _, _ := strings.Cut(m.Image, "@")
	all := []pair{
		{"verdict", m.Verdict}, {"reason", m.Reason}, {"summary", m.Summary},
		{"image", image}, {"digest", m.Digest}, {"commit", m.Commit}, {"repository", m.Repository}, {"run", m.RunURL}, {"by", m.Actor},
		{"started", stamp(m.Started)}, {"ended", stamp(m.Ended)}, {"deploy id", m.DeployID},
	}
	var lines []pair
	for _, p := range all {
		if p.value = clean.Cut(p.value, 500); p.value != "" {
			lines = append(lines, p)
		}
	}
	return lines
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
