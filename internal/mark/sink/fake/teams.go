package fake

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// Teams is a fake of a workflow that posts to a channel what its webhook gets. It says 202 before it has posted anything.
type Teams struct {
	box
	sig string
}

// NewTeams makes a workflow whose address has this signature.
func NewTeams(sig string) *Teams {
	t := &Teams{sig: sig}
	t.start(t.serve)
	return t
}

// teamsLimit is the size of a message that Teams takes, with what the workflow puts around it.
const teamsLimit = 28 << 10

func (t *Teams) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sig") != t.sig || r.URL.Query().Get("api-version") == "" {
		reply(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "AuthorizationFailed"}})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) > teamsLimit-2048 {
		reply(w, http.StatusRequestEntityTooLarge, map[string]any{"error": map[string]any{"code": "RequestEntityTooLarge"}})
		return
	}
	var m struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string `json:"contentType"`
			Content     struct {
				Type    string           `json:"type"`
				Version string           `json:"version"`
				Body    []map[string]any `json:"body"`
			} `json:"content"`
		} `json:"attachments"`
	}
	if json.Unmarshal(body, &m) != nil || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" ||
		m.Attachments[0].Content.Type != "AdaptiveCard" || len(m.Attachments[0].Content.Body) == 0 {
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"code": "TriggerInputSchemaMismatch"}})
		return
	}
	var shown bytes.Buffer // as it was meant, without JSON's own escapes of < and >
	e := json.NewEncoder(&shown)
	e.SetEscapeHTML(false)
	_ = e.Encode(m.Attachments[0].Content.Body)
	t.add(shown.String())
	w.WriteHeader(http.StatusAccepted)
}
