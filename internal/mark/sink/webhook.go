package sink

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// webhookOptions is the block `webhook:`.
type webhookOptions struct {
	httpx.Remote
	Token  httpx.Secret `yaml:"token"`  // sent as Authorization: Bearer TOKEN
	Secret httpx.Secret `yaml:"secret"` // signs every message
}

// webhook posts the marker to a service of the user's own.
type webhook struct {
	link
	path    string
	options webhookOptions
}

// shortestSigning is the least length of a secret that signs: what is shorter can be guessed from one message.
const shortestSigning = 16

func buildWebhook(decode func(any) error) (Sink, error) {
	var o webhookOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	if n := len(o.Secret.Reveal()); n > 0 && n < shortestSigning {
		return nil, errors.New("secret is too short to sign with, want 16 characters or more by chance")
	}
	l, path, err := connectTo(o.Remote, httpx.WithBearer(o.Token), httpx.WithSecret(o.Secret))
	if err != nil {
		return nil, err
	}
	return &webhook{link: l, path: path, options: o}, nil
}

// Traits implements Sink. Whether the receiver heeds Idempotency-Key is not known here.
func (w *webhook) Traits() Traits { return Traits{} }

// Open implements Sink.
func (w *webhook) Open(ctx context.Context, m Marker) (string, error) {
	d := m.document()
	d.Phase = "open"
	return "", w.send(ctx, d, deployTag(m)+"-open")
}

// Seal implements Sink.
func (w *webhook) Seal(ctx context.Context, _ string, m Marker) error {
	d := m.document()
	d.Phase = "seal"
	return w.send(ctx, d, deployTag(m)+"-seal")
}

func (w *webhook) send(ctx context.Context, d document, key string) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	h := http.Header{"X-Bakegate-Event": {"deploy." + d.Phase}, "Idempotency-Key": {key}}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	h.Set("X-Bakegate-Timestamp", at)
	if !w.options.Secret.IsZero() {
		h.Set("X-Bakegate-Signature-256", "sha256="+signature(w.options.Secret.Reveal(), at, body))
	}
	// Repeatable: the key lets the receiver take a message once that arrives twice.
	resp, err := w.api.Do(ctx, httpx.Request{Method: http.MethodPost, Path: w.path, Header: h, Body: body, Repeatable: true})
	if err != nil {
		return refused(err, webhookHints)
	}
	return httpx.NoPage(resp, "any other 2xx")
}

// signature is HMAC-SHA256 of "TIMESTAMP.BODY": the time is signed too, so that a message that was overheard can't be played again later.
func signature(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

var webhookHints = map[int]string{
	http.StatusUnauthorized: "the receiver refused the token or the signature: check token and secret, and that both clocks are right",
	http.StatusForbidden:    "the receiver refused the token or the signature: check token and secret, and that both clocks are right",
	http.StatusNotFound:     "check the url: the message is posted to it as it is",
}
