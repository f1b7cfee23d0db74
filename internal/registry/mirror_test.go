package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

// names of the registries of these tests, which are answered in process.
const (
	origin = "reg.example.com"
	first  = "first.example.com"
	second = "second.example.com"
)

// mirrored is a client whose registry has two mirrors, the first with a prefix. answers is by host.
func mirroredClient(t *testing.T, cred Credentials, answers map[string]func(*http.Request) (*http.Response, error)) (*Client, *[]string) {
	t.Helper()
	var seen []string
	c := quickWith(cred, map[string]Host{origin: {Mirrors: []string{first + "/hub", second}}})
	c.base = roundTrip(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.URL.Host+r.URL.Path)
		f := answers[r.URL.Host]
		if f == nil {
			t.Errorf("%s was asked", r.URL)
			return nil, errors.New("nobody is there")
		}
		return f(r)
	})
	return c, &seen
}

func says(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) { return reply(r, status, nil, body), nil }
}

func breaks(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

const unknown = `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`

func TestMirrors(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		first, second, origin func(*http.Request) (*http.Response, error)
		from                  string // "" for an error
		kind                  Kind
		says                  []string
	}{
		{"the first has it", says(200, "{}"), nil, nil, first + "/hub/acme/app", "", nil},
		{"the first has it not", says(404, unknown), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"a proxy's 404", says(404, "<html>"), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"401", says(401, ""), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"403", says(403, ""), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"429", says(429, ""), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"500, 503", says(500, ""), says(503, ""), says(200, "{}"), origin + "/acme/app", "", nil},
		{"unreachable", breaks(errors.New("connection refused")), says(200, "{}"), nil, second + "/acme/app", "", nil},
		{"nobody has it", says(404, unknown), says(404, unknown), says(404, unknown), "", Missing, nil},
		{"all fail, each in its way", says(401, ""), breaks(errors.New("connection refused")), says(503, ""), "", Unavailable, []string{
			"reg.example.com/acme/app:v1: reg.example.com answered 503 Service Unavailable; before it was asked first.example.com/hub/acme/app:v1: " +
				"first.example.com answered 401 Unauthorized (credential: anonymous: no credential for this host), and " +
				"second.example.com/acme/app:v1: connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, seen := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: tt.first, second: tt.second, origin: tt.origin})
			m, err := c.Manifest(context.Background(), mustRef(t, origin+"/acme/app:v1"))
			if tt.from != "" && (err != nil || m.From != tt.from) {
				t.Errorf("got %q, %v; want %q", m.From, err, tt.from)
			}
			if tt.from == "" {
				wantError(t, err, tt.kind, tt.says...)
			}
			for _, mirror := range []string{first, second} { // the entrance is another address
				if n := strings.Count(strings.Join(*seen, " "), mirror+"/v2/hub/acme/app/") + strings.Count(strings.Join(*seen, " "), mirror+"/v2/acme/app/"); n > 1 {
					t.Errorf("%s was asked %d times, want once: the next one is there", mirror, n)
				}
			}
		})
	}
}

// Wrong bytes are an answer: the runtime would get them, too.
func TestMirrorServesOtherBytes(t *testing.T) {
	c, _ := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: says(200, "evil")})
	ref := origin + "/acme/app@" + someDigest
	_, err := c.Manifest(context.Background(), mustRef(t, ref))
	var other *DigestError
	if !errors.As(err, &other) || other.Ref != first+"/hub/acme/app@"+someDigest || other.Got != Digest([]byte("evil")) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Blob(context.Background(), mustRepo(t, origin+"/acme/app"), someDigest, 100); !errors.As(err, &other) {
		t.Errorf("blob: got %v", err)
	}
}

// A mirror gets the login of its own host: never the registry's, and none where there is none.
func TestMirrorCredentials(t *testing.T) {
	got := map[string]string{}
	answer := func(r *http.Request) (*http.Response, error) {
		if user, _, ok := r.BasicAuth(); ok {
			got[r.URL.Host] = user
			if r.URL.Host == origin {
				return reply(r, http.StatusOK, nil, "{}"), nil
			}
			return reply(r, http.StatusForbidden, nil, ""), nil
		}
		return reply(r, http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Basic realm="x"`}}, ""), nil
	}
	auths := fmt.Sprintf(`{"auths":{%q:{"username":"o","password":"origin-pw","auth":"bzpvcmlnaW4tcHc="},%q:{"auth":"czpzZWNvbmQtcHc="}}}`, origin, second)
	c, _ := mirroredClient(t, Credentials{DockerAuth: httpx.NewSecret(auths)}, map[string]func(*http.Request) (*http.Response, error){first: answer, second: answer, origin: answer})
	if m := mustManifest(t, c, origin+"/acme/app:v1"); m.From != origin+"/acme/app" {
		t.Errorf("got it from %s", m.From)
	}
	if len(got) != 2 || got[origin] != "o" || got[second] != "s" {
		t.Errorf("logins %v, want o at the registry and s at the second mirror", got)
	}
}

// A mirror that can't be reached is left alone for a minute; the others are asked.
func TestMirrorRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		c, seen := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: hang, second: says(404, unknown), origin: says(200, "{}")})
		begin := time.Now()
		for range 5 {
			mustManifest(t, c, origin+"/acme/app:v1")
		}
		if took := time.Since(begin); took > c.options.Timeout {
			t.Errorf("five manifests took %s, want one time-out of %s", took, c.options.Timeout)
		}
		if n := strings.Count(strings.Join(*seen, " "), first); n != 1 {
			t.Errorf("the first mirror was asked %d times, want 1", n)
		}
		time.Sleep(rest)
		mustManifest(t, c, origin+"/acme/app:v1")
		if n := strings.Count(strings.Join(*seen, " "), first); n != 2 {
			t.Errorf("a minute later it was asked %d times, want 2", n)
		}
	})
}

func TestHasOnMirrors(t *testing.T) {
	missing := says(404, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`)
	for name, tt := range map[string]struct {
		first, second, origin func(*http.Request) (*http.Response, error)
		has                   bool
		kind                  Kind
	}{
		"on a mirror":                      {missing, says(200, ""), nil, true, ""},
		"at the registry only":             {missing, missing, says(200, ""), true, ""},
		"nowhere":                          {missing, missing, missing, false, ""},
		"on no mirror, the registry fails": {missing, missing, says(403, ""), false, Forbidden},
	} {
		c, _ := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: tt.first, second: tt.second, origin: tt.origin})
		has, err := c.Has(context.Background(), mustRepo(t, origin+"/acme/app"), someDigest)
		if has != tt.has || tt.kind == "" && err != nil {
			t.Errorf("%s: got %v, %v", name, has, err)
		}
		if tt.kind != "" {
			wantError(t, err, tt.kind)
		}
	}
}

