package httpx

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

	"github.com/bakegate/bakegate/internal/clean"
)

// maxErrorBody is what is read of the body of a reply that is not 2xx.
const maxErrorBody = 64 << 10

// Request is one call.
type Request struct {
	Method      string // default GET
	Path        string // behind the base URL, escaped, begins with a slash
	Query       url.Values
	Header      http.Header
	Body        []byte
	ContentType string // of Body, default application/json
	// Repeatable says that a POST or PATCH may be sent twice. GET, HEAD, PUT, DELETE and OPTIONS always may.
	Repeatable bool
}

// Response is a reply whose status is 2xx, read to its end.
type Response struct {
	Method string
	URL    string // without user and query
	Status int
	Header http.Header
	Body   []byte

	safe func(string) string
}

// Do sends the request and reads the reply. A status other than 2xx is a *StatusError, a request without a complete reply a *NetError, a
// reply above the cap a *TooLargeError. The context bounds all tries together.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	where := showURL(req.URL)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, netError(req.Method, where, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what can't be read says nothing
		return nil, c.statusError(req.Method, where, resp, body)
	}
	body, err := io.ReadAll(resp.Body)
	var large *TooLargeError
	switch {
	case errors.As(err, &large):
		return nil, large
	case err != nil:
		return nil, netError(req.Method, where, err)
	}
	return &Response{Method: req.Method, URL: where, Status: resp.StatusCode, Header: resp.Header, Body: body, safe: c.safe}, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#") {
		return nil, fmt.Errorf("%s: path %q, want one that begins with a slash, its query apart", c.URL(), clean.Cut(withoutQuery(r.Path), 200))
	}
	target := c.URL() + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	ctx = context.WithValue(ctx, repeatableKey{}, r.Repeatable)
	req, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.URL(), parseCause(err))
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if len(r.Body) > 0 {
		if r.ContentType == "" {
			r.ContentType = "application/json"
		}
		req.Header.Set("Content-Type", r.ContentType)
	}
	return req, nil
}

// NoPage is an error if the reply is an HTML page: no API answers with one, but login pages and proxies do, often with a 200.
func NoPage(r *Response, want string) error {
	if isHTML(r.Header, r.Body) {
		return fmt.Errorf("%s %s: got an HTML page, want %s: is a login page or a proxy in between?", r.Method, r.URL, want)
	}
	return nil
}

// DecodeJSON reads a reply's body into v. An HTML page, an empty body and text behind the JSON value are errors that say so.
func DecodeJSON(r *Response, v any) error {
	where := r.Method + " " + r.URL
	if err := NoPage(r, "JSON"); err != nil {
		return err
	}
	if len(bytes.TrimSpace(r.Body)) == 0 {
		return fmt.Errorf("%s: got an empty reply (HTTP %d), want JSON", where, r.Status)
	}
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("%s: got %q, want JSON: %w", where, clean.Cut(r.safe(string(r.Body)), 120),
			&causeError{text: r.safe(err.Error()), err: err}) // encoding/json quotes what it cannot read
	}
	return nil
}
