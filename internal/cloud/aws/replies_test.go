package aws

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud"
)

// Whatever a service answers, what is read from it is whole: a key with its secret, a user with a password, and when they end.
func FuzzReplies(f *testing.F) {
	f.Add([]byte(`{"Code":"Success","AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"2099-01-01T00:00:00Z"}`))
	f.Add([]byte(`<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>b</SecretAccessKey><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>`))
	f.Add([]byte(`{"authorizationToken":"` + base64.StdEncoding.EncodeToString([]byte("AWS:x")) + `","expiresAt":4e9}`))
	f.Add([]byte(`{"__type":"a#b:c","message":"m"}`))
	var body []byte
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	f.Cleanup(s.Close)
	web := cloud.NewWeb(cloud.Options{})
	f.Fuzz(func(t *testing.T, in []byte) {
		body, status = in, http.StatusOK
		reply, err := web.Do(t.Context(), cloud.Request{URL: s.URL + "/"})
		if err != nil {
			t.Skip("too large: ", err)
		}
		for _, read := range []func() (Credentials, error){
			func() (Credentials, error) { return readTemporary("it", reply) },
			func() (Credentials, error) { return readAssumed(reply, "it", "it") },
		} {
			if c, err := read(); err == nil && (c.AccessKeyID == "" || c.Secret.IsZero()) {
				t.Errorf("%q: half a key", in)
			}
		}
		var a authorization
		if json.Unmarshal(in, &a) == nil {
			if l, until, err := readAuthorization(registry{}, a); err == nil && (l.user == "" || l.password.IsZero() || until.IsZero()) {
				t.Errorf("%q: half a login", in)
			}
		}
		status = http.StatusBadRequest
		if reply, err = web.Do(t.Context(), cloud.Request{URL: s.URL + "/"}); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{jsonError("it", reply), stsError("it", reply)} {
			if err == nil || len(err.Error()) > 1000 {
				t.Errorf("%q: %v", in, err)
			}
		}
	})
}
