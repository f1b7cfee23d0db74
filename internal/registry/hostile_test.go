package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// The numbers are those of the list of cases that a verifier is tested with; what this package can't see (signatures, indexes) is tested
// where it is judged.

const ociType, schema1Type = "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"

// cases 01, 02 and 04: no header is believed, and every body is hashed.
func TestCase01to04HeadersAreNotBelieved(t *testing.T) {
	for name, header := range map[string]http.Header{
		"case 01 tampered body under an OCI type":               {"Content-Type": {ociType}, "Docker-Content-Digest": {someDigest}},
		"case 02 tampered body typed as schema 1, lying header": {"Content-Type": {schema1Type}, "Docker-Content-Digest": {someDigest}},
		"case 04 digest header missing":                         {"Content-Type": {ociType}},
		"case 04 digest header of another":                      {"Docker-Content-Digest": {"sha256:" + strings.Repeat("0", 64)}},
		"case 04 digest header broken":                          {"Docker-Content-Digest": {"\x1b[31m"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Credentials{}, Options{})
			c.base = roundTrip(func(r *http.Request) (*http.Response, error) { return reply(r, http.StatusOK, header, "tampered"), nil })
			_, err := c.Manifest(context.Background(), mustRef(t, origin+"/acme/app@"+someDigest))
			var other *DigestError
			if !errors.As(err, &other) || other.Got != Digest([]byte("tampered")) {
				t.Errorf("by digest: got %v", err)
			}
			m := mustManifest(t, c, origin+"/acme/app:v1")
			if m.Digest != Digest([]byte("tampered")) || strings.Contains(m.ContentType, "\x1b") {
				t.Errorf("by tag: got %+v", m)
			}
		})
	}
}

// case 03: what HEAD says of a manifest does not matter, it is never asked.
func TestCase03NoHEADOfManifests(t *testing.T) {
	s := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	c := quick(Credentials{})
	mustManifest(t, c, s.host+"/acme/app:v1")
	mustManifest(t, c, s.host+"/acme/app@"+Digest([]byte("{}")))
	if strings.Contains(s.requests(), "HEAD") {
		t.Errorf("got %s", s.requests())
	}
}

// cases 05 and 06: nothing is remembered. Other bytes under a digest are seen the second time, and a tag that moved names what it names now.
func TestCase05and06SecondGet(t *testing.T) {
	var n atomic.Int32
	s := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "body %d", n.Add(1)) })
	c := quick(Credentials{})
	ref := s.host + "/acme/app@" + Digest([]byte("body 1"))
	mustManifest(t, c, ref)
	var other *DigestError
	if _, err := c.Manifest(context.Background(), mustRef(t, ref)); !errors.As(err, &other) {
		t.Errorf("case 05: got %v", err)
	}
	a, b := mustManifest(t, c, s.host+"/acme/app:v1"), mustManifest(t, c, s.host+"/acme/app:v1")
	if a.Digest == b.Digest {
		t.Error("case 06: the tag did not move")
	}
}

// Where a registry on the internet must not lead us, as it is written and as it resolves.
var private = []string{
	"127.0.0.2", "[::1]", "2130706434", "0x7f000002", "0177.0.0.2", "017700000002", "127.2", "0.0.0.0", "0", "[::]", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]",
	"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "[fd00::1]", "[fc00::1]", "169.254.169.254", "2852039166", "[fe80::1]", "[fe80::1%25lo]",
	"[64:ff9b::7f00:2]", "localhost", "LOCALHOST.", "x.localhost", "localtest.me", "inside.example.com", "metadata.example.com", "metadata.google.internal",
}

var privateNames = map[string]string{"reg.example.com": "127.0.0.1", "localtest.me": "127.0.0.2", "inside.example.com": "10.0.0.1",
	"metadata.example.com": "169.254.169.254", "x.localhost": "127.0.0.2", "metadata.google.internal": "169.254.169.254"}

