package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bakegate/bakegate/internal/httpx"
)

// sky is a cloud whose logins are numbered.
type sky struct {
	name, host string
	life       time.Duration // 0: for ever
	err        error
	logins     atomic.Int32
}

func (s *sky) Name() string             { return s.name }
func (s *sky) Handles(host string) bool { return host == s.host }

func (s *sky) Login(ctx context.Context, host string) (string, httpx.Secret, time.Time, error) {
	n := s.logins.Add(1)
	if s.err != nil || ctx.Err() != nil {
		return "", httpx.Secret{}, time.Time{}, errors.Join(s.err, ctx.Err())
	}
	var expires time.Time
	if s.life != 0 {
		expires = time.Now().Add(s.life)
	}
	return s.name, httpx.NewSecret(fmt.Sprintf("%s-password-%d", host, n)), expires, nil
}

func TestCloudInTheOrder(t *testing.T) {
	none := fmt.Errorf("neither AWS_ACCESS_KEY_ID nor a role: %w", ErrNoCloud)
	login := httpx.NewSecret(dockerConfig("cloud.example", "docker", "docker-pw"))
	for _, tt := range []struct {
		name   string
		c      Credentials
		tried  string
		looked string
	}{
		{"a cloud's registry", Credentials{Clouds: []Cloud{&sky{name: "AWS", host: "cloud.example"}}}, "AWS as AWS", "DOCKER_AUTH_CONFIG: not set"},
		{"another registry", Credentials{Clouds: []Cloud{&sky{name: "AWS", host: "other.example"}}}, anonymous, "DOCKER_AUTH_CONFIG: not set"},
		{"a login beats the cloud", Credentials{DockerAuth: login, Clouds: []Cloud{&sky{name: "AWS", host: "cloud.example"}}}, "DOCKER_AUTH_CONFIG as docker", ""},
		{"nothing of the cloud", Credentials{Clouds: []Cloud{&sky{name: "AWS", host: "cloud.example", err: none}}}, anonymous,
			"DOCKER_AUTH_CONFIG: not set; AWS: neither AWS_ACCESS_KEY_ID nor a role: " + ErrNoCloud.Error()},
		{"two clouds", Credentials{Clouds: []Cloud{&sky{name: "AWS", host: "cloud.example", err: ErrNoCloud}, &sky{name: "Azure", host: "cloud.example"}}},
			"Azure as Azure", "DOCKER_AUTH_CONFIG: not set"},
		{"the platform comes behind", Credentials{GitLabRegistry: "cloud.example", GitLabUser: "job", GitLabPassword: httpx.NewSecret("job-pw"),
			Clouds: []Cloud{&sky{name: "AWS", host: "cloud.example", err: ErrNoCloud}}}, "CI_REGISTRY_PASSWORD as job",
			"DOCKER_AUTH_CONFIG: not set; AWS: " + ErrNoCloud.Error()},
	} {
		c := New(tt.c, Options{})
		for range 2 { // the second time from what is kept
			cred, err := c.keys.find(t.Context(), mustRepo(t, "cloud.example/app"))
			if err != nil || cred.label != tt.tried || strings.Join(cred.looked, "; ") != tt.looked {
				t.Errorf("%s: got %q, %q, %v; want %q, %q", tt.name, cred.label, cred.looked, err, tt.tried, tt.looked)
			}
		}
	}
}

// Credentials that are there and do not work are an error: nobody goes on as somebody else.
func TestCloudThatFails(t *testing.T) {
	for want, tt := range map[string]struct {
		err  error
		kind Kind
	}{
		"AWS: sts: AccessDenied":                  {errors.New("sts: AccessDenied"), Refused},
		"AWS: sts: context deadline exceeded":     {fmt.Errorf("sts: %w", context.DeadlineExceeded), Timeout},
		"AWS: a text with \\x1b and a line break": {errors.New("a text with \\x1b\x1b and\na line break"), Refused},
	} {
		cloud := &sky{name: "AWS", host: "127.0.0.1:1", err: tt.err}
		c := quick(Credentials{Clouds: []Cloud{cloud}, GitLabRegistry: "127.0.0.1:1", GitLabPassword: httpx.NewSecret("job-pw")})
		_, err := c.Manifest(context.Background(), mustRef(t, "127.0.0.1:1/acme/app:v1"))
		wantError(t, err, tt.kind, want, "does not go on as somebody else")
		cloud.err = nil // it is asked again
		if got := c.Tried("127.0.0.1:1"); got != "AWS as AWS" {
			t.Errorf("got %q", got)
		}
	}
}

// That there is nothing of the cloud is named where the registry refuses us.
func TestCloudIsNamedInA401(t *testing.T) {
	ref, _ := answer(t, func(_ int32, w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) })
	host := ref.Context().RegistryStr()
	c := quick(Credentials{Clouds: []Cloud{&sky{name: "AWS", host: host, err: ErrNoCloud}}})
	_, err := c.Manifest(context.Background(), ref)
	wantError(t, err, Unauthorized, "credential: "+anonymous+" (tried: DOCKER_AUTH_CONFIG: not set; AWS: "+ErrNoCloud.Error()+")")
}

func TestCloudLoginIsRenewed(t *testing.T) {
	for name, tt := range map[string]struct {
		life, wait time.Duration
		logins     int32
	}{
		"for ever":               {0, 1000 * time.Hour, 1},
		"long before its end":    {12 * time.Hour, 11 * time.Hour, 1},
		"just before its end":    {12 * time.Hour, 12*time.Hour - time.Minute, 2},
		"behind its end":         {time.Hour, 2 * time.Hour, 2},
		"a short one":            {time.Minute, 50 * time.Second, 1},
		"a short one at its end": {time.Minute, 55 * time.Second, 2},
		"ended when it came":     {-time.Second, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := &sky{name: "AWS", host: "cloud.example", life: tt.life}
				c := New(Credentials{Clouds: []Cloud{cloud}}, Options{})
				auth, err := c.Keychain().Resolve(mustRepo(t, "cloud.example/app"))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.wait)
				got, err := authn.Authorization(t.Context(), auth)
				if want := fmt.Sprintf("cloud.example-password-%d", tt.logins); err != nil || got.Password != want || cloud.logins.Load() != tt.logins {
					t.Errorf("got %q, %v after %d logins, want %q", got.Password, err, cloud.logins.Load(), want)
				}
			})
		})
	}
}

// One login for all repositories of a host, also for those that ask at the same time.
func TestCloudIsAskedOncePerHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := &sky{name: "AWS", host: "cloud.example", life: time.Hour}
		c := New(Credentials{Clouds: []Cloud{cloud}}, Options{})
		for i := range 20 {
			go func() {
				if _, err := c.keys.find(t.Context(), mustRepo(t, fmt.Sprintf("cloud.example/app-%d", i))); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := cloud.logins.Load(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	})
}
