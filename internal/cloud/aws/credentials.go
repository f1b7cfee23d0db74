package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Credentials sign calls. Expires is zero for those that are not temporary.
type Credentials struct {
	AccessKeyID  string // names the key, and is no secret
	Secret       httpx.Secret
	SessionToken httpx.Secret
	Expires      time.Time
	Source       string // where they were found, for messages: "AWS_ACCESS_KEY_ID"
}

func (c Credentials) secrets() []httpx.Secret { return []httpx.Secret{c.Secret, c.SessionToken} }

// Credentials finds the job's credentials, in the order of AWS's SDKs: keys in the environment, web identity, the profile, the container,
// the instance. region is where a token service is asked when the environment names no region; "" for anywhere. Without any the error is
// cloud.ErrNone.
func (c *Client) Credentials(ctx context.Context, region string) (Credentials, error) {
	creds, _, err := c.creds.Get(ctx, "", func(ctx context.Context) (Credentials, time.Time, error) {
		find := c.find
		if c.role != "" {
			find = c.assumed
		}
		found, err := find(ctx, region)
		return found, found.Expires, err
	})
	return creds, err
}

func (c *Client) find(ctx context.Context, region string) (Credentials, error) {
	var looked []string
	for _, from := range []func(context.Context, string) (Credentials, error){
		c.fromKeys, c.fromWebIdentity, c.fromProfile, c.fromContainer, c.fromInstance,
	} {
		creds, err := from(ctx, region)
		if !errors.Is(err, cloud.ErrNone) {
			return creds, err
		}
		looked = append(looked, err.Error())
	}
	return Credentials{}, cloud.Nonef("no AWS credentials: %s", strings.Join(looked, ", "))
}

func (c *Client) fromKeys(context.Context, string) (Credentials, error) {
	id, secret := c.env("AWS_ACCESS_KEY_ID"), c.env("AWS_SECRET_ACCESS_KEY")
	switch {
	case id == "" && secret == "":
		return Credentials{}, cloud.Nonef("no AWS_ACCESS_KEY_ID")
	case id == "" || secret == "":
		return Credentials{}, errors.New("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set, want both or none")
	}
	return newCredentials("AWS_ACCESS_KEY_ID", id, secret, c.env("AWS_SESSION_TOKEN"))
}

// newCredentials checks what goes into a header.
func newCredentials(source, id, secret, token string) (Credentials, error) {
	if id == "" || secret == "" {
		return Credentials{}, fmt.Errorf("%s has no access key or no secret for it", source)
	}
	if err := cloud.CheckToken("the access key of "+source, httpx.NewSecret(id)); err != nil {
		return Credentials{}, err
	}
	if err := cloud.CheckToken("the session token of "+source, httpx.NewSecret(token)); err != nil {
		return Credentials{}, err
	}
	return Credentials{AccessKeyID: id, Secret: httpx.NewSecret(secret), SessionToken: httpx.NewSecret(token), Source: source}, nil
}

// temporary are credentials as the container's and the instance's servers give them.
type temporary struct {
	Code            string // of the instance's server: "Success"
	Message         string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      Timestamp
}

// readTemporary reads such a reply.
func readTemporary(source string, reply *cloud.Reply) (Credentials, error) {
	var t temporary
	if err := json.Unmarshal(reply.Body, &t); err != nil {
		return Credentials{}, reply.Malformed(source, "credentials as JSON")
	}
	if t.Code != "" && t.Code != "Success" {
		return Credentials{}, reply.Refusal(source, t.Code, t.Message)
	}
	creds, err := newCredentials(source, t.AccessKeyID, t.SecretAccessKey, t.Token)
	if err != nil {
		return Credentials{}, err
	}
	creds.Expires = t.Expiration.Time
	return creds, fresh(creds)
}

// fresh refuses credentials that are over already: every call with them would fail for a reason that is harder to read.
func fresh(c Credentials) error {
	if !c.Expires.IsZero() && !time.Now().Before(c.Expires) {
		return fmt.Errorf("the credentials of %s expired at %s: is this machine's clock right?", c.Source, c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
