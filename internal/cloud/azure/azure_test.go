package azure_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/azure"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	clientID  = "11111111-2222-3333-4444-555555555555"
	tenantID  = "99999999-8888-7777-6666-555555555555"
	secret    = "client~secret.value"
	assertion = "eyJhbGciOi.federated.token"
	entra     = "eyJ0eXAiOi.entra-access.token"
	login     = "login.microsoftonline.com"
	registry  = "acme.azurecr.io"
	imds      = "169.254.169.254"
	audience  = "https://containerregistry.azure.net"
)

// loginer is what the registry package wants of a cloud.
type loginer interface {
	Name() string
	Handles(host string) bool
	Login(ctx context.Context, host string) (user string, password httpx.Secret, expires time.Time, err error)
}

var _ loginer = (*azure.Client)(nil)

func client(w *cloudtest.World, env ...string) *azure.Client {
	return azure.New(cloud.Options{Getenv: cloudtest.Env(env...), Network: w})
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// wants is a server that checks a form, a query or headers before it answers.
func wants(t *testing.T, method string, want map[string]string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			t.Errorf("%s %s, want %s", r.Method, r.URL, method)
		}
		_ = r.ParseForm()
		for k, v := range want {
			got := r.Form.Get(k)
			if name, ok := strings.CutPrefix(k, "header "); ok {
				got = r.Header.Get(name)
			}
			if k == "path" {
				got = r.URL.Path
			}
			if got != v {
				t.Errorf("%s: %s is %q, want %q", r.URL, k, got, v)
			}
		}
		answer(w, r)
	}
}

// refreshToken is a token of a registry that is good until then.
func refreshToken(until time.Time) string {
	return "eyJhbGciOi." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d,"jti":"x"}`, until.Unix())) + ".signature"
}

// acr is a registry's exchange; tenant is what it must be told.
func acr(t *testing.T, host, tenant string) http.HandlerFunc {
	return wants(t, "POST", map[string]string{"path": "/oauth2/exchange", "grant_type": "access_token", "service": host, "tenant": tenant, "access_token": entra},
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"refresh_token":%q}`, refreshToken(time.Now().Add(3*time.Hour)))
		})
}

var gives = says(200, `{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"`+entra+`"}`)

func tokenFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(assertion+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHandles(t *testing.T) {
	for host, want := range map[string]bool{
		"acme.azurecr.io": true, "ACME.azurecr.io:443": true, "acme.azurecr.cn": true, "acme.azurecr.us": true, "acme.eastus.geo.azurecr.io": true, "acme-hash1.azurecr.io": true,
		"azurecr.io": false, "azurecr.io.evil.com": false, "acme.azurecr.io.evil.com": false, "acmeazurecr.io": false, "evil.com/acme.azurecr.io": false,
		"evil.com#.azurecr.io": false, "u@acme.azurecr.io": false, ".azurecr.io": false, "acme.azurecr.de": false, "acme.azurecr.io:5000": false, "acme.azurecr.io.": false,
		"": false, "acme.azurecr.com": false, "evil.com\n.azurecr.io": false, "acme.azurecr\u3002io": false, "-.azurecr.io": false,
	} {
		if got := azure.New(cloud.Options{}).Handles(host); got != want {
			t.Errorf("Handles(%q) = %v, want %v", host, got, want)
		}
	}
}

func FuzzHandles(f *testing.F) {
	f.Add("acme.azurecr.io:443")
	f.Add("azurecr.io.evil.com")
	theirs := regexp.MustCompile(`^(?i:([a-z0-9-]+\.)+azurecr\.(io|cn|us))(:443)?$`)
	f.Fuzz(func(t *testing.T, host string) {
		if azure.New(cloud.Options{}).Handles(host) && !theirs.MatchString(host) {
			t.Errorf("%q is taken for Azure's", host)
		}
	})
}

func TestLogin(t *testing.T) {
	id := []string{"AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", tenantID}
	federated := map[string]string{"path": "/" + tenantID + "/oauth2/v2.0/token", "grant_type": "client_credentials", "client_id": clientID, "scope": audience + "/.default",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion}
	bySecret := map[string]string{"path": "/" + tenantID + "/oauth2/v2.0/token", "grant_type": "client_credentials", "client_id": clientID, "client_secret": secret, "scope": audience + "/.default"}
	soon := func() string { return fmt.Sprint(time.Now().Add(time.Hour).Unix()) }
	machine := func(id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Metadata") != "true" {
				says(400, `{"error":"invalid_request","error_description":"Required metadata header not specified"}`)(w, r)
				return
			}
			wants(t, "GET", map[string]string{"path": "/metadata/identity/oauth2/token", "api-version": "2018-02-01", "resource": audience, "client_id": id},
				says(200, `{"access_token":"`+entra+`","expires_in":"3599","expires_on":"`+soon()+`","resource":"x","token_type":"Bearer"}`))(w, r)
		}
	}
	for _, tt := range []struct {
		name, host string
		env        []string
		hosts      map[string]http.HandlerFunc
		calls      int
	}{
		{"a client secret", registry, append(id, "AZURE_CLIENT_SECRET", secret), map[string]http.HandlerFunc{login: wants(t, "POST", bySecret, gives), registry: acr(t, registry, tenantID)}, 2},
		{"a federated token", registry, append(id, "AZURE_FEDERATED_TOKEN_FILE", tokenFile(t)), map[string]http.HandlerFunc{login: wants(t, "POST", federated, gives), registry: acr(t, registry, tenantID)}, 2},
		{"GitHub's identity token", registry, append(id, "ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.example/x?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "gh-request-token"),
			map[string]http.HandlerFunc{"token.actions.example": wants(t, "GET", map[string]string{"audience": "api://AzureADTokenExchange", "api-version": "2.0", "header Authorization": "Bearer gh-request-token"}, says(200, `{"count":1,"value":"`+assertion+`"}`)),
				login: wants(t, "POST", federated, gives), registry: acr(t, registry, tenantID)}, 3},
		{"China", "acme.azurecr.cn", append(id, "AZURE_CLIENT_SECRET", secret), map[string]http.HandlerFunc{"login.chinacloudapi.cn": wants(t, "POST", bySecret, gives), "acme.azurecr.cn": acr(t, "acme.azurecr.cn", tenantID)}, 2},
		{"the American government", "acme.azurecr.us", append(id, "AZURE_CLIENT_SECRET", secret), map[string]http.HandlerFunc{"login.microsoftonline.us": wants(t, "POST", bySecret, gives), "acme.azurecr.us": acr(t, "acme.azurecr.us", tenantID)}, 2},
		{"an authority that the job names", registry, append(id, "AZURE_CLIENT_SECRET", secret, "AZURE_AUTHORITY_HOST", "https://login.example/"), map[string]http.HandlerFunc{"login.example": wants(t, "POST", bySecret, gives), registry: acr(t, registry, tenantID)}, 2},
		{"the machine's identity", registry, nil, map[string]http.HandlerFunc{imds: machine(""), registry: acr(t, registry, "")}, 3},
		{"one of the machine's identities", registry, id[:2], map[string]http.HandlerFunc{imds: machine(clientID), registry: acr(t, registry, "")}, 3},
		{"App Service", registry, []string{"IDENTITY_ENDPOINT", "http://172.16.0.5:8081/msi/token", "IDENTITY_HEADER", "identity-header"}, map[string]http.HandlerFunc{
			"172.16.0.5:8081": wants(t, "GET", map[string]string{"path": "/msi/token", "api-version": "2019-08-01", "resource": audience, "header X-Identity-Header": "identity-header"}, func(w http.ResponseWriter, r *http.Request) {
				says(200, `{"access_token":"`+entra+`","expires_on":"`+soon()+`"}`)(w, r)
			}), registry: acr(t, registry, "")}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &cloudtest.World{Hosts: tt.hosts}
				c := client(w, tt.env...)
				for _, host := range []string{tt.host, strings.ToUpper(tt.host) + ":443"} { // the second comes from memory
					user, pass, expires, err := c.Login(t.Context(), host)
					if err != nil || user != "00000000-0000-0000-0000-000000000000" || !strings.HasPrefix(pass.Reveal(), "eyJhbGciOi.") || !expires.Equal(time.Now().Add(3*time.Hour)) {
						t.Errorf("got %q, %q, %s, %v", user, pass.Reveal(), expires, err)
					}
				}
				if n := len(w.Calls()); n != tt.calls {
					t.Errorf("calls %v, want %d", w.Calls(), tt.calls)
				}
				time.Sleep(179 * time.Minute)
				if _, _, expires, err := c.Login(t.Context(), tt.host); err != nil || time.Until(expires) < 2*time.Hour || len(w.Calls()) != 2*tt.calls {
					t.Errorf("shortly before its end: until %s, %v, %v", expires, err, w.Calls())
				}
			})
		})
	}
}

