package fake

import (
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// Slack is a fake of Slack's incoming webhooks: it answers in words, not in JSON.
type Slack struct {
	box
	path string
}

// NewSlack makes a Slack with one webhook, known by its path.
func NewSlack(path string) *Slack {
	s := &Slack{path: path}
	s.start(s.serve)
	return s
}

// slackMessage is what the documentation of messages and blocks lists, as far as a marker needs it.
type slackMessage struct {
	Text        string `json:"text"`
	Mrkdwn      bool   `json:"mrkdwn"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
	Blocks      []struct {
		Type string `json:"type"`
		Text struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"text"`
	} `json:"blocks"`
}

func (s *Slack) serve(w http.ResponseWriter, r *http.Request) {
	var m slackMessage
	switch {
	case r.URL.Path != s.path:
		say(w, http.StatusNotFound, "no_service")
	case r.Method != http.MethodPost || !read(w, r, 1<<20, &m):
	case !m.valid():
		say(w, http.StatusBadRequest, "invalid_blocks")
	default:
		s.add(m.shown())
		say(w, http.StatusOK, "ok")
	}
}

func say(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word)
}

// valid knows the limits: 50 blocks, 150 characters a header, 3,000 a section, 40,000 a text; a block without text is none.
func (m slackMessage) valid() bool {
	ok := m.Text != "" && utf8.RuneCountInString(m.Text) <= 40_000 && len(m.Blocks) <= 50
	for _, b := range m.Blocks {
		n := utf8.RuneCountInString(b.Text.Text)
		switch b.Type {
		case "header":
			ok = ok && n > 0 && n <= 150 && b.Text.Type == "plain_text"
		case "section":
			ok = ok && n > 0 && n <= 3000
		default:
			return false
		}
	}
	return ok
}

// slackLink is a link that is shown by its words; the tests look at what is left.
var slackLink = lazyregexp.New(`<https?://[^<>|\s]*\|pipeline run>`)

func (m slackMessage) shown() string {
	all := []string{m.Text}
	for _, b := range m.Blocks {
		all = append(all, b.Text.Text)
	}
	return slackLink.ReplaceAllString(strings.Join(all, "\n"), "[link]")
}
