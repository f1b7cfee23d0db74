package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// githubAudience is what Entra ID wants GitHub's identity tokens to be for.
const githubAudience = "api://AzureADTokenExchange"

// token finds the job's identity and gives a token of Entra ID for registries: a client secret, a federated token, GitHub's identity
// token, the managed identity, in the order of Azure's SDKs.
func (c *Client) token(ctx context.Context, authority string) (httpx.Secret, time.Time, error) {
	client, tenant := c.env("AZURE_CLIENT_ID"), c.env("AZURE_TENANT_ID")
	if client == "" || tenant == "" {
		if c.env("AZURE_CLIENT_SECRET") != "" || c.env("AZURE_FEDERATED_TOKEN_FILE") != "" {
			return httpx.Secret{}, time.Time{}, errors.New("AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE is set without AZURE_CLIENT_ID and AZURE_TENANT_ID")
		}
		return c.managed(ctx)
	}
	if !tenantForm.MatchString(tenant) {
		return httpx.Secret{}, time.Time{}, errors.New("AZURE_TENANT_ID is no tenant, want its id or its domain")
	}
	proof, err := c.proof(ctx)
	if errors.Is(err, cloud.ErrNone) {
		return c.managed(ctx)
	}
	if err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	proof.form.Set("client_id", client)
	return c.ask(ctx, authority+"/"+tenant+"/oauth2/v2.0/token", proof)
}

// tenantForm is an id or a domain. It becomes a part of a path.
var tenantForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)

// proof is what shows that the job is who it says. form is what it is sent as.
type proof struct {
	source string
	secret httpx.Secret
	form   url.Values
}

func (c *Client) proof(ctx context.Context) (proof, error) {
	if s := httpx.NewSecret(c.env("AZURE_CLIENT_SECRET")); !s.IsZero() {
		return proof{"AZURE_CLIENT_SECRET", s, url.Values{"client_secret": {s.Reveal()}}}, nil
	}
	if c.env("AZURE_CLIENT_CERTIFICATE_PATH") != "" || c.env("AZURE_USERNAME") != "" {
		return proof{}, errors.New("AZURE_CLIENT_CERTIFICATE_PATH and AZURE_USERNAME are not supported: want AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE")
	}
	if file := c.env("AZURE_FEDERATED_TOKEN_FILE"); file != "" {
		token, err := cloud.ReadToken("AZURE_FEDERATED_TOKEN_FILE", file)
		return assertion("AZURE_FEDERATED_TOKEN_FILE", token), err
	}
	if c.env("ACTIONS_ID_TOKEN_REQUEST_URL") != "" {
		token, err := c.githubToken(ctx)
		return assertion("GitHub's identity token", token), err
	}
	return proof{}, cloud.Nonef("no AZURE_CLIENT_SECRET, no AZURE_FEDERATED_TOKEN_FILE, no ACTIONS_ID_TOKEN_REQUEST_URL")
}

func assertion(source string, token httpx.Secret) proof {
	return proof{source, token, url.Values{"client_assertion": {token.Reveal()},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}}
}

// ask is the client credentials flow.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (c *Client) ask(ctx context.Context, endpoint string, p proof) (httpx.Secret, time.Time, error) {
	p.form.Set("grant_type", "client_credentials")
	p.form.Set("scope", registryAPI+"/.default")
	reply, err := c.web.Do(ctx, cloud.Request{Method: "POST", URL: endpoint, Form: p.form, Secrets: []httpx.Secret{p.secret}})
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", p.source, err)
	}
	return readToken("Entra ID, with "+p.source, reply)
}

// githubToken asks GitHub for the job's identity token; the job needs `id-token: write`.
// https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect
func (c *Client) githubToken(ctx context.Context) (httpx.Secret, error) {
	const source = "GitHub's identity token"
	bearer := httpx.NewSecret(c.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	u, err := url.Parse(c.env("ACTIONS_ID_TOKEN_REQUEST_URL"))
	if err != nil || bearer.IsZero() {
		return httpx.Secret{}, errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no URL, or there is no ACTIONS_ID_TOKEN_REQUEST_TOKEN with it")
	}
	q := u.Query()
	q.Set("audience", githubAudience)
	u.RawQuery = q.Encode()
	reply, err := c.web.Do(ctx, cloud.Request{URL: u.String(),
		Header: http.Header{"Authorization": {"Bearer " + bearer.Reveal()}, "Accept": {"application/json"}}})
	if err != nil {
		return httpx.Secret{}, fmt.Errorf("%s: %w", source, err)
	}
	if !reply.OK() {
		return httpx.Secret{}, reply.Refusal(source, "", "")
	}
	var out struct{ Value string }
	_ = json.Unmarshal(reply.Body, &out)
	token := httpx.NewSecret(out.Value)
	if token.IsZero() || cloud.CheckToken("it", token) != nil {
		return httpx.Secret{}, reply.Malformed(source, "a token")
	}
	return token, nil
}

// tokenReply is an access token, or why there is none. The numbers come as text from managed identities.
type tokenReply struct {
	AccessToken string      `json:"access_token"`
	ExpiresIn   json.Number `json:"expires_in"`
	ExpiresOn   json.Number `json:"expires_on"`
	Error       string      `json:"error"`
	Description string      `json:"error_description"`
}

func readToken(source string, reply *cloud.Reply) (httpx.Secret, time.Time, error) {
	var out tokenReply
	err := json.Unmarshal(reply.Body, &out)
	if !reply.OK() {
		return httpx.Secret{}, time.Time{}, reply.Refusal(source, out.Error, out.Description)
	}
	token := httpx.NewSecret(out.AccessToken)
	expires, ok := out.end(time.Now())
	if err != nil || token.IsZero() || !ok || cloud.CheckToken("it", token) != nil {
		return httpx.Secret{}, time.Time{}, reply.Malformed(source, "an access token")
	}
	if !time.Now().Before(expires) {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: the access token expired at %s: is this machine's clock right?",
			source, expires.UTC().Format(time.RFC3339))
	}
	return token, expires, nil
}

// end is when the token expires: an absolute time where one is given, which does not wait with the reply on its way.
func (t tokenReply) end(now time.Time) (time.Time, bool) {
	const longest = 48 * 3600
	if at, err := strconv.ParseInt(t.ExpiresOn.String(), 10, 64); err == nil && at > 0 {
		return time.Unix(at, 0), at <= now.Unix()+longest
	}
	in, err := strconv.ParseInt(strings.TrimSpace(t.ExpiresIn.String()), 10, 64)
	return now.Add(time.Duration(in) * time.Second), err == nil && in > 0 && in <= longest
}
