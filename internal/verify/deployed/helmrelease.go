package deployed

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRelease bounds a release once it is unpacked. Helm keeps the chart with it; a Secret holds at most 1 MiB.
const maxRelease = 64 << 20

// release is the part of a release of Helm that is read. Values and chart, which may hold secrets, are not.
// https://github.com/helm/helm/blob/main/pkg/release/v1/release.go
type release struct {
	Name     string
	Version  int
	Info     struct{ Status string }
	Manifest string
	Hooks    []hook
}

// hook is an object that Helm makes at a certain time of an upgrade.
type hook struct {
	Name     string
	Manifest string
	Events   []string
}

// test says that a hook only runs when it is asked for.
func (h hook) test() bool {
	for _, e := range h.Events {
		if e != "test" && e != "test-success" && e != "test-failure" {
			return false
		}
	}
	return len(h.Events) > 0
}

// decodeRelease reads what Helm writes into a Secret: JSON, packed with gzip, in base64. Helm before 2.7 did not pack it. What it holds is
// never said in an error.
func decodeRelease(data []byte) (*release, error) {
	if len(data) == 0 {
		return nil, errors.New("it has no key release: is it one of Helm 3 or later?")
	}
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(packed, data)
	if err != nil {
		return nil, errors.New("its release is no base64")
	}
	packed = packed[:n]
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		if packed, err = unpack(packed); err != nil {
			return nil, err
		}
	}
	var r release
	if json.Unmarshal(packed, &r) != nil {
		return nil, errors.New("its release is no JSON of Helm's")
	}
	return &r, nil
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errors.New("its release is no gzip")
	}
	b, err := io.ReadAll(io.LimitReader(z, maxRelease+1))
	switch {
	case len(b) > maxRelease:
		return nil, fmt.Errorf("its release has more than %d MiB when it is unpacked", maxRelease>>20)
	case err != nil:
		return nil, errors.New("its release is cut off, or no gzip")
	}
	return b, nil
}
