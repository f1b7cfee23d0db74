package signed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func TestParseRoots(t *testing.T) {
	one, two := forge.NewSigstore(t).Root(t), forge.NewPrivateSigstore(t).Root(t)
	var pretty bytes.Buffer
	must(t, json.Indent(&pretty, one, "", "  "))
	for _, tt := range []struct {
		name, text string
		n          int
		want       string
	}{
		{"one", string(one), 1, ""},
		{"one on many lines", pretty.String(), 1, ""},
		{"one a line", string(one) + "\n" + string(two) + "\n", 2, ""},
		{"with empty lines", "\n\n" + string(one) + "\n\n" + string(two), 2, ""},
		{"empty", "", 0, "it is empty"},
		{"spaces", "\n \n", 0, "it is empty"},
		{"text", "hello", 0, "want a trusted_root.json"},
		{"another document", `{"a":1}`, 0, "root 1: want a trusted_root.json"},
		{"null", `null`, 0, "root 1: want a trusted_root.json"},
		{"a list", `[` + string(one) + `]`, 0, "want a trusted_root.json"},
		{"the second is broken", string(one) + "\n{", 0, "want a trusted_root.json"},
		{"the second is another document", string(one) + "\n{}", 0, "root 2: want a trusted_root.json"},
		{"too many", strings.Repeat(string(one)+"\n", maxRoots+1), 0, "more than 20 trusted roots"},
		{"an authority without a certificate", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[{}]}`, 0, "missing cert chain"},
	} {
		got, err := parseRoots([]byte(tt.text))
		if len(got) != tt.n || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %d roots and %v, want %d and %q", tt.name, len(got), err, tt.n, tt.want)
		}
	}
}

func FuzzRoots(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"hashAlgorithm":"SHA2_256","logId":{"keyId":"AA=="}}]}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","timestampAuthorities":[{"certChain":{"certificates":[{}]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := parseRoots(b)
		if err != nil {
			return
		}
		if len(rs) == 0 || len(rs) > maxRoots {
			t.Errorf("%d roots and no error", len(rs))
		}
		for _, r := range rs {
			if r.TrustedMaterial == nil {
				t.Error("a root without content")
			}
			s := signer{identities: []identity{{}}}
			_ = s.usable(r)
		}
	})
}

// A root with which nothing could be good is a mistake in the configuration, not of whoever signed.
func TestUnusableRoots(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return name
	}
	empty := write("empty.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)
	key := forge.NewKey(t).Path
	for _, tt := range []struct {
		s    Signature
		want string
	}{
		{Signature{Signer: Signer{Keyless: &Keyless{Certificate: exact}, TrustedRoot: empty}}, "trusted root 1: it names no certificate authority"},
		{Signature{Signer: Signer{Key: key, TrustedRoot: empty}}, "it names no transparency log"},
		{Signature{Signer: Signer{Key: key, TrustedRoot: "absent"}}, "no such file"},
		{Signature{Signer: Signer{Key: "absent", IgnoreTlog: true}}, "no such file"},
		{Signature{Signer: Signer{Key: key, TrustedRoot: write("large", strings.Repeat(" ", maxFile+1))}}, "larger than 4 MiB"},
	} {
		if _, err := NewPolicy(t.Context(), tt.s, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// watchNetwork tells what is asked for by a name, through any client or resolver of the process. Nothing gets out.
func watchNetwork(t *testing.T) func() []string {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	note := func(what string) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, what)
		return errors.New("no network")
	}
	old, oldResolver := http.DefaultTransport, net.DefaultResolver
	t.Cleanup(func() { http.DefaultTransport, net.DefaultResolver = old, oldResolver })
	http.DefaultTransport = roundTrip(func(r *http.Request) (*http.Response, error) { return nil, note(r.URL.String()) })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, note("the name server " + address)
	}}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// With a trusted root nothing is asked but the registry; nor is it with a key that signs without the log.
func TestOffline(t *testing.T) {
	sg, k := forge.NewSigstore(t), forge.NewKey(t)
	w, d := image(t)
	forge.SignTag(t, w, d, sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{NotLogged: true}), sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{}))
	forge.Refer(t, w, d, sg.Bundle(t, forge.Statement(d, forge.SignType), forge.Signing{}))
	root := forge.RootFile(t, sg)
	asked := watchNetwork(t)
	for _, s := range []Signature{keyless(t, exact, sg), {Signer: Signer{Key: k.Path, TrustedRoot: root}}, {Signer: Signer{Key: k.Path, IgnoreTlog: true}}} {
		p := policyOf(t, s)
		f, err := ask(t, w, d, p)
		want := verdict.Fail
		if s.Keyless != nil {
			want = verdict.Pass
		}
		expect(t, f, err, want, "")
	}
	if got := asked(); len(got) > 0 {
		t.Errorf("asked for %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := NewPolicy(ctx, Signature{Signer: Signer{Keyless: &Keyless{Certificate: exact}}}, "")
	if err == nil || len(asked()) == 0 || !strings.Contains(err.Error(), "save a trusted_root.json and name it in trusted-root") {
		t.Errorf("without a root: %v, asked for %q", err, asked())
	}
}

func TestPrivateTUF(t *testing.T) {
	sg := forge.NewSigstore(t)
	for _, tt := range []struct {
		name   string
		change func(r *forge.TUF)
		anchor func(r *forge.TUF) []byte // nil: that of the repository
		want   string
	}{
		{"good", func(*forge.TUF) {}, nil, ""},
		{"root rotated", func(r *forge.TUF) { r.Rotations(t, 3) }, nil, ""},
		{"delegated", func(r *forge.TUF) { r.Delegate(t, "team") }, nil, ""},
		{"expired timestamp", func(r *forge.TUF) { r.Timestamp.Signed.Expires = time.Now().Add(-time.Hour) }, nil, "was not renewed in time"},
		{"expired targets", func(r *forge.TUF) { r.Targets.Signed.Expires = time.Now().Add(-time.Hour) }, nil, "was not renewed in time"},
		{"expired root", func(r *forge.TUF) { r.Root.Signed.Expires = time.Now().Add(-time.Hour) }, nil, "was not renewed in time"},
		{"threshold 0", func(r *forge.TUF) { r.Root.Signed.Roles[metadata.TARGETS].Threshold = 0 }, nil, "threshold"},
		{"threshold 2", func(r *forge.TUF) { r.Root.Signed.Roles[metadata.TIMESTAMP].Threshold = 2 }, nil, "other keys than tuf.root says"},
		{"other root", func(*forge.TUF) {}, func(*forge.TUF) []byte { return forge.NewTUF(t, []byte("x")).Anchor(t) }, "other keys than tuf.root says"},
		{"root is no root", func(*forge.TUF) {}, func(*forge.TUF) []byte { return []byte("{}") }, "tuf: fetching the trusted root"},
		{"target changed", func(r *forge.TUF) { r.Target = append(r.Target, ' ') }, nil, "404"},
		{"target is no trusted root", func(r *forge.TUF) {}, nil, "unsupported TrustedRoot media type"},
		{"target missing", func(r *forge.TUF) { delete(r.Targets.Signed.Targets, "trusted_root.json") }, nil, "trusted_root.json not found"},
		{"target larger than told", func(r *forge.TUF) { r.Targets.Signed.Targets["trusted_root.json"].Length = 10 }, nil, "want at most 10"},
		{"a role that leads out of the repository", func(r *forge.TUF) { r.Delegate(t, "../../../../../../tmp/evil") }, nil, ""},
		{"a role that names another host", func(r *forge.TUF) { r.Delegate(t, "//evil.example/x") }, nil, ""},
		{"rotations without end", func(r *forge.TUF) { r.Rotations(t, 200) }, nil, "more than 64 requests"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := sg.Root(t)
			if tt.name == "target is no trusted root" {
				content = []byte(`{"mediaType":"x"}`)
			}
			r := forge.NewTUF(t, content)
			tt.change(r)
			anchor := r.Anchor(t)
			if tt.anchor != nil {
				anchor = tt.anchor(r)
			}
			dir := t.TempDir()
			t.Chdir(dir)
			must(t, os.WriteFile("root.json", anchor, 0o600))
			s := Signature{Signer: Signer{Keyless: &Keyless{Certificate: exact}, TUF: &TUF{Remote: httpx.Remote{URL: r.Serve(t)}, Root: "root.json"}}}
			p, err := NewPolicy(t.Context(), s, dir)
			good := tt.want == ""
			switch {
			case good && err != nil:
				t.Fatal(err)
			case !good && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
				t.Errorf("something was left on the disk: %v %v", names, err)
			}
			if !good {
				return
			}
			p.Lag = 0
			w, d := image(t)
			forge.SignTag(t, w, d, sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{}))
			f, err := ask(t, w, d, p)
			expect(t, f, err, verdict.Pass, "is signed by")
		})
	}
}

// A repository that is down, slow or floods is an error in time.
func TestTUFOutage(t *testing.T) {
	r := forge.NewTUF(t, forge.NewSigstore(t).Root(t))
	anchor := r.Anchor(t)
	for name, h := range map[string]http.HandlerFunc{
		"503":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"401":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"floods": func(w http.ResponseWriter, _ *http.Request) {
			for b := make([]byte, 1<<20); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		},
		"a web page": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
	} {
		s := httptest.NewServer(h)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		start := time.Now()
		_, err := fetchRoot(ctx, httpx.Remote{URL: s.URL, Timeout: time.Second}, anchor)
		cancel()
		s.CloseClientConnections()
		s.Close()
		if err == nil || time.Since(start) > 20*time.Second || !strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: %v in %s", name, err, time.Since(start))
		}
	}
}

// A cache that a checkout brings along is not read.
func TestNoCacheIsRead(t *testing.T) {
	sg := forge.NewSigstore(t)
	evil := forge.NewTUF(t, sg.Root(t))
	evil.Timestamp.Signed.Version = 99
	evil.Serve(t)
	good := forge.NewTUF(t, sg.Root(t))
	address := good.Serve(t)
	dir := t.TempDir()
	t.Chdir(dir)
	b, err := evil.Timestamp.ToBytes(false)
	must(t, err)
	for _, host := range []string{strings.ReplaceAll(strings.TrimPrefix(address, "http://"), ":", "-"), "."} {
		must(t, os.MkdirAll(host, 0o700))
		must(t, os.WriteFile(filepath.Join(host, "timestamp.json"), b, 0o600))
	}
	if _, err := fetchRoot(t.Context(), httpx.Remote{URL: address}, good.Anchor(t)); err != nil {
		t.Error(err)
	}
}
