package google_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/cloud/google"
	"github.com/bakegate/bakegate/internal/httpx"
)

// loginer is what the registry package wants of a cloud.
type loginer interface {
	Name() string
	Handles(host string) bool
	Login(ctx context.Context, host string) (user string, password httpx.Secret, expires time.Time, err error)
}

var _ loginer = (*google.Client)(nil)

func TestHandles(t *testing.T) {
	for host, want := range map[string]bool{
		"gcr.io": true, "eu.gcr.io": true, "GCR.io:443": true, "europe-west1-docker.pkg.dev": true, "us-docker.pkg.dev": true, "mirror.gcr.io": true,
		"xgcr.io": false, "gcr.io.evil.com": false, "evil.com/gcr.io": false, "pkg.dev": false, "xpkg.dev": false, "docker.pkg.dev.evil.com": false,
		"evil.com#.gcr.io": false, "u@eu.gcr.io": false, ".gcr.io": false, "a..gcr.io": false, "gcr.io:5000": false, "gcr.io.": false, "": false,
		"evil.com\x00.gcr.io": false, "evil.com\n.gcr.io": false, "gcr\u3002io": false, "x.p\u212ag.dev": false, "-.gcr.io": false, "a_b.gcr.io": false,
	} {
		if got := google.New(cloud.Options{}).Handles(host); got != want {
			t.Errorf("Handles(%q) = %v, want %v", host, got, want)
		}
	}
}

// The token goes to Google's APIs and nowhere else, and is in no message.
func TestSigner(t *testing.T) {
	ours := metadata(t, says(200, `{"access_token":"`+token+`","expires_in":3000,"token_type":"Bearer"}`))
	w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: ours, "monitoring.googleapis.com": func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
	}}}
	sign := client(w, "HOME", t.TempDir()).Signer()
	c, err := httpx.New(httpx.Remote{URL: "https://monitoring.googleapis.com"}, httpx.WithNetwork(w), httpx.WithSigner(sign))
	if err != nil {
		t.Fatal(err)
	}
	var status *httpx.StatusError
	if _, err := c.Do(t.Context(), httpx.Request{Path: "/"}); !errors.As(err, &status) || !strings.HasPrefix(status.Excerpt, "Bearer ") || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"https://evil.example", "https://googleapis.com.evil.example", "https://xgoogleapis.com", "https://googleapis.com", "http://monitoring.googleapis.com", "https://monitoring.googleapis.com:8443"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sign(r); err == nil || r.Header.Get("Authorization") != "" {
			t.Errorf("%s: got %v, %v", url, r.Header, err)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://monitoring.googleapis.com", nil)
	if _, err := client(&cloudtest.World{}, "HOME", t.TempDir()).Signer()(r); !errors.Is(err, cloud.ErrNone) {
		t.Errorf("without credentials: %v", err)
	}
}

func FuzzHandles(f *testing.F) {
	f.Add("eu.gcr.io:443")
	f.Add("gcr.io.evil.com")
	theirs := regexp.MustCompile(`^(?i:([a-z0-9-]+\.)*gcr\.io|([a-z0-9-]+\.)+pkg\.dev)(:443)?$`)
	f.Fuzz(func(t *testing.T, host string) {
		if google.New(cloud.Options{}).Handles(host) && !theirs.MatchString(host) {
			t.Errorf("%q is taken for Google's", host)
		}
	})
}

