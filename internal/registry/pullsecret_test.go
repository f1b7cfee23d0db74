package registry

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// entries writes a secret in which every key's user is its number and password "pw-NUMBER".
func entries(keys ...string) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%q:{"auth":%q}`, key, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d:pw-%d", i, i)))
	}
	return "{" + b.String() + "}"
}

// The rules of the kubelet; -1 is no login.
func TestPullSecretMatches(t *testing.T) {
	for _, tt := range []struct {
		name, repo string
		keys       []string
		want       int
	}{
		{"the host", "reg.acme.dev/app", []string{"reg.acme.dev"}, 0},
		{"with a scheme", "reg.acme.dev/app", []string{"https://reg.acme.dev"}, 0},
		{"with a scheme and version", "reg.acme.dev/app", []string{"http://reg.acme.dev/v2/"}, 0},
		{"another host", "reg.acme.dev/app", []string{"acme.dev", "xreg.acme.dev", "reg.acme.dev.evil.example"}, -1},
		{"the port", "reg.acme.dev:5000/app", []string{"reg.acme.dev", "reg.acme.dev:5001", "reg.acme.dev:5000"}, 2},
		{"no port", "reg.acme.dev/app", []string{"reg.acme.dev:443"}, -1},
		{"a glob", "reg.acme.dev/app", []string{"*.acme.dev"}, 0},
		{"a glob in a part", "reg-eu.acme.dev/app", []string{"reg-*.acme.dev"}, 0},
		{"a glob is one part", "a.reg.acme.dev/app", []string{"*.acme.dev", "*.dev"}, -1},
		{"globs", "a.reg.acme.dev/app", []string{"*.*.acme.dev"}, 0},
		{"a broken glob", "reg.acme.dev/app", []string{"[.acme.dev"}, -1},
		{"a path", "reg.acme.dev/team/app", []string{"reg.acme.dev/team"}, 0},
		{"a path is the beginning of a text", "reg.acme.dev/team-a/app", []string{"reg.acme.dev/team"}, 0},
		{"another path", "reg.acme.dev/other/app", []string{"reg.acme.dev/team"}, -1},
		{"the longest path", "reg.acme.dev/team/app", []string{"reg.acme.dev", "reg.acme.dev/team", "reg.acme.dev/team/app", "reg.acme.dev/team/other"}, 2},
		{"a host before a glob", "reg.acme.dev/app", []string{"*.acme.dev", "reg.acme.dev"}, 1},
		{"Docker Hub by its old address", "nginx", []string{"https://index.docker.io/v1/"}, 0},
		{"Docker Hub by its name", "nginx", []string{"docker.io"}, 0},
		{"Docker Hub by its host", "acme/app", []string{"index.docker.io"}, 0},
		{"Docker Hub by a path", "acme/app", []string{"docker.io/acme"}, 0},
		{"a look-alike of Docker Hub", "nginx", []string{"docker.io.evil.example", "evil.example"}, -1},
		{"IPv6", "[fd00::1]:5000/app", []string{"[fd00::1]:5000"}, 0},
		{"a key that is no address", "reg.acme.dev/app", []string{"https://[::1", "%zz"}, -1},
		{"nothing", "reg.acme.dev/app", nil, -1},
	} {
		for _, form := range []string{`{"auths":%s}`, "%s"} {
			user, password, err := pullSecretLogin(fmt.Sprintf(form, entries(tt.keys...)), mustRepo(t, tt.repo))
			wantUser, wantPassword := "", ""
			if tt.want >= 0 {
				wantUser, wantPassword = fmt.Sprint(tt.want), fmt.Sprintf("pw-%d", tt.want)
			}
			if err != nil || user != wantUser || password != wantPassword {
				t.Errorf("%s: got %q, %q, %v; want %q", tt.name, user, password, err, wantUser)
			}
		}
	}
}

func TestPullSecretEntries(t *testing.T) {
	repo := mustRepo(t, "reg.acme.dev/app")
	for text, want := range map[string]string{
		`{"auths":{"reg.acme.dev":{"username":"u","password":"p"}}}`:                     "u:p",
		`{"auths":{"reg.acme.dev":{"username":"u","password":"p","email":"a@b"}},"x":1}`: "u:p",
		`{"auths":{"reg.acme.dev":{"username":"u","password":"p","auth":"YTpiOmM="}}}`:   "a:b:c", // a password may hold a colon
		`{"auths":{"reg.acme.dev":{"auth":" YTpi "},"other.dev":{"auth":"!"}}}`:          "a:b",
		`{"reg.acme.dev":{"auth":"YTpi"}}`:                                               "a:b",
		`{"auths":{"reg.acme.dev":{}}}`:                                                  ":",
		`{}`:                                                                             ":",
		`{"auths":{}}`:                                                                   ":",
		"\ufeff{}":                                                                       "error it holds no JSON",
		``:                                                                               "error it holds no JSON",
		`[1]`:                                                                            "error it holds no JSON",
		`{"auths":{"reg.acme.dev":{"auth":"!hunter2"}}}`:                                 "error not the base64",
		`{"auths":{"reg.acme.dev":{"auth":"aHVudGVyMg=="}}}`:                             "error not the base64", // no colon
		`{"auths":{"reg.acme.dev":"hunter2"}}`:                                           "error it holds no JSON",
		`{"auths":` + strings.Repeat(" ", maxConfig) + `{}}`:                             "error larger than 1 MiB",
		`{"auths":{"reg.acme.dev":` + strings.Repeat("[", 20000) + `hunter2`:                "error it holds no JSON",
		`{"auths":{"reg.acme.dev":{"username":"hunter2` + "\x00" + `","password":"p"}}}`:    "error it holds no JSON",
		`{"auths":{"reg.acme.dev":{"username":"u","password":"p"},"reg.acme.dev":{"a":1}}}`: ":",
	} {
		user, password, err := pullSecretLogin(text, repo)
		got := user + ":" + password
		if err != nil {
			got = "error " + err.Error()
		}
		if got != want && !(strings.HasPrefix(want, "error ") && err != nil && strings.Contains(got, strings.TrimPrefix(want, "error "))) {
			t.Errorf("%.60s: got %q, want %q", text, got, want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%.60s: the error shows the text: %q", text, got)
		}
	}
}

// The place of a pull secret among the credentials.
func TestPullSecretInTheOrder(t *testing.T) {
	secret := httpx.NewSecret(`{"auths":` + entries("reg.acme.dev") + `}`)
	env := Credentials{DockerAuth: httpx.NewSecret(dockerConfig("reg.acme.dev", "env", "env-pw"))}
	for _, tt := range []struct {
		name string
		host Host
		want string
	}{
		{"beats the environment", Host{PullSecret: "acme/reg", DockerConfigJSON: secret}, "pull secret acme/reg as 0"},
		{"loses to the explicit one", Host{Username: "bot", Password: httpx.NewSecret("bot-pw"), DockerConfigJSON: secret}, "registries.reg.acme.dev as bot"},
		{"is for another host", Host{PullSecret: "acme/reg", DockerConfigJSON: httpx.NewSecret(entries("other.dev"))}, "DOCKER_AUTH_CONFIG as env"},
		{"was not read", Host{PullSecret: "acme/reg"}, "DOCKER_AUTH_CONFIG as env"},
		{"is broken", Host{PullSecret: "acme/reg", DockerConfigJSON: httpx.NewSecret("hunter2")}, "none: "},
	} {
		c := quickWith(env, map[string]Host{"reg.acme.dev": tt.host})
		if got := c.Tried("reg.acme.dev"); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "pw") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	c := quickWith(Credentials{}, map[string]Host{"reg.acme.dev": {PullSecret: "acme/reg"}})
	cred, err := c.keys.find(t.Context(), mustRepo(t, "reg.acme.dev/app"))
	if err != nil || strings.Join(cred.looked, "; ") != "pull secret acme/reg: not read; DOCKER_AUTH_CONFIG: not set" {
		t.Errorf("got %q, %v", cred.looked, err)
	}
}

// FuzzPullSecret wants no panic, no text of the secret in an error, and the same answer for both forms.
func FuzzPullSecret(f *testing.F) {
	f.Add("reg.acme.dev", "YTpi", "u", "p", "reg.acme.dev/app")
	f.Add("*.acme.dev/team", "!", "u", "", "reg.acme.dev/team/app")
	f.Add("https://index.docker.io/v1/", "", "u", "p", "nginx")
	f.Add("[::1]:5000", "Og==", "", "", "[::1]:5000/a")
	f.Fuzz(func(t *testing.T, key, auth, user, password, repo string) {
		r, err := newRepo(repo)
		if err != nil {
			return
		}
		inner := fmt.Sprintf(`{%q:{"auth":%q,"username":%q,"password":%q}}`, key, auth, user, password)
		u1, p1, err1 := pullSecretLogin(`{"auths":`+inner+`}`, r)
		u2, p2, err2 := pullSecretLogin(inner, r)
		if (err1 == nil) != (err2 == nil) || u1 != u2 || p1 != p2 {
			t.Errorf("the forms differ: %q %q %v, %q %q %v", u1, p1, err1, u2, p2, err2)
		}
		if err1 != nil && len(auth) > 12 && strings.Contains(err1.Error(), auth) {
			t.Errorf("the error shows %q: %v", auth, err1)
		}
		_, _, _ = pullSecretLogin(auth, r)
	})
}
