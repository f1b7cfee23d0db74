package aws_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	registryHost = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
	password     = "eyJwYXlsb2FkIjoi-ecr-password"
)

// loginer is what the registry package wants of a cloud.
type loginer interface {
	Name() string
	Handles(host string) bool
	Login(ctx context.Context, host string) (user string, password httpx.Secret, expires time.Time, err error)
}

// tokens is the API that gives the logins: of the private registry as a list.
func tokens(t *testing.T, target, form string, until func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if got := r.Header.Get("X-Amz-Target"); got != target || string(b) != "{}" {
			t.Errorf("%s with %s, want %s with {}", got, b, target)
		}
		token := base64.StdEncoding.EncodeToString([]byte("AWS:" + password))
		fmt.Fprintf(w, `{"authorizationData":`+form+`}`, fmt.Sprintf(`{"authorizationToken":%q,"expiresAt":%.3f,"proxyEndpoint":"https://x"}`, token, float64(until().UnixMilli())/1000))
	}
}

const (
	privateTarget = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	publicTarget  = "SpencerFrontendService.GetAuthorizationToken"
)

func TestLogin(t *testing.T) {
	private := func(t *testing.T, region string) http.HandlerFunc {
		return service(t, "ecr", region, tokens(t, privateTarget, "[%s]", inHalfADay))
	}
	for host, world := range map[string]map[string]http.HandlerFunc{
		registryHost:          {"api.ecr.us-east-1.amazonaws.com": private(t, "us-east-1")},
		registryHost + ":443": {"api.ecr.us-east-1.amazonaws.com": private(t, "us-east-1")},
		"123456789012.dkr.ecr-fips.us-east-2.amazonaws.com": {"ecr-fips.us-east-2.amazonaws.com": private(t, "us-east-2")},
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":  {"api.ecr.cn-north-1.amazonaws.com.cn": private(t, "cn-north-1")},
		"123456789012.dkr-ecr.eu-west-1.on.aws":             {"ecr.eu-west-1.api.aws": private(t, "eu-west-1")},
		"public.ecr.aws":                                    {"api.ecr-public.us-east-1.amazonaws.com": service(t, "ecr-public", "us-east-1", tokens(t, publicTarget, "%s", inHalfADay))},
	} {
		t.Run(host, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &cloudtest.World{Hosts: world}
				var c loginer = client(w, keys...)
				for range 2 { // the second comes from memory
					user, pass, expires, err := c.Login(t.Context(), host)
					if err != nil || user != "AWS" || pass.Reveal() != password || !expires.Equal(inHalfADay()) {
						t.Errorf("got %q, %q, %s, %v", user, pass.Reveal(), expires, err)
					}
				}
				if n := len(w.Calls()); n != 1 || !c.Handles(host) || c.Name() != "AWS" {
					t.Errorf("%d calls, handles %v", n, c.Handles(host))
				}
				time.Sleep(12 * time.Hour)
				if _, _, expires, err := c.Login(t.Context(), host); err != nil || !expires.Equal(inHalfADay()) || len(w.Calls()) != 2 {
					t.Errorf("after its end: until %s, %v", expires, err)
				}
			})
		})
	}
}

func inHalfADay() time.Time { return time.Now().Add(12 * time.Hour).UTC().Truncate(time.Millisecond) }

func TestLoginErrors(t *testing.T) {
	denied := func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:iam::1:user/ci is not authorized to perform: ecr:GetAuthorizationToken")
	}
	private := func(answer http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{"api.ecr.us-east-1.amazonaws.com": service(t, "ecr", "us-east-1", answer)}
	}
	token := func(text, at string) http.HandlerFunc {
		return says(fmt.Sprintf(`{"authorizationData":[{"authorizationToken":%q,"expiresAt":%s}]}`, base64.StdEncoding.EncodeToString([]byte(text)), at))
	}
	for _, tt := range []struct {
		name, host string
		hosts      map[string]http.HandlerFunc
		want       string
		none       bool
	}{
		{"not allowed", registryHost, private(denied), "ecr GetAuthorizationToken: HTTP 400 AccessDeniedException: User: arn:aws:iam::1:user/ci", false},
		{"not allowed on the public registry", "public.ecr.aws", map[string]http.HandlerFunc{"api.ecr-public.us-east-1.amazonaws.com": service(t, "ecr-public", "us-east-1", denied)}, "may not log in to the public registry", true},
		{"down", registryHost, nil, "connection refused", false},
		{"another host", "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.io", nil, "this host is no ECR registry", true},
		{"an empty list", registryHost, private(says(`{"authorizationData":[]}`)), "holds no authorizationData", false},
		{"no list", registryHost, private(says(`{}`)), "holds no authorizationData", false},
		{"no base64", registryHost, private(says(`{"authorizationData":[{"authorizationToken":"` + password + `!","expiresAt":9e9}]}`)), "is not user:password in base64", false},
		{"no password", registryHost, private(token("AWS:", "9e9")), "is not user:password in base64", false},
		{"a line break", registryHost, private(token("AWS:"+password+"\nX", "9e9")), "is no token", false},
		{"over", registryHost, private(token("AWS:"+password, "1.5e9")), "expires at 2017-07-14T02:40:00Z: is this machine's clock right?", false},
		{"without an end", registryHost, private(token("AWS:"+password, "null")), "is this machine's clock right?", false},
		{"an absurd end", registryHost, private(token("AWS:"+password, "1e300")), "holds no authorizationData", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, pass, _, err := client(&cloudtest.World{Hosts: tt.hosts}, keys...).Login(cancelSoon(t), tt.host)
			if err == nil || !pass.IsZero() || !strings.Contains(err.Error(), tt.want) || errors.Is(err, cloud.ErrNone) != tt.none {
				t.Fatalf("got %v, none %v; want %q, %v", err, errors.Is(err, cloud.ErrNone), tt.want, tt.none)
			}
			for _, s := range []string{secret, session, password} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error shows %s: %v", s, err)
				}
			}
		})
	}
}

// cancelSoon bounds the tries of a call that is refused.
func cancelSoon(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(stop)
	return ctx
}
