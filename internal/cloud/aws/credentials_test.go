package aws_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// files writes a home with .aws in it, and a web identity token; <token> in the texts stands for its name.
func files(t *testing.T, config, credentials string) (home, token string) {
	t.Helper()
	home = t.TempDir()
	token = filepath.Join(home, "token")
	for name, text := range map[string]string{"token": web + "\n", ".aws/config": config, ".aws/credentials": credentials} {
		if text == "" {
			continue
		}
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "<token>", token)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home, token
}

const (
	staticProfile = "[default]\naws_access_key_id = " + keyID + "\naws_secret_access_key = " + secret + "\naws_session_token = " + session + "\n"
	stsHost       = "sts.eu-west-1.amazonaws.com"
	imds          = "169.254.169.254"
)

// Where credentials are found, and in which order: every world has them in the instance too.
func TestCredentials(t *testing.T) {
	container := func(path, auth string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path || r.Header.Get("Authorization") != auth {
				t.Errorf("container: %s with %q, want %s with %q", r.URL.Path, r.Header.Get("Authorization"), path, auth)
			}
			_, _ = io.WriteString(w, strings.Replace(temporary(inAnHour()), `"Code":"Success",`, "", 1))
		}
	}
	for _, tt := range []struct {
		name                string
		config, credentials string
		env                 []string
		hosts               map[string]http.HandlerFunc
		source              string
	}{
		{name: "keys", env: keys, credentials: "[default]\naws_access_key_id=other\naws_secret_access_key=other", source: "AWS_ACCESS_KEY_ID"},
		{name: "web identity", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "<token>", "AWS_ROLE_ARN", role, "AWS_REGION", "eu-west-1"}, credentials: staticProfile,
			hosts: map[string]http.HandlerFunc{stsHost: sts(t, inAnHour)}, source: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		{name: "web identity without a region", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "<token>", "AWS_ROLE_ARN", role},
			hosts: map[string]http.HandlerFunc{"sts.ap-south-1.amazonaws.com": sts(t, inAnHour)}, source: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		{name: "web identity at an endpoint of the job's own", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "<token>", "AWS_ROLE_ARN", role, "AWS_ENDPOINT_URL_STS", "https://vpce.example"},
			hosts: map[string]http.HandlerFunc{"vpce.example": sts(t, inAnHour)}, source: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		{name: "the default profile", credentials: staticProfile, env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}, source: `profile "default"`},
		{name: "a profile in both files", env: []string{"AWS_PROFILE", "ci"}, config: "[profile ci]\nregion=eu-west-1\naws_access_key_id=overridden",
			credentials: strings.Replace(staticProfile, "default", "ci", 1), source: `profile "ci"`},
		{name: "a profile with web identity", env: []string{"AWS_PROFILE", "ci"}, config: "[profile ci]\nregion = eu-west-1\nrole_arn = " + role + "\nweb_identity_token_file = <token>",
			hosts: map[string]http.HandlerFunc{stsHost: sts(t, inAnHour)}, source: `profile "ci"`},
		{name: "an ECS task", env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/uuid", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://unused.example"},
			hosts: map[string]http.HandlerFunc{"169.254.170.2": container("/v2/credentials/uuid", "")}, source: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		{name: "an EKS pod", env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "<token>", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "unused"},
			hosts: map[string]http.HandlerFunc{"169.254.170.23": container("/v1/credentials", web)}, source: "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		{name: "a server on loopback", env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1338/get", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc"},
			hosts: map[string]http.HandlerFunc{"localhost:1338": container("/get", "Basic abc")}, source: "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		{name: "an instance", config: "[default]\nregion=eu-west-1", source: "the instance's metadata, role runner-role"},
		{name: "an instance with IPv6", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6"},
			hosts: map[string]http.HandlerFunc{"[fd00:ec2::254]": instance(t, inAnHour)}, source: "the instance's metadata, role runner-role"},
		{name: "an instance behind another address", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/"},
			hosts: map[string]http.HandlerFunc{"127.0.0.1:1338": instance(t, inAnHour)}, source: "the instance's metadata, role runner-role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home, token := files(t, tt.config, tt.credentials)
			env := append([]string{"HOME", home}, tt.env...)
			for i := range env {
				env[i] = strings.ReplaceAll(env[i], "<token>", token)
			}
			w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: instance(t, inAnHour)}}
			for h, f := range tt.hosts {
				w.Hosts[h] = f
			}
			got, err := client(w, env...).Credentials(t.Context(), "ap-south-1")
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != keyID || got.Secret.Reveal() != secret || got.SessionToken.Reveal() != session || !strings.HasPrefix(got.Source, tt.source) {
				t.Errorf("got %+v from %q, want %q", got.AccessKeyID, got.Source, tt.source)
			}
			if lasts := !got.Expires.IsZero(); lasts == (strings.HasPrefix(tt.source, "AWS_ACCESS") || len(tt.hosts) == 0 && strings.HasPrefix(tt.source, "profile")) {
				t.Errorf("expires %s", got.Expires)
			}
		})
	}
}