// case 08: a redirect, or a realm, on a private address.
func TestCase08PrivateAddresses(t *testing.T) {
	var how, target string // of the request that is on its way
	s := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { lead(w, r, how, target) })
	host := "reg.example.com:" + s.port()
	ca := caFile(t, s)
	try := func(login bool) {
		var cred Credentials
		if login {
			cred = loginTo(host, "u", "password")
		}
		c := quickWith(cred, map[string]Host{host: {CA: ca}})
		c.resolve(t, privateNames)
		_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
		var e *Error
		if !errors.As(err, &e) || e.Kind != Refused {
			t.Errorf("%s to %s, login %v: got %v", how, target, login, err)
		}
	}
	for _, to := range private {
		for _, scheme := range []string{"https", "http"} {
			target = scheme + "://" + to + ":8443/x"
			for _, how = range []string{"redirect", "realm", "redirect of the realm"} {
				try(false)
				try(true)
			}
			how = "redirect of the entrance" // which nobody does not ask
			try(true)
		}
	}
}

func lead(w http.ResponseWriter, r *http.Request, how, target string) {
	challenge := func(realm string) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="x"`, realm))
		w.WriteHeader(http.StatusUnauthorized)
	}
	switch {
	case how == "redirect" && r.URL.Path != "/v2/", how == "redirect of the realm" && r.URL.Path == "/token", how == "redirect of the entrance":
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case how == "realm":
		challenge(target)
	case how == "redirect of the realm":
		challenge("https://" + r.Host + "/token")
	}
}

// case 08: the name of the registry itself leads to the internet first, and into the machine afterwards.
func TestCase08Rebinding(t *testing.T) {
	s := serve(t, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	s.Config.SetKeepAlivesEnabled(false)
	inside := serveAt(t, "https", "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	host := "reg.example.com:" + s.port()
	c := quickWith(Credentials{}, map[string]Host{host: {CA: caFile(t, s)}})
	c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1"})
	mustManifest(t, c, host+"/acme/app:v1")
	zones := c.zoneOf
	c.resolve(t, map[string]string{"reg.example.com": "127.0.0.2"})
	c.zoneOf = zones
	for _, p := range c.places {
		clear(p.wires) // a new connection, by the new name server
	}
	_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
	wantError(t, err, Refused, "leads to the private address 127.0.0.2 now")
	if inside.requests() != "" {
		t.Errorf("it was asked for %s", inside.requests())
	}
}

// What is private itself may lead to its like, and what has a block in the configuration is meant.
func TestPrivateRegistries(t *testing.T) {
	store := serveAt(t, "https", "127.0.0.3", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	for name, tt := range map[string]struct {
		ip    string
		named bool
		kind  Kind
	}{
		"from inside":             {"127.0.0.2", false, ""},
		"from outside":            {"127.0.0.1", false, Refused},
		"from outside, but named": {"127.0.0.1", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveAt(t, "https", tt.ip, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://store.example.com:"+store.port()+"/x", http.StatusTemporaryRedirect)
			})
			host := "reg.example.com:" + s.port()
			hosts := map[string]Host{host: {CA: caFile(t, s)}}
			if tt.named {
				hosts["store.example.com:"+store.port()] = Host{CA: caFile(t, s)}
			}
			c := quickWith(Credentials{}, hosts)
			c.resolve(t, map[string]string{"reg.example.com": tt.ip, "store.example.com": "127.0.0.3"})
			_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
			if tt.kind == "" && err != nil {
				t.Error(err)
			}
			if tt.kind != "" {
				wantError(t, err, tt.kind, "give its host a block under registries")
			}
		})
	}
}

// case 08: the credential goes to a token server elsewhere over HTTPS only, as it does for Docker Hub, and nowhere from there.
func TestCase08CredentialsAtTheRealm(t *testing.T) {
	for name, tt := range map[string]struct {
		realm string // AUTH is the token server, REG the registry
		moved bool   // the token server sends us on
		token string // an identity token in place of a password: it is sent in a form
		kind  Kind
	}{
		"https":                         {"https://AUTH/token", false, "", ""},
		"https, an identity token":      {"https://AUTH/token", false, "identity-token", ""},
		"http":                          {"http://AUTH/token", false, "", Refused},
		"a user name in the address":    {"https://a:b@AUTH/token", false, "", Refused},
		"redirected":                    {"https://AUTH/token", true, "", ""}, // without the password: the other one gives no token
		"redirected, an identity token": {"https://AUTH/token", true, "identity-token", Refused},
		"a file":                        {"file:///etc/passwd", false, "", Refused},
		"no address":                    {"https://[::1/token", false, "", Refused},
		"relative":                      {"/token", false, "", Refused},
		"none":                          {"", false, "", Refused},
	} {
		t.Run(name, func(t *testing.T) {
			leaked := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				body := make([]byte, 4096)
				n, _ := r.Body.Read(body)
				if _, _, ok := r.BasicAuth(); ok || strings.Contains(string(body[:n]), "identity-token") {
					t.Error("a credential went to a third host")
				}
				fmt.Fprint(w, `{"token":"x"}`)
			})
			auth := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				if tt.moved {
					http.Redirect(w, r, "https://third.example.com:"+leaked.port()+"/token", http.StatusTemporaryRedirect)
					return
				}
				if _, pw, _ := r.BasicAuth(); tt.token == "" && pw != "password" || tt.token != "" && r.FormValue("refresh_token") != tt.token {
					w.WriteHeader(http.StatusUnauthorized)
				}
				fmt.Fprint(w, `{"token":"x"}`)
			})
			s := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer x" {
					realm := strings.ReplaceAll(tt.realm, "AUTH", "auth.example.com:"+auth.port())
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q`, realm))
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				fmt.Fprint(w, "{}")
			})
			host := "reg.example.com:" + s.port()
			cred := loginTo(host, "u", "password")
			if tt.token != "" {
				cred = Credentials{DockerAuth: httpx.NewSecret(fmt.Sprintf(`{"auths":{%q:{"auth":"PHRva2VuPjo=","identitytoken":%q}}}`, host, tt.token))}
			}
			c := quickWith(cred, map[string]Host{host: {CA: caFile(t, s)}})
			c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1", "auth.example.com": "127.0.0.1", "third.example.com": "127.0.0.1"})
			_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
			if tt.kind == "" && err != nil {
				t.Error(err)
			}
			if tt.kind != "" {
				wantError(t, err, tt.kind)
			}
		})
	}
}

