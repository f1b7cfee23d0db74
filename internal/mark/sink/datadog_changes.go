package sink

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Limits of a change event of POST /api/v2/events. That of all values together is ours: the documentation names none.
const (
	changeTitle  = 500
	changeText   = 4000
	changeName   = 128
	changeTags   = 100
	changeValues = 100
	changeValue  = 300
	changeBytes  = 48 << 10
)

// intakeURL is where change events are posted: a host of its own beside the site's API. What is no api.SITE (a proxy) takes them itself.
func intakeURL(api string) string {
	u, err := url.Parse(api)
	if err != nil {
		return api
	}
	if site, ok := strings.CutPrefix(u.Host, "api."); ok {
		u.Host = "event-management-intake." + site
	}
	return u.String()
}

type (
	changeEvent struct {
		AggregationKey string           `json:"aggregation_key"`
		Attributes     changeAttributes `json:"attributes"`
		Category       string           `json:"category"`
		IntegrationID  string           `json:"integration_id"`
		Message        string           `json:"message"`
		Tags           []string         `json:"tags"`
		Timestamp      string           `json:"timestamp"`
		Title          string           `json:"title"`
	}
	changeAttributes struct {
		Author    changeParty       `json:"author"`
		Metadata  map[string]string `json:"change_metadata"`
		Changed   changeParty       `json:"changed_resource"`
		Impacted  []changeParty     `json:"impacted_resources,omitempty"`
		NewValue  map[string]string `json:"new_value"`
		PrevValue map[string]string `json:"prev_value"`
	}
	changeParty struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
)

// change tells what of the configuration changed. A trouble here leaves the event of the deploy as it is.
func (d *datadog) change(ctx context.Context, m Marker) error {
	e, left := d.changeEvent(m)
	body := map[string]any{"data": map[string]any{"type": "event", "attributes": e}}
	// Not repeatable, as any event: the journal's intent is for both.
	resp, err := d.intake.call(ctx, httpx.Request{Path: "/api/v2/events"}, body)
	if err == nil {
		err = changeTaken(resp)
	}
	switch {
	case err != nil:
		return &Warning{Text: "the changes of the configuration are not in Datadog: " + err.Error(),
			Hint: fmt.Sprintf("check that %s can be reached from the pipeline, and that api-key is one of that site; if it is refused, give app-key too", d.intake.api.URL())}
	case left > 0:
		return &Warning{Text: fmt.Sprintf("Datadog shows %d of the %d changes of the configuration", len(m.Changes.Changes)-left, len(m.Changes.Changes)),
			Hint: "all of them are in diff.json in the out directory"}
	}
	return nil
}

// changeEvent is what is sent, and how many changes have no room in it.
func (d *datadog) changeEvent(m Marker) (e changeEvent, left int) {
	prev, next, left := changedValues(m.Changes.Changes)
	at, _ := happened(m.Started, time.Now())
	e = changeEvent{AggregationKey: datadogAggregation(m), Category: "change", IntegrationID: "custom-events", Timestamp: at.UTC().Format("2006-01-02T15:04:05.000Z"),
		Title: clean.Cut(mute(changeWords(m)), changeTitle), Message: changeMessage(m),
		Attributes: changeAttributes{Author: changeParty{"bakegate", "automation"}, Metadata: changeMetadata(m), PrevValue: prev, NewValue: next,
			Changed: changeParty{changedName(m), "configuration"}},
		Tags: tags([]pair{{"deploy-id", deployTag(m)}, {"service", m.Service}, {"env", m.Environment}, {"version", m.Version}, {"source", "bakegate"}},
			d.options.Tags, datadogTag)}
	e.Tags = e.Tags[:min(len(e.Tags), changeTags)]
	if name := clean.Cut(m.Actor, changeName); name != "" {
		e.Attributes.Author = changeParty{name, "user"}
	}
	if name := clean.Cut(m.Service, changeName); name != "" {
		e.Attributes.Impacted = []changeParty{{name, "service"}}
	}
	return e, left
}

// changedName is the same for every deploy of a service to an environment.
func changedName(m Marker) string {
	return cmp.Or(strings.Trim(clean.Cut(m.Service, changeName/2)+"/"+clean.Cut(m.Environment, changeName/2-1), "/"), "configuration")
}

// changedValues are the two sides, each value by where it stands; what one side does not have is not in it.
func changedValues(changes []Change) (prev, next map[string]string, left int) {
	prev, next = map[string]string{}, map[string]string{}
	room := changeBytes
	seen := map[string]bool{}
	for _, c := range changes {
		where, from, to := clean.Cut(c.Where, changeValue), clean.Cut(c.From, changeValue), clean.Cut(c.To, changeValue)
		size := 2*len(where) + len(from) + len(to)
		if len(seen) == changeValues || seen[where] || size > room {
			left++
			continue
		}
		seen[where] = true
		room -= size
		if from != "" {
			prev[where] = from
		}
		if to != "" {
			next[where] = to
		}
	}
	return prev, next, left
}

func changeMetadata(m Marker) map[string]string {
	all := map[string]string{"changes": fmt.Sprint(len(m.Changes.Changes))}
	for _, p := range []pair{{"deploy_id", m.DeployID}, {"version", m.Version}, {"digest", m.Digest}, {"commit", m.Commit}, {"previous", m.Changes.Previous},
		{"target", m.Changes.Target}, {"resource_link", m.link()}} {
		if v := clean.Cut(p.value, changeValue); v != "" {
			all[p.key] = v
		}
	}
	return all
}

// changeWords is the event's first line.
func changeWords(m Marker) string {
	s := "configuration"
	if m.Service != "" {
		s += " of " + clean.Cut(m.Service, changeName)
	}
	if m.Environment != "" {
		s += " in " + clean.Cut(m.Environment, changeName)
	}
	if n := len(m.Changes.Changes); n != 1 {
		return fmt.Sprintf("%s: %d changes", s, n)
	}
	return s + ": 1 change"
}

// changeMessage is what was compared, and as many of the changes as there is room for.
func changeMessage(m Marker) string {
	lines := []string{changeWords(m), "previous: " + m.Changes.Previous, "target: " + m.Changes.Target, "deploy id: " + m.DeployID}
	for _, c := range m.Changes.Changes {
		from, to := c.From, c.To
		switch {
		case from == "":
			from = "(none)"
		case to == "":
			to = "(none)"
		}
		lines = append(lines, c.Where+": "+from+" -> "+to)
	}
	var b strings.Builder
	for _, line := range lines {
		line = mute(clean.Cut(line, 2*changeValue)) + "\n"
		if b.Len()+len(line) > changeText {
			break
		}
		b.WriteString(line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// changeTaken reads the reply: 202 means that the event is taken. Any other success must say so in its body.
func changeTaken(resp *httpx.Response) error {
	var reply struct {
		Data struct {
			Type string `json:"type"`
		} `json:"data"`
	}
	if resp.Status == http.StatusAccepted {
		return nil
	}
	if err := httpx.DecodeJSON(resp, &reply); err != nil {
		return err
	}
	if reply.Data.Type != "event" {
		return fmt.Errorf("%s %s: HTTP %d, want 202: is this Datadog?", resp.Method, resp.URL, resp.Status)
	}
	return nil
}
