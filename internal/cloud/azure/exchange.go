package azure

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// unknownLife is how long a refresh token is kept whose end cannot be read. Azure's are good for three hours.
const unknownLife = 30 * time.Minute

// exchange gives a registry's refresh token for a token of Entra ID.
// https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
func (c *Client) exchange(ctx context.Context, host string, token httpx.Secret) (httpx.Secret, time.Time, error) {
	form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token.Reveal()}}
	if tenant := c.env("AZURE_TENANT_ID"); tenant != "" {
		form.Set("tenant", tenant)
	}
	reply, err := c.web.Do(ctx, cloud.Request{Method: "POST", URL: "https://" + host + "/oauth2/exchange", Form: form, Secrets: []httpx.Secret{token}})
	if err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	if !reply.OK() {
		var out struct {
			Errors []struct{ Code, Message string }
		}
		_ = json.Unmarshal(reply.Body, &out) // what is no JSON is shown as it is
		out.Errors = append(out.Errors, struct{ Code, Message string }{})
		return httpx.Secret{}, time.Time{}, reply.Refusal(host, out.Errors[0].Code, out.Errors[0].Message)
	}
	var out struct {
		RefreshToken string `json:"refresh_token"`
	}
	refresh := httpx.Secret{}
	if err := json.Unmarshal(reply.Body, &out); err == nil {
		refresh = httpx.NewSecret(out.RefreshToken)
	}
	if refresh.IsZero() || cloud.CheckToken("it", refresh) != nil {
		return httpx.Secret{}, time.Time{}, reply.Malformed(host, "a refresh token")
	}
	return refresh, end(refresh, time.Now()), nil
}

// end is when a token expires that is a JSON Web Token. Its signature is the registry's to check: the end only says when to ask again.
func end(token httpx.Secret, now time.Time) time.Time {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return now.Add(unknownLife)
	}
	var claims struct{ Exp int64 }
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return now.Add(unknownLife)
	}
	at := time.Unix(claims.Exp, 0)
	if at.Before(now) || at.After(now.Add(24*time.Hour)) {
		return now.Add(unknownLife)
	}
	return at
}
