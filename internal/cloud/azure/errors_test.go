package azure_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// What is there and does not work is never passed over, and no error shows what was sent or given.
func TestIdentitiesThatDoNotWork(t *testing.T) {
	id := []string{"AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", tenantID}
	bySecret := append(id, "AZURE_CLIENT_SECRET", secret)
	github := append(id, "ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.example/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "gh-request-token")
	service := []string{"IDENTITY_ENDPOINT", "http://127.0.0.1:8081/msi/token", "IDENTITY_HEADER", "identity-header"}
	echo := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.WriteHeader(401)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: %s%s\r\nTrace ID: 1","errors":[{"code":"UNAUTHORIZED","message":"bad %s"}]}`,
			r.Form.Get("client_secret"), r.Form.Get("client_assertion"), r.Form.Get("access_token"))
	}
	full := func(f http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{login: gives, registry: f}
	}
	entraSays := func(body string) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{login: says(200, body)}
	}
	instance := func(status int, server string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", server)
			if r.Header.Get("Metadata") == "" {
				w.WriteHeader(400)
				return
			}
			w.WriteHeader(status)
		}
	}
	for _, tt := range []struct {
		name  string
		env   []string
		hosts map[string]http.HandlerFunc
		want  string
	}{
		{"a secret without an id", []string{"AZURE_CLIENT_SECRET", secret}, nil, "without AZURE_CLIENT_ID and AZURE_TENANT_ID"},
		{"a tenant that is a path", []string{"AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", "../evil", "AZURE_CLIENT_SECRET", secret}, nil, "AZURE_TENANT_ID is no tenant"},
		{"a certificate", append(id, "AZURE_CLIENT_CERTIFICATE_PATH", "/x.pem"), nil, "are not supported"},
		{"an authority without https", append(bySecret, "AZURE_AUTHORITY_HOST", "login.example"), nil, "AZURE_AUTHORITY_HOST is no URL"},
		{"no token file", append(id, "AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"), nil, "no such file"},
		{"the secret is refused", bySecret, map[string]http.HandlerFunc{login: echo}, "Entra ID, with AZURE_CLIENT_SECRET: HTTP 401 invalid_client: AADSTS7000215: Invalid client secret provided: [secret] Trace ID: 1"},
		{"the token is refused", append(id, "AZURE_FEDERATED_TOKEN_FILE", tokenFile(t)), map[string]http.HandlerFunc{login: echo}, "Entra ID, with AZURE_FEDERATED_TOKEN_FILE: HTTP 401 invalid_client: AADSTS7000215: Invalid client secret provided: [secret]"},
		{"GitHub without a token", github[:6], nil, "there is no ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"GitHub refuses", github, map[string]http.HandlerFunc{"token.actions.example": says(403, "gh-request-token may not")}, "GitHub's identity token: HTTP 403: [secret] may not"},
		{"GitHub gives none", github, map[string]http.HandlerFunc{"token.actions.example": says(200, `{"value":""}`)}, "that are not a token"},
		{"GitHub's URL is plain http", []string{"AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", tenantID, "ACTIONS_ID_TOKEN_REQUEST_URL", "http://x.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "gh-request-token"}, nil, "is plain http"},
		{"Entra ID is down", bySecret, nil, "connection refused (4 tries)"},
		{"Entra ID is slow", bySecret, map[string]http.HandlerFunc{login: cloudtest.Hang}, "no answer within 10s (4 tries)"},
		{"no JSON", bySecret, entraSays(entra), "that are not an access token"},
		{"no token", bySecret, entraSays(`{"expires_in":3599}`), "that are not an access token"},
		{"a token without an end", bySecret, entraSays(`{"access_token":"` + entra + `"}`), "that are not an access token"},
		{"a token that is over", bySecret, entraSays(`{"access_token":"` + entra + `","expires_on":"1000"}`), "expired at 1970-01-01T00:16:40Z: is this machine's clock right?"},
		{"a token with a line break", bySecret, entraSays(`{"access_token":"` + entra + `\nX","expires_in":3599}`), "that are not an access token"},
		{"a huge reply", bySecret, entraSays(strings.Repeat(" ", 9<<20)), "the reply is larger than 8 MiB"},
		{"the registry refuses", bySecret, full(echo), "acme.azurecr.io: HTTP 401 UNAUTHORIZED: bad [secret]"},
		{"the registry refuses without a word", bySecret, full(says(404, "")), "acme.azurecr.io: HTTP 404"},
		{"the registry gives no token", bySecret, full(says(200, `{}`)), "that are not a refresh token"},
		{"the registry redirects", bySecret, full(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}), "leads away from https://acme.azurecr.io"},
		{"App Service without its header", service[:2], nil, "is supported with IDENTITY_HEADER only"},
		{"App Service far away", []string{"IDENTITY_ENDPOINT", "http://evil.example/", "IDENTITY_HEADER", "identity-header"}, nil, "is plain http to a host that is not beside this one"},
		{"App Service refuses", service, map[string]http.HandlerFunc{"127.0.0.1:8081": says(400, `{"statusCode":400,"message":"No User Assigned identity-header"}`)}, `Azure's managed identity: HTTP 400: {"statusCode":400,"message":"No User Assigned [secret]"}`},
		{"Azure's instance server is busy", nil, map[string]http.HandlerFunc{imds: instance(429, "IMDS/150.870.65.1")}, "Azure's managed identity: HTTP 429"},
		{"Azure's instance server is broken", nil, map[string]http.HandlerFunc{imds: instance(500, "IMDS/150.870.65.1")}, "Azure's managed identity: HTTP 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, pass, _, err := client(&cloudtest.World{Hosts: tt.hosts}, tt.env...).Login(t.Context(), registry)
				if err == nil || !pass.IsZero() || errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 1200 {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				for _, s := range []string{secret, assertion, entra, "gh-request-token", "identity-header\""} {
					if strings.Contains(err.Error(), s) {
						t.Errorf("the error shows %q: %v", s, err)
					}
				}
			})
		})
	}
}

// The end of a refresh token only says when to ask again: one that cannot be read, or is absurd, is kept for half an hour.
func TestRefreshTokensEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		token func() string
		want  time.Duration
	}{
		"three hours":  {func() string { return refreshToken(time.Now().Add(3 * time.Hour)) }, 3 * time.Hour},
		"no JWT":       {func() string { return "opaque" }, 30 * time.Minute},
		"no base64":    {func() string { return "a.!.c" }, 30 * time.Minute},
		"no JSON":      {func() string { return "a.YQ.c" }, 30 * time.Minute},
		"no end":       {func() string { return "a.e30.c" }, 30 * time.Minute},
		"in the past":  {func() string { return refreshToken(time.Now().Add(-time.Hour)) }, 30 * time.Minute},
		"in ten years": {func() string { return refreshToken(time.Now().Add(87600 * time.Hour)) }, 30 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{login: gives, registry: says(200, fmt.Sprintf(`{"refresh_token":%q}`, tt.token()))}}
			_, _, expires, err := client(w, "AZURE_CLIENT_ID", clientID, "AZURE_TENANT_ID", tenantID, "AZURE_CLIENT_SECRET", secret).Login(t.Context(), registry)
			if err != nil || !expires.Equal(time.Now().Add(tt.want)) {
				t.Errorf("%s: until %s, %v; want %s", name, expires, err, tt.want)
			}
		})
	}
}
