package fake

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// Change is one change event as it was posted to Datadog's events, v2.
type Change struct {
	AggregationKey string           `json:"aggregation_key"`
	Attributes     ChangeAttributes `json:"attributes"`
	Category       string           `json:"category"`
	IntegrationID  string           `json:"integration_id"`
	Message        string           `json:"message"`
	Tags           []string         `json:"tags"`
	Timestamp      string           `json:"timestamp"`
	Title          string           `json:"title"`
}

// ChangeAttributes are what only a change event has.
type ChangeAttributes struct {
	Author    ChangeParty    `json:"author"`
	Metadata  map[string]any `json:"change_metadata"`
	Changed   ChangeParty    `json:"changed_resource"`
	Impacted  []ChangeParty  `json:"impacted_resources"`
	NewValue  map[string]any `json:"new_value"`
	PrevValue map[string]any `json:"prev_value"`
}

// ChangeParty is who changed something, what was changed, or what it changes.
type ChangeParty struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Changes are the change events that were taken.
func (d *Datadog) Changes() []Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Change(nil), d.change...)
}

func (d *Datadog) takeChange(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Data struct {
			Type       string `json:"type"`
			Attributes Change `json:"attributes"`
		} `json:"data"`
	}
	if !read(w, r, 1<<20, &q) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if problem := q.Data.Attributes.problem(); problem != "" || q.Data.Type != "event" {
		reply(w, http.StatusBadRequest, map[string]any{"errors": []any{map[string]any{"status": "400", "title": "Bad Request", "detail": problem}}})
		return
	}
	d.change = append(d.change, q.Data.Attributes)
	uid := fmt.Sprintf("AZ%017d", len(d.change))
	reply(w, http.StatusAccepted, map[string]any{"data": map[string]any{"type": "event", "attributes": map[string]any{"attributes": map[string]any{"evt": map[string]any{"uid": uid}}}},
		"links": map[string]any{"self": "https://app.datadoghq.com/event/event?uid=" + uid}})
}

// problem is why a change event is refused.
func (c Change) problem() string {
	a := c.Attributes
	at, err := time.Parse(time.RFC3339, c.Timestamp)
	switch {
	case c.Category != "change", c.IntegrationID != "" && c.IntegrationID != "custom-events":
		return "category or integration_id is not supported"
	case c.Title == "" || utf8.RuneCountInString(c.Title) > 500 || utf8.RuneCountInString(c.Message) > 4000 || utf8.RuneCountInString(c.AggregationKey) > 100:
		return "title, message or aggregation_key is too long, or there is no title"
	case len(c.Tags) > 100 || len(a.Impacted) > 100 || len(a.Metadata) > 100 || len(a.NewValue) > 100 || len(a.PrevValue) > 100:
		return "more than 100 of something"
	case !a.Changed.valid("configuration", "feature_flag"), a.Author != (ChangeParty{}) && !a.Author.valid("user", "system", "api", "automation"):
		return "changed_resource or author is not valid"
	case err != nil || time.Since(at) > 18*time.Hour:
		return "timestamp is older than 18 hours, or none"
	}
	for _, p := range a.Impacted {
		if !p.valid("service") {
			return "impacted_resources: only services are supported"
		}
	}
	return ""
}

func (p ChangeParty) valid(types ...string) bool {
	for _, t := range types {
		if p.Type == t {
			return p.Name != "" && utf8.RuneCountInString(p.Name) <= 128
		}
	}
	return false
}
