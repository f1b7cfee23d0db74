package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	managedSource = "Azure's managed identity"
	instanceToken = "http://169.254.169.254/metadata/identity/oauth2/token"
)

// managed asks the machine for the token of its managed identity: that of App Service, Container Apps and their kin when the environment
// names it, else the instance's metadata server. Whether that is there at all is asked for a second: a run outside Azure loses no more.
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
func (c *Client) managed(ctx context.Context) (httpx.Secret, time.Time, error) {
	if c.env("IDENTITY_ENDPOINT") != "" {
		return c.fromEndpoint(ctx)
	}
	r := cloud.Request{URL: instanceToken + "?" + c.query("2018-02-01"), Local: true}
	if err := c.findInstance(ctx, r); err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	r.Header = http.Header{"Metadata": {"true"}}
	reply, err := c.web.Do(ctx, r)
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", managedSource, err)
	}
	if noIdentity(reply) {
		return httpx.Secret{}, time.Time{}, absent(readError(reply))
	}
	return readToken(managedSource, reply)
}

// findInstance asks without the header that the server wants: it refuses at once, where a token may take seconds.
func (c *Client) findInstance(ctx context.Context, r cloud.Request) error {
	r.Probe = true
	reply, err := c.web.Do(ctx, r)
	var ne *httpx.NetError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ne):
		return absent("no instance metadata: " + clean.Cut(ne.Err.Error(), 200))
	case err != nil:
		return err
	case reply.Status >= 500 && !isAzure(reply): // asking on would be answered so four times
		return absent(readError(reply))
	}
	return nil
}

// absent is ErrNone with all that was looked at; the last is why the machine has none.
func absent(why string) error {
	return cloud.Nonef("no Azure identity: no AZURE_CLIENT_ID and AZURE_TENANT_ID with a secret or an identity token, no IDENTITY_ENDPOINT, %s", why)
}

func isAzure(reply *cloud.Reply) bool { return strings.HasPrefix(reply.Header.Get("Server"), "IMDS") }

// noIdentity reports whether the server says that this machine has no identity, or is no server of Azure's: other clouds have theirs at
// the same address.
func noIdentity(reply *cloud.Reply) bool {
	if reply.Status >= 400 && reply.Status <= 499 && reply.Status != http.StatusTooManyRequests && reply.Status != http.StatusGone {
		return true
	}
	return !reply.OK() && !isAzure(reply)
}

func readError(reply *cloud.Reply) string {
	var out tokenReply
	_ = json.Unmarshal(reply.Body, &out) // what is no JSON is shown as it is
	return reply.Refusal("instance metadata", out.Error, out.Description).Error()
}

// fromEndpoint asks the endpoint that the environment names.
// https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
func (c *Client) fromEndpoint(ctx context.Context) (httpx.Secret, time.Time, error) {
	secret := httpx.NewSecret(c.env("IDENTITY_HEADER"))
	if secret.IsZero() || c.env("IDENTITY_SERVER_THUMBPRINT") != "" {
		return httpx.Secret{}, time.Time{}, errors.New("IDENTITY_ENDPOINT is supported with IDENTITY_HEADER only (App Service, Container Apps), not that of Azure Arc or Service Fabric")
	}
	u, err := url.Parse(c.env("IDENTITY_ENDPOINT"))
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return httpx.Secret{}, time.Time{}, errors.New("IDENTITY_ENDPOINT is no URL, want http://host:port/path")
	}
	if err := cloud.CheckToken("IDENTITY_HEADER", secret); err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	reply, err := c.web.Do(ctx, cloud.Request{URL: u.String() + "?" + c.query("2019-08-01"), Local: true, Secrets: []httpx.Secret{secret},
		Header: http.Header{"X-Identity-Header": {secret.Reveal()}}})
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("IDENTITY_ENDPOINT: %w", err)
	}
	return readToken(managedSource, reply)
}

// query asks for a token of the identity that AZURE_CLIENT_ID names, else of the machine's own.
func (c *Client) query(version string) string {
	q := url.Values{"api-version": {version}, "resource": {registryAPI}}
	if id := c.env("AZURE_CLIENT_ID"); id != "" {
		q.Set("client_id", id)
	}
	return q.Encode()
}
