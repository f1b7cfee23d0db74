package cloud

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// MaxFile bounds a file of credentials, in bytes: a profile, a key, a token.
const MaxFile = 1 << 20

// ReadFile reads a file that the environment names. what says which setting named it. An error shows the name, never the content; a file
// that is not there is fs.ErrNotExist.
func ReadFile(what, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fileError(what, name, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe waits for somebody to write
		return nil, fileError(what, name, errors.New("it is not a regular file"))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(what, name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(b) > MaxFile {
		err = errors.New("it is larger than 1 MiB")
	}
	if err != nil {
		return nil, fileError(what, name, err)
	}
	return b, nil
}

func fileError(what, name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // it repeats the name as it is
	}
	return fmt.Errorf("%s %q: %w", what, clean.Cut(name, 300), err)
}

// ReadToken reads a file that holds one token, such as the identity token of the job.
func ReadToken(what, name string) (httpx.Secret, error) {
	b, err := ReadFile(what, name)
	if err != nil {
		return httpx.Secret{}, err
	}
	t := httpx.NewSecret(strings.TrimSpace(string(b)))
	if t.IsZero() {
		return t, fileError(what, name, errors.New("it is empty, want a token"))
	}
	return t, CheckToken(fmt.Sprintf("%s %q", what, clean.Cut(name, 300)), t)
}

// CheckToken refuses a token that cannot be one: it goes into a header or a form, where a line break would be something else's beginning.
func CheckToken(what string, t httpx.Secret) error {
	for _, r := range t.Reveal() {
		if r < ' ' || r > '~' {
			return fmt.Errorf("%s is no token: it holds a line break or another character that no token has", what)
		}
	}
	return nil
}
