package google

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// fromFile exchanges what a credentials file holds for an access token. source names the file in messages.
func (c *Client) fromFile(ctx context.Context, source string, text []byte) (httpx.Secret, time.Time, error) {
	f, err := parseKeyFile(text, 2)
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", source, err)
	}
	checked, err := json.Marshal(f)
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", source, err)
	}
	secrets, err := f.secrets()
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", source, err)
	}
	net := &lender{web: c.web, secrets: secrets}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: net, CheckRedirect: noRedirect})
	creds, err := google.CredentialsFromJSONWithType(ctx, checked, google.CredentialsType(f.Type), scope)
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", source, net.explain(err))
	}
	token, err := creds.TokenSource.Token()
	if err != nil {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: %w", source, net.explain(err))
	}
	return checkToken(source, token.AccessToken, token.Expiry)
}

// checkToken refuses what cannot be an access token that is good now.
func checkToken(source, token string, expires time.Time) (httpx.Secret, time.Time, error) {
	t := httpx.NewSecret(token)
	if t.IsZero() {
		return t, time.Time{}, fmt.Errorf("%s: the reply holds no access token", source)
	}
	if err := cloud.CheckToken("the access token of "+source, t); err != nil {
		return httpx.Secret{}, time.Time{}, err
	}
	if expires.IsZero() {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: the reply does not say when the access token expires", source)
	}
	if !time.Now().Before(expires) {
		return httpx.Secret{}, time.Time{}, fmt.Errorf("%s: the access token expires at %s: is this machine's clock right?",
			source, expires.UTC().Format(time.RFC3339))
	}
	return t, expires, nil
}

// secrets are what no error may show: of the file, of those within it, and of the identity token that it names. The library reads that
// file once more; here it is found out that it can be read at all, and is a file.
func (f *keyFile) secrets() ([]httpx.Secret, error) {
	var all []httpx.Secret
	for ; f != nil; f = f.source {
		for _, s := range []string{f.PrivateKey, f.ClientSecret, f.RefreshToken} {
			all = append(all, httpx.NewSecret(s))
		}
		for line := range strings.Lines(f.PrivateKey) {
			all = append(all, httpx.NewSecret(strings.TrimSpace(line)))
		}
		if f.Source == nil {
			continue
		}
		for _, v := range f.Source.Headers {
			all = append(all, httpx.NewSecret(v), httpx.NewSecret(strings.TrimPrefix(v, "Bearer ")))
		}
		if f.Source.File != "" {
			token, err := cloud.ReadFile("credential_source.file", f.Source.File)
			if err != nil {
				return nil, err
			}
			all = append(all, httpx.NewSecret(strings.TrimSpace(string(token))))
		}
	}
	return all, nil
}

// noRedirect: a token endpoint answers by itself. The library would follow to anywhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// lender lends bakegate's network to Google's library. A refusal is kept here: the library would put the whole reply into its error.
type lender struct {
	web     *cloud.Web
	secrets []httpx.Secret
	failed  error
}

// RoundTrip implements http.RoundTripper.
func (l *lender) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := l.send(r)
	if err != nil {
		l.failed = err
		return nil, err
	}
	return &http.Response{StatusCode: reply.Status, Header: reply.Header, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(reply.Body)), ContentLength: int64(len(reply.Body))}, nil
}

func (l *lender) send(r *http.Request) (*cloud.Reply, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		b, err := io.ReadAll(io.LimitReader(r.Body, 2*cloud.MaxFile))
		if err != nil || len(b) == 2*cloud.MaxFile {
			return nil, errors.New("the request for a token is too large")
		}
		body = b
	}
	reply, err := l.web.Do(r.Context(), cloud.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body,
		Secrets: append(l.secrets[:len(l.secrets):len(l.secrets)], sent(body)...), Local: cloud.Nearby(r.URL.Hostname())})
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, refusal(r, reply)
	}
	return reply, nil
}

// sent are the secrets that the library puts into a form: signed statements, identity tokens.
func sent(body []byte) []httpx.Secret {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil // the JSON of an impersonation, which has none
	}
	var all []httpx.Secret
	for _, name := range []string{"assertion", "subject_token", "refresh_token", "client_secret"} {
		all = append(all, httpx.NewSecret(form.Get(name)))
	}
	return all
}

// refusal reads an error of OAuth's, or of Google's APIs.
func refusal(r *http.Request, reply *cloud.Reply) error {
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var api struct {
		Error struct{ Status, Message string } `json:"error"`
	}
	_ = json.Unmarshal(reply.Body, &oauth) // what is neither is shown as it is
	_ = json.Unmarshal(reply.Body, &api)
	code, message := oauth.Error, oauth.Description
	if code == "" {
		code, message = api.Error.Status, api.Error.Message
	}
	return reply.Refusal(clean.Cut(r.URL.Host, 100), code, message)
}

// explain gives what the network said rather than what the library made of it. Other errors of the library may quote a reply: a token
// that is broken, an identity token in the wrong form.
func (l *lender) explain(err error) error {
	if l.failed != nil {
		return l.failed
	}
	var re *oauth2.RetrieveError
	if errors.As(err, &re) {
		return errors.New("the reply is no access token")
	}
	return errors.New(cloud.Redact(err.Error(), l.secrets...))
}
