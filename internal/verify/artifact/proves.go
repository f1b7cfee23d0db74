package artifact

import (
	"errors"

	"github.com/bakegate/bakegate/internal/registry"
)

// Bad says that what is served is nothing one could use: it was read, and it is wrong.
type Bad struct{ Err error }

func (e *Bad) Error() string { return e.Err.Error() }

// Unwrap gives the mistake.
func (e *Bad) Unwrap() error { return e.Err }

// Proves reports whether an error shows that what was asked for is wrong, rather than that it could not be looked at.
func Proves(err error) bool {
	var other *registry.DigestError
	var bad *Bad
	return errors.As(err, &other) || errors.As(err, &bad) || registry.IsMissing(err)
}

// First is the first error; an outage goes before a finding, because it may be what made the finding.
func First(errs []error) error {
	var found error
	for _, err := range errs {
		if err != nil && !Proves(err) {
			return err
		}
		if found == nil {
			found = err
		}
	}
	return found
}