// One token of Entra ID is good for all registries; each has a refresh token of its own.
func TestTwoRegistries(t *testing.T) {
	w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{login: gives, registry: acr(t, registry, tenantID), "other.azurecr.io": acr(t, "other.azurecr.io", tenantID)}}
	c := client(w, "AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", tenantID, "AZURE_CLIENT_SECRET", secret)
	for _, host := range []string{registry, "other.azurecr.io"} {
		if _, _, _, err := c.Login(t.Context(), host); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(w.Calls(), ", "); got != "POST "+login+"/"+tenantID+"/oauth2/v2.0/token, POST "+registry+"/oauth2/exchange, POST other.azurecr.io/oauth2/exchange" {
		t.Errorf("calls %s", got)
	}
}

// Without an identity the answer is ErrNone: at once where nobody listens, after a second where packets are lost.
func TestNoIdentity(t *testing.T) {
	for _, tt := range []struct {
		name  string
		world *cloudtest.World
		most  time.Duration
		want  string
	}{
		{"nobody listens", &cloudtest.World{}, 0, "connection refused"},
		{"packets are lost", &cloudtest.World{Dead: []string{imds}}, time.Second, "no answer within 1s"},
		{"another cloud", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: says(404, "<html>404</html>")}}, 0, "HTTP 404"},
		{"another cloud's errors", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: says(500, "")}}, 0, "HTTP 500"},
		{"a machine without an identity", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: says(400, `{"error":"invalid_request","error_description":"Identity not found"}`)}}, 0, "HTTP 400 invalid_request: Identity not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(tt.world)
				start := time.Now()
				for range 2 {
					_, _, _, err := c.Login(t.Context(), registry)
					if !errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "no Azure identity: ") {
						t.Errorf("got %v, want %q", err, tt.want)
					}
				}
				if took := time.Since(start); took > tt.most {
					t.Errorf("took %s, want %s", took, tt.most)
				}
			})
		})
	}
	if _, _, _, err := client(&cloudtest.World{}).Login(t.Context(), "azurecr.io.evil.com"); !errors.Is(err, cloud.ErrNone) {
		t.Errorf("another host: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, _, _, err := client(&cloudtest.World{Dead: []string{imds}}).Login(ctx, registry); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cloud.ErrNone) {
			t.Errorf("cancelled: %v", err)
		}
	})
}
