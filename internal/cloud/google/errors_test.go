package google_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// A file that is there and does not work is never passed over, and no error shows what is in it, or what was sent.
func TestFilesThatDoNotWork(t *testing.T) {
	text, line := keyPEM()
	subjectFile := write(t, "subject", subject)
	fed := func(pairs ...any) string { return with(external(map[string]any{"file": subjectFile}), pairs...) }
	from := func(source map[string]any) string { return asJSON(external(source)) }
	impersonated := func(source any) string {
		return asJSON(map[string]any{"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL, "source_credentials": source})
	}
	echo := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		told := r.PostForm.Get("assertion") + r.PostForm.Get("refresh_token") + r.PostForm.Get("subject_token") + r.Header.Get("Authorization") + " " + r.PostForm.Get("client_secret")
		w.WriteHeader(400)
		_, _ = w.Write([]byte(asJSON(map[string]any{"error": "invalid_grant", "error_description": "you sent " + told})))
	}
	for _, tt := range []struct {
		name, file string
		hosts      map[string]http.HandlerFunc
		want       string
	}{
		{"no JSON", `{"private_key": "` + line, nil, "it is not the JSON of Google credentials"},
		{"another form", `{"type":"gdch_service_account"}`, nil, `type "gdch_service_account" is not supported`},
		{"no form", `{}`, nil, `type "" is not supported`},
		{"half a key", with(serviceAccount(), "private_key", nil), nil, "a field that service_account must have is missing"},
		{"a broken key", with(serviceAccount(), "private_key", strings.Replace(text, line, line[:20], 1)), nil, "private key"},
		{"another universe", with(serviceAccount(), "universe_domain", "evil.example"), nil, `universe_domain "evil.example" is not supported`},
		{"a program", from(map[string]any{"executable": map[string]any{"command": "/bin/evil"}}), nil, "no program is run for credentials"},
		{"a program beside a file", from(map[string]any{"file": subjectFile, "executable": map[string]any{"command": "/bin/evil"}}), nil, "no program is run for credentials"},
		{"a program in a file within", impersonated(external(map[string]any{"Executable": map[string]any{"command": "/bin/evil"}})), nil, "source_credentials: credential_source.executable is not supported"},
		{"AWS", from(map[string]any{"environment_id": "aws1"}), nil, "environment_id and certificate are not supported"},
		{"files within files within files", impersonated(map[string]any{"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL,
			"source_credentials": map[string]any{"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL, "source_credentials": map[string]any{
				"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL, "source_credentials": authorizedUser()}}}), nil, "nested too deep"},
		{"a token_uri that is not Google's", with(serviceAccount(), "token_uri", "https://oauth2.googleapis.com.evil.example/token"), nil, "leads elsewhere than to Google"},
		{"a token_url that is not Google's", fed("token_url", "https://evilgoogleapis.com/"), nil, "leads elsewhere than to Google"},
		{"plain http to Google", fed("token_url", "http://sts.googleapis.com/"), nil, "leads elsewhere than to Google"},
		{"an impersonation that is not Google's", fed("service_account_impersonation_url", "https://u@iam.googleapis.com/"), nil, "leads elsewhere than to Google"},
		{"file and url", from(map[string]any{"file": subjectFile, "url": "https://x.example"}), nil, "either a file or a url"},
		{"neither", from(map[string]any{}), nil, "either a file or a url"},
		{"an identity token over plain http", from(map[string]any{"url": "http://x.example/"}), nil, "want https, or http to a server beside this machine"},
		{"no identity token", from(map[string]any{"file": "/nowhere/token"}), nil, `credential_source.file "/nowhere/token": no such file`},
		{"an identity token that is a device", from(map[string]any{"file": "/dev/zero"}), nil, "it is not a regular file"},
		{"an identity token in the wrong form", from(map[string]any{"file": subjectFile, "format": map[string]any{"type": "json", "subject_token_field_name": "id"}}), nil, "failed to unmarshal subject token file"},
		{"the identity token is refused", from(map[string]any{"url": "https://id.example/", "headers": map[string]any{"Authorization": "Bearer gh-request-token"}}), map[string]http.HandlerFunc{"id.example": echo}, "id.example: HTTP 400 invalid_grant: you sent [secret]"},
		{"the statement is refused", asJSON(serviceAccount()), map[string]http.HandlerFunc{oauth: echo}, "oauth2.googleapis.com: HTTP 400 invalid_grant: you sent [secret]"},
		{"the user is refused", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: echo}, "HTTP 400 invalid_grant: you sent [secret] [secret]"},
		{"the exchange is refused", fed(), map[string]http.HandlerFunc{sts: echo}, "sts.googleapis.com: HTTP 400 invalid_grant: you sent [secret]"},
		{"the impersonation is refused", fed("service_account_impersonation_url", impersonationURL), map[string]http.HandlerFunc{
			sts: says(200, `{"access_token":"first-access-token","expires_in":3599,"token_type":"Bearer"}`),
			iam: says(403, `{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied to first-access-token","status":"PERMISSION_DENIED"}}`)},
			"iamcredentials.googleapis.com: HTTP 403 PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied to [secret]"},
		{"down", asJSON(authorizedUser()), nil, "POST https://oauth2.googleapis.com/token: dial tcp: connection refused (4 tries)"},
		{"no JSON in the reply", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: says(200, token)}, "GOOGLE_APPLICATION_CREDENTIALS"},
		{"no token in the reply", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: says(200, `{"expires_in":1}`)}, "GOOGLE_APPLICATION_CREDENTIALS"},
		{"a token without an end", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: says(200, `{"access_token":"`+token+`"}`)}, "does not say when the access token expires"},
		{"a token that is over", fed("service_account_impersonation_url", impersonationURL), map[string]http.HandlerFunc{
			sts: says(200, `{"access_token":"first-access-token","expires_in":3599,"token_type":"Bearer"}`), iam: says(200, `{"accessToken":"`+token+`","expireTime":"1999-01-01T00:00:00Z"}`)}, "is this machine's clock right?"},
		{"a token with a line break", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: says(200, `{"access_token":"`+token+`\nX","expires_in":3599}`)}, "is no token"},
		{"a huge reply", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: says(200, strings.Repeat(" ", 9<<20))}, "the reply is larger than 8 MiB"},
		{"a redirect", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}}, "leads away from https://oauth2.googleapis.com"},
		{"slow", asJSON(authorizedUser()), map[string]http.HandlerFunc{oauth: cloudtest.Hang}, "no answer within 10s (4 tries)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &cloudtest.World{Hosts: tt.hosts}
				_, pass, _, err := client(w, "GOOGLE_APPLICATION_CREDENTIALS", write(t, "creds.json", tt.file)).Login(t.Context(), "gcr.io")
				if err == nil || !pass.IsZero() || errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 1200 {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				var e *cloud.Error
				if strings.Contains(tt.want, "HTTP 4") && (!errors.As(err, &e) || e.Status < 400 || e.Code == "") {
					t.Errorf("%v is no *cloud.Error with its code", err)
				}
				for _, s := range []string{line, refresh, secret, subject, token, "gh-request-token", "first-access-token", "eyJhbGciOiJSUzI1NiI"} {
					if strings.Contains(err.Error(), s) {
						t.Errorf("the error shows %q: %v", s, err)
					}
				}
			})
		})
	}
	if _, _, _, err := client(&cloudtest.World{}, "GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/creds.json").Login(t.Context(), "gcr.io"); err == nil || errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}

