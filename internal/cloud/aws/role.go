package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

const stsRole = "sts AssumeRole"

var roleARN = lazyregexp.New(`^arn:aws[a-z-]{0,20}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,600}$`)

// As is a client with the credentials of a role, which it assumes with the job's own: a workspace in another account.
func (c *Client) As(role string) (*Client, error) {
	if !roleARN.MatchString(role) {
		return nil, fmt.Errorf("role %q, want its ARN, as in arn:aws:iam::123456789012:role/monitoring", clean.Cut(role, 100))
	}
	return &Client{options: c.options, web: c.web, role: role}, nil
}

// assumed are the role's credentials, for the hour that AWS gives by default.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (c *Client) assumed(ctx context.Context, region string) (Credentials, error) {
	own, err := c.find(ctx, region)
	if err != nil {
		return Credentials{}, err
	}
	in := c.Region()
	if in == "" {
		in = region
	}
	if in == "" {
		return Credentials{}, errors.New("no AWS region is known: set AWS_REGION")
	}
	endpoint, err := c.endpoint("sts", in)
	if err != nil {
		return Credentials{}, err
	}
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {c.role}, "RoleSessionName": {"bakegate"}}
	body := []byte(form.Encode())
	reply, err := c.patient(ctx, func(ctx context.Context) (*cloud.Reply, error) {
		r, err := c.web.Do(ctx, cloud.Request{Method: http.MethodPost, URL: endpoint, Body: body, ContentType: "application/x-www-form-urlencoded", Secrets: own.secrets(),
			Sign: func(req *http.Request) error { return sign(ctx, req, body, own, "sts", in, time.Now()) }})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", stsRole, err)
		}
		return r, stsError(stsRole, r)
	})
	if err != nil {
		return Credentials{}, err
	}
	return readAssumed(reply, stsRole, "the role "+clean.Cut(c.role, 200))
}