func TestLogin(t *testing.T) {
	subjectFile := func(text string) string { return write(t, "subject", text) }
	exchange := map[string]string{"audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": subject, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "scope": scope}
	for _, tt := range []struct {
		name  string
		file  string
		hosts map[string]http.HandlerFunc
	}{
		{"a service account", asJSON(serviceAccount()), map[string]http.HandlerFunc{oauth: signed(t)}},
		{"a service account without token_uri", with(serviceAccount(), "token_uri", nil), map[string]http.HandlerFunc{oauth: signed(t)}},
		{"a user", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: tokens(t, map[string]string{"grant_type": "refresh_token", "refresh_token": refresh, "client_id": "client-1", "client_secret": secret})}},
		{"federation by a file", asJSON(external(map[string]any{"file": subjectFile(subject + "\n")})), map[string]http.HandlerFunc{sts: tokens(t, exchange)}},
		{"federation by a file of JSON", asJSON(external(map[string]any{"file": subjectFile(`{"id":"` + subject + `"}`), "format": map[string]any{"type": "json", "subject_token_field_name": "id"}})), map[string]http.HandlerFunc{sts: tokens(t, exchange)}},
		{"federation by GitHub's identity token", asJSON(external(map[string]any{"url": "https://token.actions.example/?api-version=2.0&audience=x", "headers": map[string]any{"Authorization": "Bearer gh-request-token"},
			"format": map[string]any{"type": "json", "subject_token_field_name": "value"}})), map[string]http.HandlerFunc{sts: tokens(t, exchange), "token.actions.example": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer gh-request-token" || r.URL.Query().Get("audience") != "x" {
				t.Errorf("identity token: %s with %q", r.URL, r.Header.Get("Authorization"))
			}
			says(200, `{"value":"`+subject+`"}`)(w, r)
		}}},
		{"federation by the machine's metadata", asJSON(external(map[string]any{"url": "http://169.254.169.254/metadata/identity/oauth2/token", "headers": map[string]any{"Metadata": "True"},
			"format": map[string]any{"type": "json", "subject_token_field_name": "access_token"}})), map[string]http.HandlerFunc{sts: tokens(t, exchange), imds: says(200, `{"access_token":"`+subject+`"}`)}},
		{"federation and a service account", with(external(map[string]any{"file": subjectFile(subject)}), "service_account_impersonation_url", impersonationURL),
			map[string]http.HandlerFunc{sts: says(200, `{"access_token":"first","expires_in":3599,"token_type":"Bearer"}`), iam: impersonation(t, "first")}},
		{"a user as a service account", asJSON(map[string]any{"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL, "delegates": []string{}, "source_credentials": authorizedUser()}),
			map[string]http.HandlerFunc{oauth: says(200, `{"access_token":"first","expires_in":3599}`), iam: impersonation(t, "first")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &cloudtest.World{Hosts: tt.hosts}
				c := client(w, "GOOGLE_APPLICATION_CREDENTIALS", write(t, "creds.json", tt.file))
				for _, host := range []string{"europe-west1-docker.pkg.dev", "gcr.io"} { // the second comes from memory
					user, pass, expires, err := c.Login(t.Context(), host)
					if err != nil || user != "oauth2accesstoken" || pass.Reveal() != token || time.Until(expires) < 50*time.Minute {
						t.Errorf("got %q, %q, %s, %v", user, pass.Reveal(), expires, err)
					}
				}
				n := len(w.Calls())
				if n != len(tt.hosts) {
					t.Errorf("calls %v", w.Calls())
				}
				time.Sleep(58 * time.Minute)
				if _, _, expires, err := c.Login(t.Context(), "gcr.io"); err != nil || time.Until(expires) < 50*time.Minute || len(w.Calls()) != 2*n {
					t.Errorf("shortly before its end: until %s, %v, %d calls", expires, err, len(w.Calls()))
				}
			})
		})
	}
}

// Where the credentials are looked for, and in which order.
func TestPlaces(t *testing.T) {
	user := tokens(t, map[string]string{"refresh_token": refresh})
	wellKnown := filepath.Join("gcloud", "application_default_credentials.json")
	home := t.TempDir()
	for _, dir := range []string{filepath.Join(home, ".config", "gcloud"), filepath.Join(home, "gcloud")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(wellKnown)), []byte(asJSON(authorizedUser())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours := metadata(t, says(200, `{"access_token":"`+token+`","expires_in":3000,"token_type":"Bearer"}`))
	for _, tt := range []struct {
		name  string
		env   []string
		hosts map[string]http.HandlerFunc
	}{
		{"gcloud's file", []string{"HOME", home}, map[string]http.HandlerFunc{oauth: user}},
		{"gcloud's file on Windows", []string{"APPDATA", home}, map[string]http.HandlerFunc{oauth: user}},
		{"gcloud's file elsewhere", []string{"CLOUDSDK_CONFIG", filepath.Join(home, "gcloud")}, map[string]http.HandlerFunc{oauth: user}},
		{"the metadata server", []string{"HOME", t.TempDir()}, map[string]http.HandlerFunc{imds: ours}},
		{"the metadata server that the job names", []string{"GCE_METADATA_HOST", "127.0.0.1:8080"}, map[string]http.HandlerFunc{"127.0.0.1:8080": ours}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, pass, _, err := client(&cloudtest.World{Hosts: tt.hosts}, tt.env...).Login(t.Context(), "gcr.io")
			if err != nil || pass.Reveal() != token {
				t.Errorf("got %q, %v", pass.Reveal(), err)
			}
		})
	}
}

// Without credentials the answer is ErrNone: at once where nobody listens, after a second where packets are lost.
func TestNoCredentials(t *testing.T) {
	for _, tt := range []struct {
		name  string
		world *cloudtest.World
		most  time.Duration
		want  string
	}{
		{"nobody listens", &cloudtest.World{}, 0, "connection refused"},
		{"packets are lost", &cloudtest.World{Dead: []string{imds}}, time.Second, "no answer within 1s"},
		{"another cloud", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: says(404, "")}}, 0, "is not Google's"},
		{"a machine without an account", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: metadata(t, says(404, "not found"))}}, 0, "no service account"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(tt.world, "HOME", t.TempDir())
				start := time.Now()
				for range 2 {
					_, _, _, err := c.Login(t.Context(), "gcr.io")
					if !errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "no Google credentials: ") {
						t.Errorf("got %v, want %q", err, tt.want)
					}
				}
				if took := time.Since(start); took > tt.most {
					t.Errorf("took %s, want %s", took, tt.most)
				}
			})
		})
	}
	if _, _, _, err := client(&cloudtest.World{}).Login(t.Context(), "gcr.io.evil.com"); !errors.Is(err, cloud.ErrNone) {
		t.Errorf("another host: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, _, _, err := client(&cloudtest.World{Dead: []string{imds}}).Login(ctx, "gcr.io"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cloud.ErrNone) {
			t.Errorf("cancelled: %v", err)
		}
	})
}
