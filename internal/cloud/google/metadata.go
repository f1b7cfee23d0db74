package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	metadataSource = "Google's metadata server"
	metadataPath   = "/computeMetadata/v1/instance/service-accounts/default/token"
	flavour        = "Metadata-Flavor"
)

// fromMetadata asks the metadata server for the token of the machine's service account. Whether it is there at all is asked for a second:
// a run outside Google's cloud loses no more than that. Where the job names the server's address, it must answer.
// https://cloud.google.com/compute/docs/metadata/overview
func (c *Client) fromMetadata(ctx context.Context) (httpx.Secret, time.Time, error) {
	host, meant := c.options.Env("GCE_METADATA_HOST"), true
	if host == "" {
		host, meant = "169.254.169.254", false // the name would ask a DNS server that may not answer
	}
	err := c.findMetadata(ctx, "http://"+host+"/")
	if meant && errors.Is(err, cloud.ErrNone) {
		err = fmt.Errorf("GCE_METADATA_HOST is set: %s", err.Error())
	}
	if err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	reply, err := c.web.Do(ctx, cloud.Request{URL: "http://" + host + metadataPath + "?" + url.Values{"scopes": {scope}}.Encode(),
		Header: http.Header{flavour: {"Google"}}, Local: true})
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", metadataSource, err)
	}
	return readMetadata(reply)
}

// findMetadata asks whether a server at that address is Google's: other clouds have theirs there.
func (c *Client) findMetadata(ctx context.Context, url string) error {
	reply, err := c.web.Do(ctx, cloud.Request{URL: url, Header: http.Header{flavour: {"Google"}}, Local: true, Probe: true})
	var ne *httpx.NetError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ne):
		return cloud.Nonef("no metadata server: %s", clean.Cut(ne.Err.Error(), 200))
	case err != nil:
		return err
	case reply.Header.Get(flavour) != "Google":
		return cloud.Nonef("the metadata server is not Google's")
	}
	return nil
}

func readMetadata(reply *cloud.Reply) (httpx.Secret, time.Time, error) {
	none := httpx.Secret{}
	if reply.Status == http.StatusNotFound {
		return none, time.Time{}, cloud.Nonef("this machine has no service account")
	}
	if !reply.OK() {
		return none, time.Time{}, reply.Refusal(metadataSource, "", "")
	}
	var out struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	const longest = 24 * 3600
	if err := json.Unmarshal(reply.Body, &out); err != nil || out.ExpiresIn < 0 || out.ExpiresIn > longest {
		return none, time.Time{}, reply.Malformed(metadataSource, "an access token")
	}
	return checkToken(metadataSource, out.AccessToken, time.Now().Add(time.Duration(out.ExpiresIn)*time.Second))
}
