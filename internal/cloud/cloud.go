// Package cloud has what its sub-packages share: aws, google and azure find a job's credentials in its environment and log in to the
// cloud's registries with them. It reads no environment of its own: all comes through Options.
//
// Nothing here does I/O when it is made. What is asked for is asked once: a login is kept until shortly before it expires, and that
// there are no credentials is remembered for the life of the process.
package cloud

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrNone says that the job's environment has no credentials of this cloud. Whoever gets it may go on without; any other error means that
// there are some, and that they do not work.
var ErrNone = errors.New("no credentials of this cloud in the job's environment")

// Nonef is ErrNone with what was looked at.
func Nonef(format string, args ...any) error { return &absence{fmt.Sprintf(format, args...)} }

type absence struct{ text string }

func (e *absence) Error() string   { return e.text }
func (*absence) Is(err error) bool { return err == ErrNone }

// Options are the job's environment and the way to the network.
type Options struct {
	Getenv  func(string) string // the job's environment; nil: an empty one
	Version string              // of bakegate, for the User-Agent
	CA      string              // PEM file with certificate authorities to trust beside the system's
	Network http.RoundTripper   // replaces the network: a server in process
}

// Env is a variable of the job's environment.
func (o Options) Env(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

// Error is a refusal by a cloud's service. Its texts are sanitised and hold none of the request's secrets.
type Error struct {
	Service string // who refused what: "ecr GetAuthorizationToken"
	Code    string // the service's own word: "AccessDeniedException"; "" where it gave none
	Message string
	Status  int // of HTTP
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: HTTP %d", e.Service, e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}
