package fake

import (
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"
)

// PagerDuty is a fake of PagerDuty's change events, v2: every one that arrives is shown.
type PagerDuty struct {
	box
	key string
}

// NewPagerDuty makes one that knows one routing key.
func NewPagerDuty(key string) *PagerDuty {
	p := &PagerDuty{key: key}
	p.start(p.serve)
	return p
}

type pagerdutyEvent struct {
	RoutingKey string `json:"routing_key"`
	Payload    struct {
		Summary   string            `json:"summary"`
		Source    string            `json:"source"`
		Timestamp string            `json:"timestamp"`
		Details   map[string]string `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
}

func (p *PagerDuty) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v2/change/enqueue" || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var e pagerdutyEvent
	if !read(w, r, 512<<10, &e) {
		return
	}
	_, err := time.Parse(time.RFC3339, e.Payload.Timestamp)
	if e.RoutingKey != p.key || e.Payload.Summary == "" || utf8.RuneCountInString(e.Payload.Summary) > 1024 || err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{"routing_key or payload"}})
		return
	}
	text, _ := json.Marshal(e.Payload)
	p.add(string(text))
	reply(w, http.StatusAccepted, map[string]any{"status": "success", "message": "Change event processed"})
}
