package sink

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// slackOptions is the block `slack:`. The webhook's address is a secret: who knows it can post.
type slackOptions struct {
	httpx.Remote
	Webhook httpx.Secret `yaml:"webhook,required"`
}

// slack posts to a channel by an incoming webhook, which gives no id back: a message can be neither found nor changed.
type slack struct{ link }

// Limits of Slack's blocks, in characters; bytes are never fewer.
const (
	slackHeader  = 150
	slackSection = 3000
)

func buildSlack(decode func(any) error) (Sink, error) {
	var o slackOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	l, err := connectSecret("webhook", o.Webhook, o.Remote)
	if err != nil {
		return nil, err
	}
	return &slack{l}, nil
}

// Traits implements Sink.
func (s *slack) Traits() Traits { return Traits{} }

// Open implements Sink.
func (s *slack) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	return "", s.post(ctx, m)
}

// Seal implements Sink.
func (s *slack) Seal(ctx context.Context, _ string, m Marker) error { return s.post(ctx, m) }

type (
	slackMessage struct {
		Text        string       `json:"text"` // what notifications show
		Blocks      []slackBlock `json:"blocks"`
		Mrkdwn      bool         `json:"mrkdwn"`
		UnfurlLinks bool         `json:"unfurl_links"`
		UnfurlMedia bool         `json:"unfurl_media"`
	}
	slackBlock struct {
		Type string    `json:"type"`
		Text slackText `json:"text"`
	}
	// slackText is plain_text wherever it holds text from outside: Slack looks for no formatting and no mentions in it.
	slackText struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
)

func (s *slack) post(ctx context.Context, m Marker) error {
	msg, c := slackContent(m)
	resp, err := s.call(ctx, httpx.Request{Path: "/"}, msg)
	if err != nil {
		return refused(err, slackHints)
	}
	if err := httpx.NoPage(resp, "ok"); err != nil {
		return err
	}
	if got := strings.TrimSpace(string(resp.Body)); got != "ok" {
		return fmt.Errorf("%s %s: got %q, want ok: is this Slack?", resp.Method, resp.URL, clean.Cut(got, 80))
	}
	return c.warning("Slack")
}

func slackContent(m Marker) (slackMessage, *cutter) {
	c := &cutter{}
	head := c.escaped("title", title(m), slackHeader, slackEscape)
	var b strings.Builder
	for _, p := range c.details(m, 400) {
		line := p.key + ": " + slackEscape(p.value) + "\n"
		if b.Len()+len(line) > slackSection {
			c.cut = append(c.cut, p.key)
			continue
		}
		b.WriteString(line)
	}
	msg := slackMessage{Text: head, Blocks: []slackBlock{
		{"header", slackText{"plain_text", head}},
		{"section", slackText{"plain_text", strings.TrimSpace(b.String())}},
	}}
	if at := m.link(); at != "" {
		msg.Blocks = append(msg.Blocks, slackBlock{"section", slackText{"mrkdwn", "<" + slackEscape(strings.ReplaceAll(at, "|", "%7C")) + "|pipeline run>"}})
	}
	return msg, c
}

// slackEscape does what Slack asks for: no other characters are special between < and >, where mentions and links are written.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

var slackHints = map[int]string{
	http.StatusUnauthorized:    "Slack refused the webhook: copy its whole address again from the app's page Incoming Webhooks",
	http.StatusForbidden:       "Slack refused the webhook (its text says why: invalid_token, action_prohibited): copy its whole address again, or ask an administrator of the workspace",
	http.StatusNotFound:        "the webhook or its channel is not there any more: make a new one on the app's page Incoming Webhooks",
	http.StatusGone:            "the webhook's channel is archived: make a webhook for another one",
	http.StatusTooManyRequests: "Slack takes about one message a second by a webhook",
}