// What is there but does not work is never passed over for the next place.
func TestCredentialsThatDoNotWork(t *testing.T) {
	webEnv := []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "<token>", "AWS_ROLE_ARN", role, "AWS_REGION", "eu-west-1"}
	full := func(url string) []string { return []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url} }
	for _, tt := range []struct {
		name, config, credentials string
		env                       []string
		hosts                     map[string]http.HandlerFunc
		want                      string
	}{
		{name: "half a key", env: []string{"AWS_ACCESS_KEY_ID", keyID}, want: "only one is set"},
		{name: "a key with a line break", env: []string{"AWS_ACCESS_KEY_ID", keyID + "\nX: y", "AWS_SECRET_ACCESS_KEY", secret}, want: "is no token"},
		{name: "no role", env: webEnv[:2], want: "without AWS_ROLE_ARN"},
		{name: "no token file", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "AWS_ROLE_ARN", role}, want: "no such file"},
		{name: "the role does not trust the job", env: webEnv, hosts: map[string]http.HandlerFunc{stsHost: stsRefuses(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity "+web)},
			want: "sts AssumeRoleWithWebIdentity: HTTP 403 AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity [secret]"},
		{name: "an expired identity token", env: webEnv, hosts: map[string]http.HandlerFunc{stsHost: stsRefuses(400, "ExpiredTokenException", "Token expired")}, want: "HTTP 400 ExpiredTokenException: Token expired"},
		{name: "the token service is no token service", env: webEnv, hosts: map[string]http.HandlerFunc{stsHost: says("<html>login</html>")}, want: "are not credentials as XML"},
		{name: "keys without an end", env: webEnv, hosts: map[string]http.HandlerFunc{stsHost: says(`<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>b</SecretAccessKey></Credentials></AssumeRoleWithWebIdentityResult></R>`)}, want: "credentials with an end"},
		{name: "keys that are over", env: webEnv, hosts: map[string]http.HandlerFunc{stsHost: sts(t, func() time.Time { return time.Now().Add(-time.Hour) })}, want: "is this machine's clock right?"},
		{name: "no such profile", env: []string{"AWS_PROFILE", "ci"}, credentials: staticProfile, want: `AWS_PROFILE is "ci", and neither`},
		{name: "a broken file", credentials: "aws_secret_access_key = " + secret, want: "line 1 is neither"},
		{name: "a file that is a folder", env: []string{"AWS_SHARED_CREDENTIALS_FILE", "/"}, want: "it is not a regular file"},
		{name: "sso", config: "[default]\nsso_session = corp\nregion = eu-west-1", want: "by sso_session, which is not supported: export keys before bakegate runs"},
		{name: "a program", config: "[default]\ncredential_process = /bin/evil", want: "by credential_process, which is not supported"},
		{name: "a role by another profile", config: "[default]\nrole_arn = " + role + "\nsource_profile = base", want: "by source_profile, which is not supported"},
		{name: "a role by its own keys", credentials: staticProfile + "role_arn = " + role, want: "by role_arn, which is not supported"},
		{name: "a token without a role", config: "[default]\nweb_identity_token_file = /x", want: "without role_arn"},
		{name: "half a profile", credentials: "[default]\naws_access_key_id = " + keyID, want: "has no access key or no secret for it"},
		{name: "a path that is a host", env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"}, want: "want a path that begins with a slash"},
		{name: "plain http elsewhere", env: full("http://evil.example/"), want: "want https, or http to loopback"},
		{name: "plain http beside this machine", env: full("http://10.0.0.1/"), want: "want https, or http to loopback"},
		{name: "another scheme", env: full("file:///etc/passwd"), want: "is no URL"},
		{name: "a password in the URL", env: full("https://user:" + secret + "@x.example/"), want: "is no URL"},
		{name: "the container refuses", env: full("https://creds.example/"), hosts: map[string]http.HandlerFunc{"creds.example": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, `{"code":"InvalidToken","message":"no"}`)
		}}, want: "AWS_CONTAINER_CREDENTIALS_FULL_URI: HTTP 403 InvalidToken: no"},
		{name: "the container's server is down", env: full("https://creds.example/"), want: "connection refused"},
		{name: "the container gives no JSON", env: full("https://creds.example/"), hosts: map[string]http.HandlerFunc{"creds.example": says(secret)}, want: "are not credentials as JSON"},
		{name: "the container gives half a key", env: full("https://creds.example/"), hosts: map[string]http.HandlerFunc{"creds.example": says(`{"AccessKeyId":"A"}`)}, want: "no secret for it"},
		{name: "the instance's role is broken", hosts: map[string]http.HandlerFunc{imds: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "runner-role") {
				_, _ = io.WriteString(w, `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}`)
				return
			}
			instance(t, inAnHour)(w, r)
		}}, want: "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role"},
		{name: "the instance names a role that is a path", hosts: map[string]http.HandlerFunc{imds: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "credentials/") {
				_, _ = io.WriteString(w, "../../user-data")
				return
			}
			instance(t, inAnHour)(w, r)
		}}, want: "are not the name of a role"},
		{name: "the instance's server that is meant is not there", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}, want: "AWS_EC2_METADATA_SERVICE_ENDPOINT is set: no instance metadata"},
		{name: "the instance's server is far away", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://evil.example"}, want: "is plain http to a host that is not beside this one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				home, token := files(t, tt.config, tt.credentials)
				env := append([]string{"HOME", home}, tt.env...)
				for i := range env {
					env[i] = strings.ReplaceAll(env[i], "<token>", token)
				}
				_, err := client(&cloudtest.World{Hosts: tt.hosts}, env...).Credentials(t.Context(), "eu-west-1")
				if err == nil || errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				for _, s := range []string{secret, session, web} {
					if strings.Contains(err.Error(), s) {
						t.Errorf("the error shows a secret: %v", err)
					}
				}
			})
		})
	}
}

