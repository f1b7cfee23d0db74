package fake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhook is a receiver as the documentation of the marker asks for one: it checks the signature and its age, and takes a message with
// the same idempotency key once.
type Webhook struct {
	box
	token, secret string
	seen          map[string]bool
}

// NewWebhook makes a receiver; an empty token or secret is not asked for.
func NewWebhook(token, secret string) *Webhook {
	h := &Webhook{token: token, secret: secret, seen: map[string]bool{}}
	h.start(h.serve)
	return h
}

func (h *Webhook) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || r.Method != http.MethodPost:
		w.WriteHeader(http.StatusBadRequest)
	case h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token, !h.signed(r.Header, body):
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasSuffix(r.URL.Path, "/"):
		w.WriteHeader(http.StatusNotFound) // many routers know the path without the slash alone
	default:
		h.take(r.Header.Get("Idempotency-Key"), string(body))
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *Webhook) take(key, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key == "" || !h.seen[key] {
		h.marks = append(h.marks, body)
	}
	h.seen[key] = true
}

func (h *Webhook) signed(header http.Header, body []byte) bool {
	if h.secret == "" {
		return true
	}
	at := header.Get("X-Bakegate-Timestamp")
	sent, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write([]byte(at + "." + string(body)))
	return hmac.Equal([]byte("sha256="+hex.EncodeToString(mac.Sum(nil))), []byte(header.Get("X-Bakegate-Signature-256")))
}
