package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const containerHost = "http://169.254.170.2" // of ECS tasks

// containerIPs are the addresses that may be asked in plain http beside loopback: ECS, and EKS Pod Identity.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
var containerIPs = []netip.Addr{netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}

func (c *Client) fromContainer(ctx context.Context, _ string) (Credentials, error) {
	source, endpoint, err := c.containerURL()
	if err != nil {
		return Credentials{}, err
	}
	token, err := c.containerToken()
	if err != nil {
		return Credentials{}, err
	}
	r := cloud.Request{URL: endpoint, Header: http.Header{"Accept": {"application/json"}}, Local: true}
	if !token.IsZero() {
		r.Header.Set("Authorization", token.Reveal())
	}
	reply, err := c.web.Do(ctx, r)
	if err != nil {
		return Credentials{}, fmt.Errorf("%s: %w", source, err)
	}
	if !reply.OK() {
		var refused struct{ Code, Message string }
		_ = json.Unmarshal(reply.Body, &refused) // what is no JSON is shown as it is
		return Credentials{}, reply.Refusal(source, refused.Code, refused.Message)
	}
	return readTemporary(source, reply)
}

// containerURL is the address of the container's credentials and the variable that names it.
func (c *Client) containerURL() (source, endpoint string, err error) {
	if path := c.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		const source = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
		if !strings.HasPrefix(path, "/") {
			return "", "", fmt.Errorf("%s is %q, want a path that begins with a slash", source, clean.Cut(path, 200))
		}
		return source, containerHost + path, nil
	}
	const full = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	text := c.env(full)
	if text == "" {
		return "", "", cloud.Nonef("no AWS_CONTAINER_CREDENTIALS_*")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return "", "", fmt.Errorf("%s is no URL: want https://host/path, or http:// of the container's own server", full)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !containerHostAllowed(u.Hostname())) {
		return "", "", fmt.Errorf("%s names %s://%s: want https, or http to loopback, 169.254.170.2, 169.254.170.23 or fd00:ec2::23",
			full, clean.Cut(u.Scheme, 20), clean.Cut(u.Host, 100))
	}
	return full, text, nil
}

func containerHostAllowed(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, allowed := range containerIPs {
		if ip == allowed {
			return true
		}
	}
	return ip.IsLoopback()
}

// containerToken authorises the job at the container's server. The file is read each time: it is replaced before it expires.
func (c *Client) containerToken() (httpx.Secret, error) {
	const variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	if file := c.env(variable + "_FILE"); file != "" {
		return cloud.ReadToken(variable+"_FILE", file)
	}
	token := httpx.NewSecret(c.env(variable))
	return token, cloud.CheckToken(variable, token)
}
