package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// NewRelic is a fake of NerdGraph's change tracking: errors come in a 200.
type NewRelic struct {
	box
	key, entity string
}

// NewNewRelic makes one that knows one user key and one entity.
func NewNewRelic(key, entity string) *NewRelic {
	n := &NewRelic{key: key, entity: entity}
	n.start(n.serve)
	return n
}

func (n *NewRelic) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/graphql":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Header.Get("API-Key") != n.key:
		reply(w, http.StatusUnauthorized, map[string]any{"errors": []any{map[string]any{"message": "Invalid API key"}}})
		return
	}
	var q struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if !read(w, r, 1<<20, &q) {
		return
	}
	at, _ := q.Variables["at"].(float64)
	age := time.Since(time.UnixMilli(int64(at))).Abs()
	search, _ := q.Variables["query"].(string)
	problem := ""
	switch {
	case !strings.Contains(q.Query, "changeTrackingCreateEvent(changeTrackingEvent: {"):
		problem = "Cannot query field"
	case search != "id = '"+n.entity+"'":
		problem = "No entity found"
	case age > 24*time.Hour:
		problem = "timestamp must be within 24 hours"
	case strings.Contains(q.Query, "$version") && q.Variables["version"] == "":
		problem = "version is required"
	case !strings.Contains(q.Query, "$version") && !strings.Contains(q.Query, "ALLOW_CUSTOM_CATEGORY_OR_TYPE"):
		problem = "unknown category"
	}
	if problem != "" {
		reply(w, http.StatusOK, map[string]any{"data": map[string]any{"changeTrackingCreateEvent": nil}, "errors": []any{map[string]any{"message": problem}}})
		return
	}
	text, _ := json.Marshal(q.Variables)
	n.add(string(text))
	reply(w, http.StatusOK, map[string]any{"data": map[string]any{"changeTrackingCreateEvent": map[string]any{
		"changeTrackingEvent": map[string]any{"changeTrackingId": fmt.Sprintf("ct-%d", len(n.Marks()))}, "messages": []string{}}}})
}
