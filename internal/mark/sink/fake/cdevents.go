package fake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// CDEvents is a fake of a receiver of CDEvents 0.5 over HTTP, in both modes of CloudEvents. Two events of one source and id are one.
type CDEvents struct {
	box
	token string
	seen  map[string]bool
}

// NewCDEvents makes a receiver that knows one token.
func NewCDEvents(token string) *CDEvents {
	c := &CDEvents{token: token, seen: map[string]bool{}}
	c.start(c.serve)
	return c
}

// cloudEvent is the envelope.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
}

// cdEvent is the data, with the fields that the schemas know.
type cdEvent struct {
	Context struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
		Source      string `json:"source"`
		Type        string `json:"type"`
		Timestamp   string `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string         `json:"id"`
		Source  string         `json:"source"`
		Content map[string]any `json:"content"`
	} `json:"subject"`
	Custom     any    `json:"customData"`
	CustomType string `json:"customDataContentType"`
}

func (c *CDEvents) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+c.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var e cloudEvent
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") {
		if !read(w, r, 1<<20, &e) {
			return
		}
	} else {
		h := func(name string) string { s, _ := url.PathUnescape(r.Header.Get("Ce-" + name)); return s }
		e = cloudEvent{h("Specversion"), h("Id"), h("Source"), h("Type"), h("Subject"), h("Time"), r.Header.Get("Content-Type"), nil}
		if !read(w, r, 1<<20, &e.Data) {
			return
		}
	}
	if problem := e.problem(); problem != "" {
		reply(w, http.StatusBadRequest, map[string]any{"error": problem})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.seen[e.Source+" "+e.ID] {
		c.seen[e.Source+" "+e.ID] = true
		c.marks = append(c.marks, string(e.Data))
	}
	w.WriteHeader(http.StatusAccepted)
}

// cdRequired is the content that the schema of each event demands.
var cdRequired = map[string][]string{
	"dev.cdevents.taskrun.started.0.3.0":  {},
	"dev.cdevents.taskrun.finished.0.3.0": {},
	"dev.cdevents.service.deployed.0.3.0": {"environment", "artifactId"},
}

func (e cloudEvent) problem() string {
	var d cdEvent
	if err := strict(e.Data, &d); err != nil {
		return err.Error()
	}
	_, err := time.Parse(time.RFC3339, d.Context.Timestamp)
	required, known := cdRequired[d.Context.Type]
	switch {
	case e.SpecVersion != "1.0" || e.ID != d.Context.ID || e.Source != d.Context.Source || e.Type != d.Context.Type || e.Subject != d.Subject.ID || e.Time != d.Context.Timestamp:
		return "the envelope is not that of the event"
	case e.ContentType != "application/json" || err != nil || d.Context.ID == "" || d.Context.Source == "" || d.Subject.ID == "" || !known:
		return "no valid CDEvent"
	}
	for _, key := range required {
		if d.Subject.Content[key] == nil {
			return key + " is missing"
		}
	}
	return ""
}

// strict decodes without room for what the schema does not know.
func strict(data []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
