package fake

import (
	"encoding/json"
	"net/http"
	"strings"
)

// box is what the fakes share that show what they were told as texts, one a marker.
type box struct {
	server
	marks []string
}

// Marks are what the tool shows of the deploys, one text a marker.
func (b *box) Marks() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.marks...)
}

// add keeps a marker.
func (b *box) add(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = append(b.marks, text)
}

// read decodes a body of at most limit bytes, and answers 400 or 413 to what is none.
func read(w http.ResponseWriter, r *http.Request, limit int64, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		status := http.StatusBadRequest
		if _, large := err.(*http.MaxBytesError); large {
			status = http.StatusRequestEntityTooLarge
		}
		reply(w, status, map[string]any{"error": err.Error()})
		return false
	}
	return true
}

// Marks implements what the tests ask of every fake.
func (g *Grafana) Marks() []string {
	var all []string
	for _, a := range g.Annotations() {
		all = append(all, text(a.Text, a.Tags))
	}
	return all
}

// Marks implements what the tests ask of every fake.
func (d *Datadog) Marks() []string {
	var all []string
	for _, e := range d.Events() {
		all = append(all, text(e.Title+"\n"+e.Text, e.Tags))
	}
	for _, c := range d.Changes() {
		all = append(all, text(c.Title+"\n"+c.Message, c.Tags))
	}
	return all
}

// text leaves out the tags that hold texts from outside: no tool reads markup or a mention in a tag.
func text(s string, tags []string) string {
	for _, t := range tags {
		if strings.HasPrefix(t, "deploy-id:") || strings.HasPrefix(t, "verdict:") {
			s += "\n" + t
		}
	}
	return s
}
