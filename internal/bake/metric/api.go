package metric

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Template is a text of the options in which $service and the other variables stand; the source escapes what it puts in.
type Template string

// QueryText marks the type for the configuration's reader: "$$" and "$name" stay as they are.
func (Template) QueryText() {}

// login is how most backends are logged in to: a bearer token, or a user with a password.
type login struct {
	token    httpx.Secret
	username string
	password httpx.Secret
}

func (l login) options() ([]httpx.Option, error) {
	switch {
	case !l.token.IsZero() && (l.username != "" || !l.password.IsZero()):
		return nil, errors.New("both token and username with password are given, want one of them")
	case l.username == "" && !l.password.IsZero():
		return nil, errors.New("password is given without username")
	case l.username != "":
		return []httpx.Option{httpx.WithBasic(l.username, l.password)}, nil
	}
	return []httpx.Option{httpx.WithBearer(l.token)}, nil
}

// client makes the client of a backend that is logged in to so.
func (l login) client(r httpx.Remote) (*httpx.Client, error) {
	auth, err := l.options()
	if err != nil {
		return nil, err
	}
	return newAPI(r, auth...)
}

// newAPI makes the client of a backend that is only read. One more try: the bake asks again at the next step anyway.
func newAPI(r httpx.Remote, options ...httpx.Option) (*httpx.Client, error) {
	return httpx.New(r, append([]httpx.Option{httpx.WithMaxBody(apiBody), httpx.WithRepeatable(), httpx.WithRetries(1)}, options...)...)
}

// apiBody is how long a reply may be, in bytes.
const apiBody = 16 << 20

// askJSON sends a request and decodes its reply; an error knows its trouble.
func askJSON(ctx context.Context, c *httpx.Client, r httpx.Request, into any) error {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return apiTrouble(err)
	}
	if err := httpx.DecodeJSON(resp, into); err != nil {
		return jsonTrouble(resp.Body, err)
	}
	return nil
}

// apiTrouble classifies why there is no reply.
func apiTrouble(err error) error {
	var status *httpx.StatusError
	switch {
	case errors.As(err, &status):
		return refusedTrouble(status)
	case isTooLarge(err):
		return troublef(Truncated, "%w: shorten the window, or narrow the query", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return troublef(Truncated, "the reply ends too early: %w", err)
	}
	return troublef(BackendDown, "%w", err)
}

func refusedTrouble(err *httpx.StatusError) error {
	if err.Limited() {
		return troublef(BackendDown, "%w: too many requests, it is asked again with the next step", err)
	}
	switch err.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return troublef(Unauthorized, "%w: %w", err, refusedAs(err.Anonymous, checkToken))
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestURITooLong:
		if limitMessage.MatchString(err.Excerpt) {
			return troublef(TooMany, "%w: narrow the query or shorten the window", err)
		}
		return troublef(BadQuery, "%w", err)
	case http.StatusNotFound:
		return troublef(BackendDown, "%w: %w", err, ErrNoPath)
	}
	return troublef(BackendDown, "%w", err)
}

// jsonTrouble tells a reply that was cut off from one that never was what it should be.
func jsonTrouble(body []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset >= int64(len(body)) && len(body) > 0 || strings.Contains(err.Error(), "got an empty reply") {
		return troublef(Truncated, "the reply ends too early: %w", err)
	}
	return troublef(BackendDown, "%w", err)
}
