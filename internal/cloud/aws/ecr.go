package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

const (
	publicRegion = "us-east-1" // the only one that has the API of the public registry
	privateToken = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	publicToken  = "SpencerFrontendService.GetAuthorizationToken"
)

// registry is an ECR registry, known by its host.
type registry struct {
	public, fips, dual bool
	region             string
}

// ecrHost is ACCOUNT.dkr.ecr[-fips].REGION.DOMAIN, or with IPv6 ACCOUNT.dkr-ecr[-fips].REGION.on.aws. Which domains a region has is asked
// behind it.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
var ecrHost = lazyregexp.New(`^[0-9]{12}\.dkr([.-])ecr(-fips)?\.([a-z0-9-]+)\.(.+)$`)

// dualDomains are the domains of registries that have IPv6, by their partition's own domain.
var dualDomains = map[string]string{"amazonaws.com": "on.aws", "amazonaws.com.cn": "on.amazonwebservices.com.cn"}

func parseRegistry(host string) (registry, bool) {
	h, ok := cloud.Host(host)
	if !ok {
		return registry{}, false
	}
	if h == "public.ecr.aws" || h == "ecr-public.aws.com" {
		return registry{public: true, dual: h != "public.ecr.aws", region: publicRegion}, true
	}
	m := ecrHost.FindStringSubmatch(h)
	if m == nil || CheckRegion(m[3]) != nil {
		return registry{}, false
	}
	r := registry{fips: m[2] != "", dual: m[1] == "-", region: m[3]}
	want := domain(r.region, false)
	if r.dual {
		want = dualDomains[want]
	}
	return r, m[4] == want
}

// endpoint is the API that gives the registry's login. The domain is made of the region, never taken from the host.
func (r registry) endpoint(c *Client) (string, error) {
	service := r.service()
	if own, _ := c.ownEndpoint(service); own != "" || !r.fips && !r.dual {
		return c.endpoint(service, r.region)
	}
	if r.fips {
		service += "-fips"
	}
	return fmt.Sprintf("https://%s.%s.%s/", service, r.region, domain(r.region, r.dual)), nil
}

func (r registry) service() string {
	if r.public {
		return "ecr-public"
	}
	return "ecr"
}

// Name is how messages call this cloud.
func (c *Client) Name() string { return "AWS" }

// Handles reports whether a registry's host is ECR, private or public.
func (c *Client) Handles(host string) bool {
	_, ok := parseRegistry(host)
	return ok
}

type login struct {
	user     string
	password httpx.Secret
}

// Login gives user and password for an ECR registry, and when they expire. Without AWS credentials the error is cloud.ErrNone.
func (c *Client) Login(ctx context.Context, host string) (user string, password httpx.Secret, expires time.Time, err error) {
	r, ok := parseRegistry(host)
	if !ok {
		return "", httpx.Secret{}, time.Time{}, cloud.Nonef("this host is no ECR registry")
	}
	endpoint, err := r.endpoint(c)
	if err != nil {
		return "", httpx.Secret{}, time.Time{}, err
	}
	// One token is good for all registries of the region.
	l, expires, err := c.logins.Get(ctx, endpoint+" "+r.region, func(ctx context.Context) (login, time.Time, error) {
		return c.authorize(ctx, r, endpoint)
	})
	return l.user, l.password, expires, err
}

// authorization is what both kinds of registry give; the private one gives a list.
type authorization struct {
	AuthorizationToken string
	ExpiresAt          Timestamp
}

func (c *Client) authorize(ctx context.Context, r registry, endpoint string) (login, time.Time, error) {
	target := privateToken
	if r.public {
		target = publicToken
	}
	var out struct{ AuthorizationData json.RawMessage }
	err := c.callAt(ctx, endpoint, r.service(), r.region, target, struct{}{}, &out)
	if r.public && refused(err) {
		return login{}, time.Time{}, cloud.Nonef("the job's AWS credentials may not log in to the public registry (%s): reading it without", err.Error())
	}
	if err != nil {
		return login{}, time.Time{}, err
	}
	data := []authorization{{}}
	into := any(&data)
	if r.public {
		into = &data[0]
	}
	if err := json.Unmarshal(out.AuthorizationData, into); err != nil || len(data) == 0 {
		return login{}, time.Time{}, fmt.Errorf("%s GetAuthorizationToken: the reply holds no authorizationData", r.service())
	}
	return readAuthorization(r, data[0])
}

// refused reports whether the credentials are good for something else. What is public can be read without them.
func refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "AccessDeniedException" || e.Code == "UnrecognizedClientException")
}

func readAuthorization(r registry, a authorization) (login, time.Time, error) {
	what := r.service() + " GetAuthorizationToken"
	text, err := base64.StdEncoding.DecodeString(a.AuthorizationToken)
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || user == "" || password == "" {
		return login{}, time.Time{}, fmt.Errorf("%s: the token is not user:password in base64", what)
	}
	if err := cloud.CheckToken("the token of "+what, httpx.NewSecret(string(text))); err != nil {
		return login{}, time.Time{}, err
	}
	if !time.Now().Before(a.ExpiresAt.Time) {
		return login{}, time.Time{}, fmt.Errorf("%s: the token expires at %s: is this machine's clock right?", what, a.ExpiresAt.Format(time.RFC3339))
	}
	return login{user, httpx.NewSecret(password)}, a.ExpiresAt.Time, nil
}