// What refers to a digest is the registry's to say. A mirror's list counts where the registry can't be asked, and an empty one never.
func TestReferrersOnMirrors(t *testing.T) {
	one := fmt.Sprintf(`{"manifests":[{"digest":%q}]}`, someDigest)
	for name, tt := range map[string]struct {
		first, second, origin func(*http.Request) (*http.Response, error)
		n                     int
		kind                  Kind
	}{
		"the registry's list":             {nil, nil, says(200, one), 1, ""},
		"the registry's empty list":       {nil, nil, says(200, "{}"), 0, ""},
		"no API, no fallback tag":         {nil, nil, says(404, unknown), 0, ""},
		"the registry is down":            {says(200, "{}"), says(200, one), says(503, ""), 1, ""},
		"the registry is down, no mirror": {says(200, "{}"), says(404, unknown), says(503, ""), 0, Unavailable},
	} {
		c, _ := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: tt.first, second: tt.second, origin: tt.origin})
		ds, _, err := c.Referrers(context.Background(), mustRepo(t, origin+"/acme/app"), someDigest, 10)
		if len(ds) != tt.n || tt.kind == "" && err != nil {
			t.Errorf("%s: got %v, %v", name, ds, err)
		}
		if tt.kind != "" {
			wantError(t, err, tt.kind)
		}
	}
}

// What is written must be read where it was written: the options for go-containerregistry know no mirror.
func TestRemoteHasNoMirror(t *testing.T) {
	c, seen := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){origin: says(200, `{"tags":[]}`)})
	listTags(t, c, mustRepo(t, origin+"/acme/app"))
	if got := strings.Join(*seen, " "); strings.Contains(got, first) || !strings.Contains(got, "/tags/list") {
		t.Errorf("got %s", got)
	}
}

func TestMirrorIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, _ := mirroredClient(t, Credentials{}, map[string]func(*http.Request) (*http.Response, error){first: func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	}})
	if _, err := c.Manifest(ctx, mustRef(t, origin+"/acme/app:v1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Two real registries, the second of which wants a password: the tag is what the mirror says, and what it does not have comes from the other.
func TestMirrorsOnRealRegistries(t *testing.T) {
	mirror, itself := realtest.Registry(t, "", ""), realtest.Registry(t, "bake", "right-password")
	c := quickWith(loginTo(itself.Addr, "bake", "right-password"), map[string]Host{itself.Addr: {Mirrors: []string{mirror.Addr + "/hub"}}})
	push := func(ref string) string {
		img, err := random.Image(100, 1)
		if err != nil {
			t.Fatal(err)
		}
		r := mustRef(t, ref)
		if err := remote.Write(r, img, c.Remote(context.Background(), r.Context())...); err != nil {
			t.Fatal(c.Explain(r.Context(), err))
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	onMirror, stale, late := push(mirror.Addr+"/hub/acme/app:v1"), push(itself.Addr+"/acme/app:v1"), push(itself.Addr+"/acme/app:v2")
	for ref, want := range map[string]Manifest{
		":v1":       {Digest: onMirror, From: mirror.Addr + "/hub/acme/app"},
		":v2":       {Digest: late, From: itself.Addr + "/acme/app"},
		"@" + stale: {Digest: stale, From: itself.Addr + "/acme/app"},
	} {
		if m := mustManifest(t, c, itself.Addr+"/acme/app"+ref); m.Digest != want.Digest || m.From != want.From {
			t.Errorf("%s: got %s from %s, want %s from %s", ref, m.Digest, m.From, want.Digest, want.From)
		}
	}
	if _, err := c.Manifest(context.Background(), mustRef(t, itself.Addr+"/acme/app:absent")); !IsMissing(err) {
		t.Errorf("absent: got %v", err)
	}
}
