package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry/fake"
)

// internet is a proxy behind which every name is one server of ours, which thus can be a public registry, its store and its token server.
type internet struct {
	t     testing.TB
	proxy *httptest.Server
	tls   *httptest.Server
	ca    string // file

	mu    sync.Mutex
	asked []string // HOST:PORT that connections were made to
	heard []string // "HOST: Authorization", and what came in a form
	// serve answers for every host.
	serve func(w http.ResponseWriter, r *http.Request)
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	n := &internet{t: t}
	cert, ca := authority(t)
	n.ca = ca
	n.tls = httptest.NewUnstartedServer(http.HandlerFunc(n.hear))
	n.tls.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	n.tls.StartTLS()
	t.Cleanup(n.tls.Close)
	n.proxy = httptest.NewServer(http.HandlerFunc(n.connect))
	t.Cleanup(n.proxy.Close)
	return n
}

// authority makes a certificate for all the names in these tests, and for the addresses, and the file of who issued it.
func authority(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"registry.example", "store.example", "auth.example", "localhost", "metadata.google.internal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4zero}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	path := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// connect is the proxy's CONNECT.
func (n *internet) connect(w http.ResponseWriter, r *http.Request) {
	n.note(&n.asked, r.Host)
	out, err := net.Dial("tcp", n.tls.Listener.Addr().String())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer out.Close()
	w.WriteHeader(http.StatusOK)
	in, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	go func() {
		_, _ = io.Copy(out, buffered) // ends with either side
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func (n *internet) hear(w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Authorization"); a != "" {
		n.note(&n.heard, r.Host+": "+a)
	}
	if r.Method == http.MethodPost {
		if b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20)); err == nil {
			n.note(&n.heard, r.Host+": "+string(b))
		}
	}
	n.serve(w, r)
}

func (n *internet) note(list *[]string, s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*list = append(*list, s)
}

// verify asks for an image of registry.example, with a login for it.
func (n *internet) verify(good fakeImage) ran {
	n.t.Helper()
	config := compact(map[string]any{"version": 1, "service": "app", "environment": "test", "verify": map[string]any{"images": []any{
		map[string]any{"image": "registry.example/acme/app:v1", "built": map[string]any{"digest": good.digest}}}}})
	return runBinary(n.t, command(n.t, config, "DOCKER_AUTH_CONFIG="+dockerLogin("registry.example"), "HTTPS_PROXY="+n.proxy.URL, "HTTP_PROXY="+n.proxy.URL, "SSL_CERT_FILE="+n.ca))
}

// A registry on the internet leads us to the network that the runner is in. Nobody is asked there, and no credential goes anywhere but to
// the registry, or to the public token server that it names.
func TestNothingNearIsAsked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the authority of these tests is given in SSL_CERT_FILE, which only Linux reads")
	}
	near := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.Host) }))
	near.StartTLS()
	t.Cleanup(near.Close)
	port := near.URL[strings.LastIndex(near.URL, ":"):]
	for _, target := range []string{"https://127.0.0.1" + port, "https://localhost" + port, "https://0.0.0.0" + port, "https://[::1]" + port, "https://[::ffff:127.0.0.1]" + port,
		"https://2130706433" + port, "https://127.1" + port, "https://10.11.12.13", "https://100.64.0.1", "https://169.254.169.254",
		"https://[fd00:ec2::254]", "https://metadata.google.internal", "http://169.254.169.254", "http://127.0.0.1" + port, "http://store.example"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			redirectTo(t, target)
			realmAt(t, target)
		})
	}
}

func redirectTo(t *testing.T, target string) {
	n := newInternet(t)
	good := fakeImage{digest: fake.DigestOf(t, fake.Image(t, "one", "linux/amd64"))}
	n.serve = func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/manifests/"):
			http.Redirect(w, r, target+"/elsewhere", http.StatusTemporaryRedirect)
		}
	}
	n.refused(t, n.verify(good), "redirect")
}

func realmAt(t *testing.T, target string) {
	n := newInternet(t)
	good := fakeImage{digest: fake.DigestOf(t, fake.Image(t, "one", "linux/amd64"))}
	n.serve = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="registry.example",scope="repository:acme/app:pull"`, target+"/token"))
		w.WriteHeader(http.StatusUnauthorized)
	}
	n.refused(t, n.verify(good), "realm")
}

// refused wants an error, no question to anybody but the registry, and its credential nowhere else.
func (n *internet) refused(t *testing.T, b ran, how string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if b.code != 1 || !strings.Contains(b.text, "private") && !strings.Contains(b.text, "http") {
		t.Errorf("%s: exit %d, want 1 and why\n%s", how, b.code, b.text)
	}
	for _, host := range n.asked {
		if host != "registry.example:443" {
			t.Errorf("%s: %s was asked", how, host)
		}
	}
	for _, h := range n.heard {
		if !strings.HasPrefix(h, "registry.example: ") {
			t.Errorf("%s: a credential went to %s", how, h)
		}
	}
	if len(n.asked) == 0 || strings.Contains(b.text, "correct-horse") {
		t.Errorf("%s: the registry was not asked, or the password is told:\n%s", how, b.text)
	}
}

// What a registry may do: keep its blobs with somebody else, and have tokens from a server of its own.
func TestPublicStoreAndTokenServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the authority of these tests is given in SSL_CERT_FILE, which only Linux reads")
	}
	n := newInternet(t)
	img := fake.Image(t, "one", "linux/amd64")
	raw, err := img.RawManifest()
	must(t, err)
	n.serve = func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "auth.example":
			fmt.Fprint(w, `{"token":"of-the-token-server"}`)
		case r.Host == "store.example":
			_, _ = w.Write(raw)
		case r.Header.Get("Authorization") != "Bearer of-the-token-server":
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example/token",service="registry.example"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/manifests/"):
			http.Redirect(w, r, "https://store.example/content?signature=x", http.StatusTemporaryRedirect)
		}
	}
	b := n.verify(fakeImage{digest: fake.DigestOf(t, img)})
	n.mu.Lock()
	defer n.mu.Unlock()
	if b.code != 0 {
		t.Errorf("exit %d\n%s", b.code, b.text)
	}
	if slices.ContainsFunc(n.heard, func(h string) bool { return strings.HasPrefix(h, "store.example") }) {
		t.Errorf("the store was given a credential: %v", n.heard)
	}
	if !slices.ContainsFunc(n.heard, func(h string) bool { return strings.HasPrefix(h, "auth.example: Basic ") }) {
		t.Errorf("the token server was not given the login: %v", n.heard)
	}
}
