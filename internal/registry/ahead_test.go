package registry

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

// What was asked for ahead is asked for once, and given once: whoever asks again gets what is served then.
func TestAhead(t *testing.T) {
	body := []byte(`{"schemaVersion":2}`)
	hold := make(chan struct{})
	s := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) {
		<-hold
		_, _ = w.Write(body)
	})
	c := New(Credentials{}, Options{})
	tag, wrong := mustRef(t, s.host+"/acme/app:v1"), mustRef(t, s.host+"/acme/app@"+someDigest)
	c.Ahead(t.Context(), tag)
	c.Ahead(t.Context(), tag)
	c.Ahead(t.Context(), wrong)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c.Ahead(t.Context(), mustRef(t, s.host+"/acme/other:v1"))
	if _, err := c.Manifest(gone, mustRef(t, s.host+"/acme/other:v1")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	close(hold)
	for range 2 {
		if m, err := c.Manifest(t.Context(), tag); err != nil || m.Digest != Digest(body) {
			t.Fatalf("got %+v, %v", m, err)
		}
	}
	var d *DigestError
	if _, err := c.Manifest(t.Context(), wrong); !errors.As(err, &d) {
		t.Errorf("other bytes: got %v, want a *DigestError", err)
	}
	n := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seen {
		if r == "GET /v2/acme/app/manifests/v1" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d requests, want one ahead and one behind: %v", n, s.seen)
	}
}
