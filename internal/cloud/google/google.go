// Package google logs in to Google's registries with a job's application default credentials: the file that the environment names,
// gcloud's own, or the metadata server. Programs that a credentials file names are never run.
package google

import (
	"context"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// user is what Google's registries want beside an access token.
// https://cloud.google.com/artifact-registry/docs/docker/authentication#token
const user = "oauth2accesstoken"

// scope is what the tokens are for. Which images they open is IAM's to say.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// Client logs in to Google's registries. It is safe for concurrent use.
type Client struct {
	options cloud.Options
	web     *cloud.Web
	tokens  cloud.Cache[httpx.Secret]
}

// New makes a client. It does no I/O: files are read and services asked with the first login.
func New(o cloud.Options) *Client { return &Client{options: o, web: cloud.NewWeb(o)} }

// Name is how messages call this cloud.
func (c *Client) Name() string { return "Google Cloud" }

// Handles reports whether a registry's host is Google's: Container Registry or Artifact Registry.
func (c *Client) Handles(host string) bool {
	h, ok := cloud.Host(host)
	return ok && (h == "gcr.io" || strings.HasSuffix(h, ".gcr.io") || strings.HasSuffix(h, ".pkg.dev"))
}

// Login gives user and password for a registry, and when they expire. Without Google's credentials the error is cloud.ErrNone.
func (c *Client) Login(ctx context.Context, host string) (string, httpx.Secret, time.Time, error) {
	if !c.Handles(host) {
		return "", httpx.Secret{}, time.Time{}, cloud.Nonef("this host is no registry of Google's")
	}
	token, expires, err := c.tokens.Get(ctx, "", c.token)
	if err != nil {
		return "", httpx.Secret{}, time.Time{}, err
	}
	return user, token, expires, nil
}
