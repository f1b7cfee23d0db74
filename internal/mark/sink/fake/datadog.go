package fake

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Event is one event as it was posted.
type Event struct {
	ID             int64    `json:"id"`
	Title          string   `json:"title"`
	Text           string   `json:"text"`
	Tags           []string `json:"tags"`
	AggregationKey string   `json:"aggregation_key"`
	AlertType      string   `json:"alert_type"`
	DateHappened   int64    `json:"date_happened"`
	SourceTypeName string   `json:"source_type_name"`
	Priority       string   `json:"priority"`
}

// Datadog is a fake of Datadog's events, v1.
type Datadog struct {
	server
	apiKey string
	events []Event
	quota  int
	reset  time.Duration
	until  time.Time
	dora   map[string]map[string]any
	change []Change
}

// DORA are the deployments of the DORA metrics, by their id.
func (d *Datadog) DORA() map[string]map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.dora)
}

// takeDORA takes a deployment, or the flag that it failed.
func (d *Datadog) takeDORA(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Data struct {
			ID         string         `json:"id"`
			Type       string         `json:"type"`
			Attributes map[string]any `json:"attributes"`
		} `json:"data"`
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !read(w, r, 1<<20, &q) {
		return
	}
	id, patch := strings.CutPrefix(r.URL.Path, "/api/v2/dora/deployments/")
	a := q.Data.Attributes
	start, _ := a["started_at"].(float64)
	end, _ := a["finished_at"].(float64)
	switch {
	case patch && r.Header.Get("DD-APPLICATION-KEY") == "":
		reply(w, http.StatusForbidden, map[string]any{"errors": []string{"Forbidden"}})
	case patch && (d.dora[id] == nil || q.Data.ID != id || q.Data.Type != "dora_deployment_patch_request"):
		reply(w, http.StatusNotFound, map[string]any{"errors": []string{"Not found"}})
	case patch:
		maps.Copy(d.dora[id], a)
		w.WriteHeader(http.StatusAccepted)
	case a["service"] == "" || start < 1e17 || end < start: // nanoseconds, as the client sends them
		reply(w, http.StatusBadRequest, map[string]any{"errors": []string{"invalid attributes"}})
	default:
		id, _ := a["id"].(string)
		d.dora[id] = a
		reply(w, http.StatusAccepted, map[string]any{"data": map[string]any{"id": id, "type": "dora_deployment"}})
	}
}

// NewDatadog makes a Datadog without events that knows one API key.
func NewDatadog(apiKey string) *Datadog {
	d := &Datadog{apiKey: apiKey, quota: -1, dora: map[string]map[string]any{}}
	d.start(d.serve)
	return d
}

// LimitRate takes n more events, then answers 429 until reset is over, which it says in X-RateLimit-Reset in whole seconds.
func (d *Datadog) LimitRate(n int, reset time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quota, d.reset, d.until = n, reset, time.Time{}
}

// Events are those that were taken.
func (d *Datadog) Events() []Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Event(nil), d.events...)
}

// alertTypes are those that the API knows.
var alertTypes = map[string]bool{"": true, "error": true, "warning": true, "info": true, "success": true, "user_update": true, "recommendation": true, "snapshot": true}

func (d *Datadog) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("DD-API-KEY") != d.apiKey {
		reply(w, http.StatusForbidden, map[string]any{"errors": []string{"Forbidden"}})
		return
	}
	if strings.HasPrefix(r.URL.Path, "/api/v2/dora/deployment") {
		d.takeDORA(w, r)
		return
	}
	if r.URL.Path == "/api/v2/events" && r.Method == http.MethodPost {
		d.takeChange(w, r)
		return
	}
	if r.URL.Path == "/api/v1/events" && r.Method == http.MethodGet {
		d.list(w, r)
		return
	}
	if r.URL.Path != "/api/v1/events" || r.Method != http.MethodPost {
		reply(w, http.StatusNotFound, map[string]any{"errors": []string{"Not found"}})
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limited(w) {
		return
	}
	var e Event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"errors": []string{"Payload is not in the expected format"}})
		return
	}
	if problem := e.problem(); problem != "" {
		reply(w, http.StatusBadRequest, map[string]any{"errors": []string{problem}})
		return
	}
	e.ID = 7_000_000_000_000_000_000 + int64(len(d.events)) // beyond what a float64 holds
	d.events = append(d.events, e)
	reply(w, http.StatusAccepted, map[string]any{"status": "ok", "event": map[string]any{"id": e.ID, "id_str": strconv.FormatInt(e.ID, 10),
		"title": e.Title, "text": e.Text, "date_happened": e.DateHappened, "tags": e.Tags}})
}

// list gives the events of a time that have all of the tags. It needs an application key, and gives 1,000 a page.
func (d *Datadog) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	start, err1 := strconv.ParseInt(q.Get("start"), 10, 64)
	end, err2 := strconv.ParseInt(q.Get("end"), 10, 64)
	switch {
	case r.Header.Get("DD-APPLICATION-KEY") == "":
		reply(w, http.StatusForbidden, map[string]any{"errors": []string{"Forbidden"}})
		return
	case err1 != nil || err2 != nil:
		reply(w, http.StatusBadRequest, map[string]any{"errors": []string{"The parameters 'start' and 'end' are required"}})
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	found := []Event{}
	for _, e := range d.events {
		all := e.DateHappened >= start && e.DateHappened <= end
		for _, t := range strings.Split(q.Get("tags"), ",") {
			all = all && slices.Contains(e.Tags, t)
		}
		if all {
			found = append(found, e)
		}
	}
	page, _ := strconv.Atoi(q.Get("page"))
	from := min(len(found), max(page, 0)*1000)
	reply(w, http.StatusOK, map[string]any{"events": found[from:min(len(found), from+1000)]})
}

// limited answers 429 when the quota is used up. The quota comes back when the time is over.
func (d *Datadog) limited(w http.ResponseWriter) bool {
	now := time.Now()
	if d.quota > 0 || d.quota < 0 {
		d.quota--
		return false
	}
	if d.until.IsZero() {
		d.until = now.Add(d.reset)
	}
	left := d.until.Sub(now)
	if left <= 0 {
		d.quota = -1
		return false
	}
	w.Header().Set("X-RateLimit-Limit", "250000")
	w.Header().Set("X-RateLimit-Period", "60")
	w.Header().Set("X-RateLimit-Remaining", "0")
	w.Header().Set("X-RateLimit-Reset", strconv.Itoa(int((left+time.Second-1)/time.Second)))
	reply(w, http.StatusTooManyRequests, map[string]any{"errors": []string{"Too many requests"}})
	return true
}

// problem is why an event is refused.
func (e Event) problem() string {
	switch {
	case e.Title == "" || e.Text == "":
		return "The field 'title' and 'text' are required"
	case utf8.RuneCountInString(e.Text) > 4000:
		return "The text is longer than 4000 characters"
	case utf8.RuneCountInString(e.AggregationKey) > 100:
		return "The aggregation_key is longer than 100 characters"
	case !alertTypes[e.AlertType]:
		return "The alert_type is not valid"
	case e.DateHappened != 0 && time.Since(time.Unix(e.DateHappened, 0)) > 18*time.Hour:
		return "The date_happened is older than 18 hours"
	}
	return ""
}
