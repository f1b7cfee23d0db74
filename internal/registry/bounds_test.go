package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endless writes until the client has enough, and counts.
func endless(w http.ResponseWriter, r *http.Request, written *atomic.Int64) {
	block := bytes.Repeat([]byte("x"), 64<<10)
	for r.Context().Err() == nil && written.Load() < 1<<30 {
		n, err := w.Write(block)
		if written.Add(int64(n)); err != nil {
			return
		}
	}
}

// drip writes a byte every now and then until the client has had enough.
func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		fmt.Fprint(w, " ")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// case 07: replies without end, in every place of the conversation. Each ends soon, and little of it is read.
func TestCase07BoundedInMemoryAndTime(t *testing.T) {
	const enough = 16 << 20 // what the buffers on the way may hold beside the 4 MiB that are read
	at := func(path string, f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, path) && path != "":
				f(w, r)
			case path == "/token":
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token"`, r.Host))
				w.WriteHeader(http.StatusUnauthorized)
			default:
				fmt.Fprint(w, "{}")
			}
		}
	}
	var written atomic.Int64
	flood := func(w http.ResponseWriter, r *http.Request) { endless(w, r, &written) }
	status := func(code int, f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			f(w, r)
		}
	}
	headers := func(n, size int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := range n {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("y", size))
			}
			fmt.Fprint(w, "{}")
		}
	}
	for _, tt := range []struct {
		name string
		f    http.HandlerFunc
		kind Kind
	}{
		{"oversized manifest", at("/v2/acme", flood), Invalid},
		{"slow manifest", at("/v2/acme", drip), Timeout},
		{"oversized error", at("/v2/acme", status(403, flood)), Forbidden},
		{"oversized 401", at("/v2/acme", status(401, flood)), Unauthorized},
		{"oversized token", at("/token", flood), Invalid},
		{"slow token", at("/token", drip), Timeout},
		{"oversized refusal of a token", at("/token", status(403, flood)), Invalid},
		{"a token that is none", at("/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"secret":"hunter2"}`) }), Invalid},
		{"a token that is no JSON", at("/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<hunter2>`) }), Invalid},
		{"huge headers", at("/v2/acme", headers(100, 8<<10)), Unreachable},
		{"10,000 headers", at("/v2/acme", headers(10_000, 40)), Unreachable},
		{"10,000 short headers", at("/v2/acme", headers(10_000, 1)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			written.Store(0)
			s := serve(t, "http", tt.f)
			o := Options{RetryWait: time.Millisecond, Timeout: 10 * time.Second, Limit: 20 * time.Second}
			if tt.kind == Timeout {
				o.Timeout, o.Limit = 400*time.Millisecond, 3*time.Second
			}
			c := New(Credentials{}, o)
			begin := time.Now()
			_, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
			if tt.kind == "" && err != nil {
				t.Error(err)
			}
			if tt.kind != "" {
				wantError(t, err, tt.kind)
			}
			if took := time.Since(begin); took > o.Limit+5*time.Second {
				t.Errorf("it took %s", took)
			}
			if n := written.Load(); n > enough {
				t.Errorf("the server could write %d bytes", n)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 1500) {
				t.Errorf("the error is %d bytes: %.1500s", len(err.Error()), err)
			}
		})
	}
	t.Run("oversized ping", func(t *testing.T) {
		written.Store(0)
		s := serve(t, "http", at("/v2/", flood))
		c := New(loginTo(s.host, "u", "password"), Options{RetryWait: time.Millisecond, Timeout: 400 * time.Millisecond, Limit: 3 * time.Second})
		_, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
		if n := written.Load(); err == nil || n > 2*enough {
			t.Errorf("got %v after %d bytes", err, n)
		}
	})
}

// case 07: nothing is decompressed on the way, so a bomb stays small. What somebody has compressed proves nothing about the image.
func TestCase07CompressedReplies(t *testing.T) {
	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for range 1 << 8 { // 16 MiB, sent as less than 100 KiB
		_, _ = z.Write(make([]byte, 1<<16))
	}
	_ = z.Close()
	encoding := "gzip"
	s := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Accept-Encoding"); a != "" {
			t.Errorf("asked for %s", a)
		}
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write(bomb.Bytes())
	})
	c := quick(Credentials{})
	for _, ref := range []string{":v1", "@" + someDigest} {
		_, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app"+ref))
		wantError(t, err, Invalid, `encoded as "gzip"`)
	}
	_, err = c.Blob(context.Background(), mustRepo(t, s.host+"/acme/app"), someDigest, 1<<20)
	wantError(t, err, Invalid, `encoded as "gzip"`)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(bomb.Bytes()))
	if b, err := c.Blob(context.Background(), mustRepo(t, s.host+"/acme/app"), digest, 1<<20); err != nil || len(b) != bomb.Len() {
		t.Errorf("a layer that its store calls encoded: %d bytes, %v", len(b), err)
	}
	encoding = "identity"
	mustManifest(t, c, s.host+"/acme/app:v1")
}
