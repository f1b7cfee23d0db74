package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
)

const maxRedirects = 5

// roundTripper is the client as libraries see it. Whatever goes to the remote service goes through it.
type roundTripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := r.c.checkRedirect(req); err != nil {
		return nil, err
	}
	t := &tries{repeatable: r.c.mayRepeat(req)}
	out, err := retryablehttp.FromRequest(r.c.dress(req, t))
	if err != nil {
		return nil, err
	}
	resp, err := r.c.retry.Do(out)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, r.c.cause(req.Context(), err, t)
	}
	resp.Request = req
	resp.Body = &cappedBody{ReadCloser: resp.Body, c: r.c, req: req, left: r.c.maxBody}
	return resp, nil
}

// CloseIdleConnections lets http.Client reach the network's own method.
func (r roundTripper) CloseIdleConnections() { r.c.retry.HTTPClient.CloseIdleConnections() }

// checkRedirect holds whatever client follows a redirect to the block's own origin, and to the same method: a POST that comes back as a
// GET would look like a success of something that never happened.
func (c *Client) checkRedirect(req *http.Request) error {
	if err := c.checkOrigin(req.URL); err != nil {
		if req.Response != nil {
			return fmt.Errorf("redirect refused (HTTP %d): %w", req.Response.StatusCode, err)
		}
		return err
	}
	if r := req.Response; r != nil && r.Request != nil && r.Request.Method != req.Method {
		return fmt.Errorf("redirect refused (HTTP %d): it turns %s into %s; if %s is where the service is, write it as the url",
			r.StatusCode, r.Request.Method, req.Method, showURL(req.URL))
	}
	return nil
}

func atMostFive(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

func (c *Client) mayRepeat(req *http.Request) bool {
	said, _ := req.Context().Value(repeatableKey{}).(bool)
	return c.repeatable || said || idempotent(req.Method)
}

// dress copies the request and puts the block's headers on it. Accept-Encoding is left to the transport, which then decompresses, so
// that the cap counts what comes out.
func (c *Client) dress(req *http.Request, t *tries) *http.Request {
	out := req.Clone(context.WithValue(req.Context(), triesKey{}, t))
	for k, v := range c.headers {
		out.Header[k] = v
	}
	out.Header.Del("Accept-Encoding")
	if c.target != nil {
		out.URL.Path, out.URL.RawPath, out.URL.RawQuery = c.target.Path, c.target.RawPath, c.target.RawQuery
	}
	return out
}

// cappedBody is a reply's body of which no more than the cap can be read.
type cappedBody struct {
	io.ReadCloser
	c    *Client
	req  *http.Request
	left int64
	err  error
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		err = &TooLargeError{URL: showURL(b.req.URL), Limit: b.c.maxBody}
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.c.readCause(b.req.Context(), err)
	}
	b.err = err
	return n, err
}
