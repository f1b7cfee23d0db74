package sink

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/httpx"
)

// teamsOptions is the block `teams:`. The address holds a signature (sig=...), so all of it is a secret.
type teamsOptions struct {
	httpx.Remote
	Webhook httpx.Secret `yaml:"webhook,required"`
}

// teams posts an adaptive card to a workflow ("When a Teams webhook request is received"). The connectors that were there before are gone.
type teams struct{ link }

// teamsSize is the most that Teams posts (about 28 KB), less what the workflow itself puts around it.
const teamsSize = 24_000

func buildTeams(decode func(any) error) (Sink, error) {
	var o teamsOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	l, err := connectSecret("webhook", o.Webhook, o.Remote)
	if err != nil {
		return nil, err
	}
	return &teams{l}, nil
}

// Traits implements Sink.
func (s *teams) Traits() Traits { return Traits{} }

// Open implements Sink.
func (s *teams) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	return "", s.post(ctx, m)
}

// Seal implements Sink.
func (s *teams) Seal(ctx context.Context, _ string, m Marker) error { return s.post(ctx, m) }

type (
	teamsMessage struct {
		Type        string            `json:"type"`
		Attachments []teamsAttachment `json:"attachments"`
	}
	teamsAttachment struct {
		ContentType string    `json:"contentType"`
		Content     teamsCard `json:"content"`
	}
	teamsCard struct {
		Schema  string        `json:"$schema"`
		Type    string        `json:"type"`
		Version string        `json:"version"`
		Body    []teamsLine   `json:"body"`
		Actions []teamsAction `json:"actions,omitempty"`
	}
	// teamsLine is a RichTextBlock: unlike a TextBlock, it reads no Markdown.
	teamsLine struct {
		Type    string     `json:"type"`
		Spacing string     `json:"spacing,omitempty"`
		Inlines []teamsRun `json:"inlines"`
	}
	teamsRun struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Weight string `json:"weight,omitempty"`
		Size   string `json:"size,omitempty"`
		Color  string `json:"color,omitempty"`
	}
	teamsAction struct {
		Type  string `json:"type"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
)

func (s *teams) post(ctx context.Context, m Marker) error {
	msg, c := teamsContent(m)
	resp, err := s.call(ctx, httpx.Request{Path: "/"}, msg)
	if err != nil {
		return refused(err, teamsHints)
	}
	if err := httpx.NoPage(resp, "202"); err != nil {
		return err
	}
	if resp.Status == http.StatusOK && strings.Contains(string(resp.Body), "returned HTTP error") { // the way of the old connectors
		return notSent(&httpx.StatusError{Method: resp.Method, URL: resp.URL, Status: resp.Status, Excerpt: "the webhook says that Teams refused the message"})
	}
	return c.warning("Teams")
}

// teamsContent is the card, with texts that are cut further until it fits.
func teamsContent(m Marker) (teamsMessage, *cutter) {
	for _, limit := range []int{1000, 300} {
		msg, c := teamsCut(m, limit)
		if b, err := json.Marshal(msg); err == nil && len(b) <= teamsSize {
			return msg, c
		}
	}
	return teamsCut(m, 80)
}

func teamsCut(m Marker, limit int) (teamsMessage, *cutter) {
	c := &cutter{}
	color := map[string]string{"success": "Good", "error": "Attention", "warning": "Warning"}[alertType(m.Verdict)]
	body := []teamsLine{{Type: "RichTextBlock", Inlines: []teamsRun{
		{Type: "TextRun", Text: teamsText(c.text("title", title(m), 2*limit)), Weight: "Bolder", Size: "Medium", Color: color}}}}
	for _, p := range c.details(m, limit) {
		body = append(body, teamsLine{Type: "RichTextBlock", Spacing: "None", Inlines: []teamsRun{
			{Type: "TextRun", Text: p.key + ": ", Weight: "Bolder"}, {Type: "TextRun", Text: teamsText(p.value)}}})
	}
	card := teamsCard{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Body: body}
	if at := m.link(); at != "" {
		card.Actions = []teamsAction{{"Action.OpenUrl", "Pipeline run", at}}
	}
	return teamsMessage{Type: "message", Attachments: []teamsAttachment{{"application/vnd.microsoft.card.adaptive", card}}}, c
}

// teamsText takes the meaning from what a card or the workflow around it could read as a command: {{DATE()}} and @{expression}, and the
// tag <at> of a mention.
func teamsText(s string) string {
	for strings.Contains(s, "{{") { // of three, two are left
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	return strings.NewReplacer("@{", "@ {", "<at>", "< at>", "</at>", "< /at>").Replace(s)
}

var teamsHints = map[int]string{
	http.StatusUnauthorized:          "the workflow refused the address: copy it again from its trigger, whole, with sig=...; who may trigger it must be Anyone",
	http.StatusForbidden:             "the workflow refused the address: copy it again from its trigger, whole, with sig=...; who may trigger it must be Anyone",
	http.StatusNotFound:              "the workflow is not there any more, or turned off",
	http.StatusRequestEntityTooLarge: "Teams takes 28 KB a message",
}
