package google_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/cloud/google"
)

const (
	token   = "ya29.access-token"
	refresh = "1//refresh-token"
	secret  = "client-secret-value"
	subject = "eyJhbGciOi.subject.token"
	email   = "ci@acme.iam.gserviceaccount.com"
	oauth   = "oauth2.googleapis.com"
	sts     = "sts.googleapis.com"
	iam     = "iamcredentials.googleapis.com"
	imds    = "169.254.169.254"
	scope   = "https://www.googleapis.com/auth/cloud-platform"
)

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// keyPEM is the key as a credentials file has it, and one line of it.
func keyPEM() (text, line string) {
	der, err := x509.MarshalPKCS8PrivateKey(key())
	if err != nil {
		panic(err)
	}
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return text, strings.Split(text, "\n")[3]
}

func client(w *cloudtest.World, env ...string) *google.Client {
	return google.New(cloud.Options{Getenv: cloudtest.Env(env...), Network: w})
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// with is a file with a field changed; a nil takes it away.
func with(file map[string]any, pairs ...any) string {
	out := map[string]any{}
	for k, v := range file {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(out, pairs[i].(string))
		}
	}
	return asJSON(out)
}

func serviceAccount() map[string]any {
	text, _ := keyPEM()
	return map[string]any{"type": "service_account", "project_id": "acme", "private_key_id": "kid-1", "private_key": text, "client_email": email,
		"client_id": "1", "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com"}
}

func authorizedUser() map[string]any {
	return map[string]any{"type": "authorized_user", "client_id": "client-1", "client_secret": secret, "refresh_token": refresh, "quota_project_id": "acme"}
}

func external(source map[string]any) map[string]any {
	return map[string]any{"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token", "credential_source": source}
}

// tokens gives the access token for a request whose form is as wanted; "*" is anything but nothing.
func tokens(t *testing.T, want map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		for k, v := range want {
			if got := r.PostForm.Get(k); got != v && (v != "*" || got == "") {
				t.Errorf("%s: %s is %q, want %q", r.URL, k, got, v)
			}
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`, token)
	}
}

// signed wants a statement that is signed with the service account's key.
func signed(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		parts := strings.Split(r.PostForm.Get("assertion"), ".")
		if len(parts) != 3 || r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("form %v", r.PostForm)
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(&key().PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			t.Error(err)
		}
		var claims struct {
			Iss, Scope, Aud string
			Iat, Exp        int64
		}
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Error(err)
		}
		now := time.Now().Unix()
		if claims.Iss != email || claims.Scope != scope || claims.Aud != "https://oauth2.googleapis.com/token" || claims.Iat > now || claims.Exp < now || claims.Exp > now+3601 {
			t.Errorf("claims %+v at %d", claims, now)
		}
		tokens(t, nil)(w, r)
	}
}

// impersonation gives the second token for the first.
func impersonation(t *testing.T, first string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer "+first || r.URL.Path != "/v1/projects/-/serviceAccounts/"+email+":generateAccessToken" || !strings.Contains(string(b), scope) {
			t.Errorf("impersonation: %s with %q: %s", r.URL, r.Header.Get("Authorization"), b)
		}
		fmt.Fprintf(w, `{"accessToken":%q,"expireTime":%q}`, token, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
}

const impersonationURL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken"

// metadata is Google's metadata server.
func metadata(t *testing.T, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s without the header", r.URL)
		}
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, "computeMetadata/\n")
		case "/computeMetadata/v1/instance/service-accounts/default/token":
			if got := r.URL.Query().Get("scopes"); got != scope {
				t.Errorf("scopes %q", got)
			}
			answer(w, r)
		default:
			http.NotFound(w, r)
		}
	}
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