// A metadata server that is Google's and does not work is no absence.
func TestMetadataThatDoesNotWork(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts map[string]http.HandlerFunc
		env   []string
		want  string
	}{
		{"refused", map[string]http.HandlerFunc{imds: metadata(t, says(403, "no"))}, nil, "Google's metadata server: HTTP 403: no"},
		{"broken", map[string]http.HandlerFunc{imds: metadata(t, says(500, ""))}, nil, "Google's metadata server: HTTP 500"},
		{"no JSON", map[string]http.HandlerFunc{imds: metadata(t, says(200, token))}, nil, "that are not an access token"},
		{"no token", map[string]http.HandlerFunc{imds: metadata(t, says(200, `{"expires_in":3000}`))}, nil, "holds no access token"},
		{"an absurd life", map[string]http.HandlerFunc{imds: metadata(t, says(200, `{"access_token":"`+token+`","expires_in":9999999999}`))}, nil, "that are not an access token"},
		{"over", map[string]http.HandlerFunc{imds: metadata(t, says(200, `{"access_token":"`+token+`","expires_in":0}`))}, nil, "is this machine's clock right?"},
		{"meant and not there", nil, []string{"GCE_METADATA_HOST", "127.0.0.1:1"}, "GCE_METADATA_HOST is set: no metadata server"},
		{"far away", nil, []string{"GCE_METADATA_HOST", "evil.example"}, "is plain http to a host that is not beside this one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, _, err := client(&cloudtest.World{Hosts: tt.hosts}, tt.env...).Login(t.Context(), "gcr.io")
				if err == nil || errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), token) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			})
		})
	}
}