// Without credentials the answer is ErrNone, and takes no longer than it must: nothing where nobody listens, a second where packets are lost.
func TestNoCredentials(t *testing.T) {
	other := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	for _, tt := range []struct {
		name  string
		world *cloudtest.World
		env   []string
		most  time.Duration
		calls int
		want  string
	}{
		{"nobody listens", &cloudtest.World{}, nil, 0, 1, "connection refused"},
		{"packets are lost", &cloudtest.World{Dead: []string{imds}}, nil, time.Second, 1, "no answer within 1s"},
		{"switched off", &cloudtest.World{Dead: []string{imds}}, []string{"AWS_EC2_METADATA_DISABLED", "True"}, 0, 0, "AWS_EC2_METADATA_DISABLED is true"},
		{"another cloud", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: other(405)}}, nil, 0, 1, "HTTP 405"},
		{"another cloud, broken", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: other(500)}}, nil, 0, 1, "HTTP 500"},
		{"a captive portal", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: says("<html>\nsign in</html>")}}, nil, 0, 1, "gives no session"},
		{"an instance without a role", &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				http.NotFound(w, r)
				return
			}
			instance(t, inAnHour)(w, r)
		}}}, nil, 0, 2, "this instance has no role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(tt.world, append(tt.env, "HOME", t.TempDir())...)
				start := time.Now()
				for range 2 { // the second time costs nothing
					_, err := c.Credentials(t.Context(), "")
					if !errors.Is(err, cloud.ErrNone) || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("got %v, want %q", err, tt.want)
					}
				}
				if took := time.Since(start); took > tt.most || len(tt.world.Calls()) != tt.calls {
					t.Errorf("took %s and %v, want %s and %d calls", took, tt.world.Calls(), tt.most, tt.calls)
				}
			})
		})
	}
}

// A run that is cancelled while it looks has not found out that there is nothing.
func TestCredentialsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		_, err := client(&cloudtest.World{Dead: []string{imds}}).Credentials(ctx, "")
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cloud.ErrNone) {
			t.Errorf("got %v", err)
		}
	})
}

// Temporary credentials are fetched once, and again shortly before they expire.
func TestCredentialsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{imds: instance(t, inAnHour)}}
		c := client(w)
		for _, step := range []struct {
			wait  time.Duration
			calls int
		}{{0, 3}, {50 * time.Minute, 3}, {8 * time.Minute, 6}, {0, 6}} {
			time.Sleep(step.wait)
			got, err := c.Credentials(t.Context(), "")
			if err != nil || time.Until(got.Expires) <= 0 || len(w.Calls()) != step.calls {
				t.Errorf("after %s more: %v, until %s, %d calls; want %d", step.wait, err, got.Expires, len(w.Calls()), step.calls)
			}
		}
	})
}

func TestRegion(t *testing.T) {
	home, _ := files(t, "[default]\nregion = eu-north-1\n[profile ci]\nregion = sa-east-1", "")
	for want, env := range map[string][]string{
		"eu-west-1":  {"AWS_REGION", "eu-west-1", "AWS_DEFAULT_REGION", "eu-west-2"},
		"eu-west-2":  {"AWS_DEFAULT_REGION", "eu-west-2"},
		"eu-north-1": nil,
		"sa-east-1":  {"AWS_PROFILE", "ci"},
		"":           {"AWS_PROFILE", "no-such"},
	} {
		if got := client(nil, append(env, "HOME", home)...).Region(); got != want {
			t.Errorf("%v: %q, want %q", env, got, want)
		}
	}
}
