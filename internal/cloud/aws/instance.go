package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	instanceSource = "the instance's metadata"
	instanceRoles  = "/latest/meta-data/iam/security-credentials/"
)

// fromInstance asks the metadata server of an EC2 instance, version 2 only. Whether it is there at all is asked for a second; a run
// outside AWS loses no more than that. Where the job names the server's address, it must answer.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
func (c *Client) fromInstance(ctx context.Context, _ string) (Credentials, error) {
	if strings.EqualFold(c.env("AWS_EC2_METADATA_DISABLED"), "true") {
		return Credentials{}, cloud.Nonef("AWS_EC2_METADATA_DISABLED is true")
	}
	host, meant := c.instanceHost()
	session, err := c.instanceSession(ctx, host)
	if meant && errors.Is(err, cloud.ErrNone) {
		return Credentials{}, fmt.Errorf("AWS_EC2_METADATA_SERVICE_ENDPOINT is set: %s", err.Error())
	}
	if err != nil {
		return Credentials{}, err
	}
	role, err := c.instanceGet(ctx, host+instanceRoles, session)
	if err != nil {
		return Credentials{}, err
	}
	name, _, _ := strings.Cut(strings.TrimSpace(string(role.Body)), "\n")
	if role.Status == http.StatusNotFound || name == "" {
		return Credentials{}, cloud.Nonef("this instance has no role")
	}
	if !isRole(name) {
		return Credentials{}, role.Malformed(instanceSource, "the name of a role")
	}
	reply, err := c.instanceGet(ctx, host+instanceRoles+name, session)
	if err != nil {
		return Credentials{}, err
	}
	if !reply.OK() {
		return Credentials{}, reply.Refusal(instanceSource+", role "+name, "", "")
	}
	return readTemporary(instanceSource+", role "+name, reply)
}

// isRole reports whether a name is one that IAM gives: it becomes a part of a path.
func isRole(name string) bool {
	const signs = "+=,.@-_"
	return len(name) <= 128 && strings.Trim(name, ".") != "" && strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(signs, r)
	}) < 0
}

// instanceHost is the metadata server, and whether the job's environment names it.
func (c *Client) instanceHost() (host string, meant bool) {
	if h := c.env("AWS_EC2_METADATA_SERVICE_ENDPOINT"); h != "" {
		return strings.TrimRight(h, "/"), true
	}
	if strings.EqualFold(c.env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6") {
		return "http://[fd00:ec2::254]", false
	}
	return "http://169.254.169.254", false
}

// instanceSession asks for the token that every other request carries. Other clouds have a server at this address too: whoever refuses is
// not EC2's.
func (c *Client) instanceSession(ctx context.Context, host string) (httpx.Secret, error) {
	reply, err := c.web.Do(ctx, cloud.Request{Method: "PUT", URL: host + "/latest/api/token", Local: true, Probe: true,
		Header: http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"300"}}})
	var ne *httpx.NetError
	switch {
	case ctx.Err() != nil:
		return httpx.Secret{}, ctx.Err()
	case errors.As(err, &ne):
		return httpx.Secret{}, cloud.Nonef("no instance metadata: %s", clean.Cut(ne.Err.Error(), 200))
	case err != nil:
		return httpx.Secret{}, err
	case !reply.OK():
		return httpx.Secret{}, cloud.Nonef("no instance metadata: HTTP %d", reply.Status)
	}
	session := httpx.NewSecret(strings.TrimSpace(string(reply.Body)))
	if session.IsZero() || len(reply.Body) > 4096 || cloud.CheckToken("it", session) != nil {
		return httpx.Secret{}, cloud.Nonef("no instance metadata: the server at its address gives no session")
	}
	return session, nil
}

func (c *Client) instanceGet(ctx context.Context, url string, session httpx.Secret) (*cloud.Reply, error) {
	reply, err := c.web.Do(ctx, cloud.Request{URL: url, Local: true, Secrets: []httpx.Secret{session},
		Header: http.Header{"X-Aws-Ec2-Metadata-Token": {session.Reveal()}}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", instanceSource, err)
	}
	if !reply.OK() && reply.Status != http.StatusNotFound {
		return nil, reply.Refusal(instanceSource, "", "")
	}
	return reply, nil
}
