// Package google logs in to Google's registries and APIs with a job's application default credentials: the file that the environment names,
// gcloud's own, or the metadata server. Programs that a credentials file names are never run.
package google

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// user is what Google's registries want beside an access token.
// https://cloud.google.com/artifact-registry/docs/docker/authentication#token
const user = "oauth2accesstoken"

// scope is what the tokens are for. Which images they open is IAM's to say.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// Client logs in to Google's registries and APIs. It is safe for concurrent use.
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

// API reports whether a host serves Google's APIs: an access token opens all that the job may do, and goes nowhere else.
func API(host string) bool {
	h, ok := cloud.Host(host)
	return ok && strings.HasSuffix(h, ".googleapis.com")
}

// Signer puts an access token on the requests of an httpx.Client to one of Google's APIs. Without credentials its error is cloud.ErrNone.
func (c *Client) Signer() httpx.Signer {
	return func(r *http.Request) ([]httpx.Secret, error) {
		if !API(r.URL.Host) || r.URL.Scheme != "https" {
			return nil, fmt.Errorf("%s://%s is none of Google's APIs: the job's access token does not go there", r.URL.Scheme, clean.Cut(r.URL.Host, 100))
		}
		token, _, err := c.tokens.Get(r.Context(), "", c.token)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		return []httpx.Secret{token}, nil
	}
}
