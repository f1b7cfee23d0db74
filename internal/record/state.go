package record

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// maxState bounds a state, packed and unpacked, in bytes: as much as package diff makes.
const maxState = 64 << 20

var stateDigest = lazyregexp.New(`^sha256:[0-9a-f]{64}$`)

func checkState(digest string) error {
	if stateDigest.MatchString(digest) {
		return nil
	}
	return errors.New("ledger: the record names no state that could be kept: want sha256: and 64 hexadecimal digits")
}

// stateName is the part of a state's digest that names a file or a tag.
func stateName(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// packState compresses a state. The digest is of its plain bytes.
func packState(state []byte) (packed []byte, digest string, err error) {
	if len(state) > maxState {
		return nil, "", fmt.Errorf("ledger: the state has %d bytes, want at most %d", len(state), maxState)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, werr := w.Write(state)
	if err := errors.Join(werr, w.Close()); err != nil {
		return nil, "", fmt.Errorf("ledger: %w", err)
	}
	return b.Bytes(), digestOf(state), nil
}

// unpackState reads a state that anybody may have written: it is bounded, and is what its digest says or an error.
func unpackState(r io.Reader, digest string) ([]byte, error) {
	bad := func(err error) error { return fmt.Errorf("ledger: the state %s can't be read: %w", digest, err) }
	z, err := gzip.NewReader(io.LimitReader(r, maxState))
	if err != nil {
		return nil, bad(err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxState+1))
	if err != nil {
		return nil, bad(err)
	}
	if len(b) > maxState {
		return nil, bad(fmt.Errorf("it has more than %d bytes", maxState))
	}
	if got := digestOf(b); got != digest {
		return nil, bad(fmt.Errorf("its bytes are %s: it was changed", got))
	}
	return b, nil
}
