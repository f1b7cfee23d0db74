package aws

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"net/url"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const stsAssume = "sts AssumeRoleWithWebIdentity"

func (c *Client) fromWebIdentity(ctx context.Context, region string) (Credentials, error) {
	file := c.env("AWS_WEB_IDENTITY_TOKEN_FILE")
	if file == "" {
		return Credentials{}, cloud.Nonef("no AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	role := c.env("AWS_ROLE_ARN")
	if role == "" {
		return Credentials{}, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN: which role is it for?")
	}
	return c.assume(ctx, region, webIdentity{"AWS_WEB_IDENTITY_TOKEN_FILE", file, role, c.env("AWS_ROLE_SESSION_NAME")})
}

// webIdentity is a role, and the file with the token that says who may take it. source is the setting that named the file.
type webIdentity struct{ source, file, role, session string }

// assume exchanges the token for the role's credentials. The call is not signed: the token is what proves.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (c *Client) assume(ctx context.Context, region string, w webIdentity) (Credentials, error) {
	token, err := cloud.ReadToken(w.source, w.file)
	if err != nil {
		return Credentials{}, err
	}
	if own := c.Region(); own != "" {
		region = own
	}
	endpoint, err := c.endpoint("sts", region)
	if err != nil {
		return Credentials{}, err
	}
	if w.session == "" {
		w.session = "bakegate"
	}
	form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {w.role}, "RoleSessionName": {w.session}, "WebIdentityToken": {token.Reveal()}}
	reply, err := c.patient(ctx, func(ctx context.Context) (*cloud.Reply, error) {
		r, err := c.web.Do(ctx, cloud.Request{Method: "POST", URL: endpoint, Form: form, Secrets: []httpx.Secret{token}})
		if err != nil {
			return nil, err
		}
		return r, stsError(stsAssume, r)
	})
	if err != nil {
		return Credentials{}, err
	}
	return readAssumed(reply, stsAssume, w.source)
}

// assumedRole is a role's credentials as the token service gives them.
type assumedRole struct {
	Credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
}

// readAssumed reads the reply of either way to assume a role. what is the call, source where the role is named.
func readAssumed(reply *cloud.Reply, what, source string) (Credentials, error) {
	var out struct {
		Web  *assumedRole `xml:"AssumeRoleWithWebIdentityResult"`
		Role *assumedRole `xml:"AssumeRoleResult"`
	}
	if err := xml.Unmarshal(reply.Body, &out); err != nil {
		return Credentials{}, reply.Malformed(what, "credentials as XML")
	}
	got := cmp.Or(out.Web, out.Role, &assumedRole{}).Credentials
	creds, err := newCredentials(source, got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	if err != nil {
		return Credentials{}, reply.Malformed(what, "credentials as XML")
	}
	var at Timestamp
	if err := at.fromText(got.Expiration); err != nil || at.IsZero() {
		return Credentials{}, reply.Malformed(what, "credentials with an end")
	}
	creds.Expires = at.Time
	return creds, fresh(creds)
}

// stsError reads a refusal of the token service, which answers in XML.
func stsError(what string, r *cloud.Reply) error {
	if r.OK() {
		return nil
	}
	var out struct {
		Error struct{ Code, Message string }
	}
	_ = xml.Unmarshal(r.Body, &out) // what is no XML is shown as it is
	return r.Refusal(what, out.Error.Code, out.Error.Message)
}
