package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// trouble is an error that knows its class.
type trouble struct {
	class Trouble
	err   error
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

func troublef(class Trouble, format string, args ...any) error {
	return &trouble{class, fmt.Errorf(format, args...)}
}

// What an error can be asked for (errors.Is) where its class does not say what to do about it.
var (
	ErrNoPath  = errors.New("there is nothing at this path, check url")
	ErrNoToken = errors.New("no token is configured")
)

const checkToken = "check the token or the password, and what it may read"

// refusedAs is what a refusal means: there was nothing to refuse where the block does not say who asks.
func refusedAs(anonymous bool, otherwise string) error {
	if anonymous {
		return ErrNoToken
	}
	return errors.New(otherwise)
}

// queryError gives a query's failure its class; what is not classified is a backend that did not answer.
func queryError(id string, err error) error {
	var t *trouble
	if errors.As(err, &t) {
		return &QueryError{Query: id, Trouble: t.class, Err: err}
	}
	return &QueryError{Query: id, Trouble: BackendDown, Err: err}
}

// limitMessage recognises the replies of Prometheus, Thanos, Mimir and Cortex to a query that asks for too much, victoriaLimit those of
// VictoriaMetrics, which name the flag.
var (
	limitMessage  = lazyregexp.New(`(?i)too many (samples|points|series|chunks)|exceed|limit|maximum number|max-series`)
	victoriaLimit = lazyregexp.New(`-search\.max[A-Z]`)
)

// statusTrouble classifies a reply that is not 2xx. anonymous: the block does not say who asks; detail is the backend's own message, ""
// where it gave none.
func statusTrouble(where string, anonymous bool, status int, errorType, detail string) error {
	got := fmt.Sprintf("%s: HTTP %d %s", where, status, http.StatusText(status))
	if detail = clean.Text(strings.TrimPrefix(detail, `invalid parameter "query": `)); detail != "" {
		got += ": " + detail
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return troublef(Unauthorized, "%s: %w", got, refusedAs(anonymous, checkToken))
	case errorType == "timeout" || errorType == "canceled" || errorType == "unavailable":
		return troublef(BackendDown, "%s: the backend gave up on the query", got)
	case (errorType == "execution" || errorType == "bad_data") && limitMessage.MatchString(detail), victoriaLimit.MatchString(detail):
		return troublef(TooMany, "%s: narrow the selector or shorten the window", got)
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || errorType == "bad_data" || errorType == "execution":
		return troublef(BadQuery, "%s", got)
	case status == http.StatusNotFound:
		return troublef(BackendDown, "%s: %w (without /api/v1)", got, ErrNoPath)
	}
	return troublef(BackendDown, "%s", got)
}

// readTrouble classifies an error that came while the reply was read.
func readTrouble(where string, err error) error {
	var t *trouble
	switch {
	case errors.As(err, &t):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return troublef(BackendDown, "%s: %w", where, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return troublef(Truncated, "%s: the reply ends too early: %w", where, err)
	case isTooLarge(err):
		return troublef(Truncated, "%s: %w", where, err)
	}
	return troublef(BackendDown, "%s: %w", where, err)
}

// isTooLarge reports whether a reply was longer than the client's cap.
func isTooLarge(err error) bool {
	var large *httpx.TooLargeError
	return errors.As(err, &large)
}
