package google

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const wellKnown = "application_default_credentials.json"

// token finds the application default credentials, in the order of Google's libraries, and gives an access token.
// https://cloud.google.com/docs/authentication/application-default-credentials
func (c *Client) token(ctx context.Context) (httpx.Secret, time.Time, error) {
	const variable = "GOOGLE_APPLICATION_CREDENTIALS"
	if name := c.options.Env(variable); name != "" {
		text, err := cloud.ReadFile(variable, name)
		if err != nil {
			return httpx.Secret{}, time.Time{}, err
		}
		return c.fromFile(ctx, fmt.Sprintf("%s %q", variable, clean.Cut(name, 300)), text)
	}
	if name := c.wellKnown(); name != "" {
		text, err := cloud.ReadFile("gcloud's credentials", name)
		if err == nil {
			return c.fromFile(ctx, fmt.Sprintf("gcloud's credentials %q", clean.Cut(name, 300)), text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return httpx.Secret{}, time.Time{}, err
		}
	}
	token, expires, err := c.fromMetadata(ctx)
	if errors.Is(err, cloud.ErrNone) {
		err = cloud.Nonef("no Google credentials: no %s, no file of gcloud, %s", variable, err.Error())
	}
	return token, expires, err
}

// wellKnown is where `gcloud auth application-default login` leaves its file.
func (c *Client) wellKnown() string {
	if dir := c.options.Env("CLOUDSDK_CONFIG"); dir != "" {
		return filepath.Join(dir, wellKnown)
	}
	if dir := c.options.Env("APPDATA"); dir != "" {
		return filepath.Join(dir, "gcloud", wellKnown)
	}
	if home := c.options.Env("HOME"); home != "" {
		return filepath.Join(home, ".config", "gcloud", wellKnown)
	}
	return ""
}
