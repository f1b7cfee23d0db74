// Package azure logs in to Azure Container Registry with a job's identity in Microsoft Entra ID: a client secret, a federated identity
// token, or the managed identity of the machine.
package azure

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// user is what a registry wants beside a refresh token.
// https://learn.microsoft.com/azure/container-registry/container-registry-authentication
const user = "00000000-0000-0000-0000-000000000000"

// registryAPI is what the tokens of Entra ID are for. It is the same in all of Azure's clouds.
const registryAPI = "https://containerregistry.azure.net"

// authorities are where each cloud's tokens are asked for, by the domain of its registries.
var authorities = map[string]string{
	".azurecr.io": "https://login.microsoftonline.com",
	".azurecr.cn": "https://login.chinacloudapi.cn",
	".azurecr.us": "https://login.microsoftonline.us",
}

// Client logs in to Azure's registries. It is safe for concurrent use.
type Client struct {
	options cloud.Options
	web     *cloud.Web
	tokens  cloud.Cache[httpx.Secret] // of Entra ID, by authority
	logins  cloud.Cache[httpx.Secret] // of a registry, by host
}

// New makes a client. It does no I/O: files are read and services asked with the first login.
func New(o cloud.Options) *Client { return &Client{options: o, web: cloud.NewWeb(o)} }

func (c *Client) env(name string) string { return c.options.Env(name) }

// Name is how messages call this cloud.
func (c *Client) Name() string { return "Azure" }

// Handles reports whether a registry's host is Azure Container Registry.
func (c *Client) Handles(host string) bool {
	_, _, ok := parseRegistry(host)
	return ok
}

// parseRegistry gives the host and the authority of its cloud.
func parseRegistry(host string) (name, authority string, ok bool) {
	h, ok := cloud.Host(host)
	if !ok {
		return "", "", false
	}
	for domain, authority := range authorities {
		if strings.HasSuffix(h, domain) {
			return h, authority, true
		}
	}
	return "", "", false
}

// Login gives user and password for a registry, and when they expire. Without an identity of Azure's the error is cloud.ErrNone.
func (c *Client) Login(ctx context.Context, host string) (string, httpx.Secret, time.Time, error) {
	name, authority, ok := parseRegistry(host)
	if !ok {
		return "", httpx.Secret{}, time.Time{}, cloud.Nonef("this host is no registry of Azure's")
	}
	if own := c.env("AZURE_AUTHORITY_HOST"); own != "" {
		authority = strings.TrimRight(own, "/")
		if !strings.HasPrefix(own, "https://") {
			return "", httpx.Secret{}, time.Time{}, errors.New("AZURE_AUTHORITY_HOST is no URL, want https://host")
		}
	}
	password, expires, err := c.logins.Get(ctx, name, func(ctx context.Context) (httpx.Secret, time.Time, error) {
		token, _, err := c.tokens.Get(ctx, authority, func(ctx context.Context) (httpx.Secret, time.Time, error) {
			return c.token(ctx, authority)
		})
		if err != nil {
			return httpx.Secret{}, time.Time{}, err
		}
		return c.exchange(ctx, name, token)
	})
	if err != nil {
		return "", httpx.Secret{}, time.Time{}, err
	}
	return user, password, expires, nil
}