// case 08: redirects end.
func TestCase08EndlessRedirects(t *testing.T) {
	for _, how := range []string{"redirect", "redirect of the realm"} {
		s := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { lead(w, r, how, "https://"+r.Host+r.URL.Path+"?again") })
		host := "reg.example.com:" + s.port()
		c := quickWith(Credentials{}, map[string]Host{host: {CA: caFile(t, s)}})
		c.resolve(t, privateNames)
		_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
		wantError(t, err, Refused, "redirects")
		if n := len(strings.Split(s.requests(), ", ")); n > 15 {
			t.Errorf("%s: %d requests", how, n)
		}
	}
}

// A store that wants an anonymous token of its own, as some registries that only redirect: nobody's token is no secret.
func TestAnonymousTokenElsewhere(t *testing.T) {
	store := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			fmt.Fprint(w, `{"token":"anybody"}`)
		case r.Header.Get("Authorization") != "Bearer anybody":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		default:
			fmt.Fprint(w, "{}")
		}
	})
	s := newTokens(t, "", "")
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-") && strings.Contains(r.URL.Path, "/manifests/") {
			http.Redirect(w, r, "https://store.example.com:"+store.port()+"/x", http.StatusTemporaryRedirect)
			return
		}
		inner.ServeHTTP(w, r)
	})
	for _, login := range []bool{false, true} {
		var cred Credentials
		if login {
			s.user, s.password = "u", "password"
			cred = loginTo(s.host, "u", "password")
		}
		c := quickWith(cred, map[string]Host{"store.example.com:" + store.port(): {CA: caFile(t, store)}})
		c.resolve(t, map[string]string{"store.example.com": "127.0.0.1"})
		_, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
		if login {
			wantError(t, err, Refused, "with credentials")
		} else if err != nil {
			t.Error(err)
		}
	}
}
