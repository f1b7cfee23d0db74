package signed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/bakegate/bakegate/internal/clean"
)

// trust is one trusted root: whose certificates, logs and timestamps are believed.
type trust struct {
	root.TrustedMaterial
	name string // for people
}

// demands are what a root must prove beside the signature itself.
type demands struct {
	sct   bool // a log of certificates promised to list the certificate
	log   bool // the transparency log has the signature
	stamp bool // a timestamping authority tells when it was made
}

// demands says what counts with a root. A certificate lives ten minutes, so that something must tell when it signed: the log, or where
// that is waived, a timestamp. An instance that keeps no logs at all (GitHub's private one) has no log of certificates either.
func (s *signer) demands(t trust) demands {
	if len(s.keys) > 0 {
		return demands{log: !s.ignoreTlog}
	}
	if s.ignoreTlog && len(t.TimestampingAuthorities()) > 0 {
		return demands{sct: len(t.CTLogs()) > 0, stamp: true}
	}
	return demands{sct: true, log: true}
}

// usable says why nothing could ever be good with a root; "" when something could.
func (s *signer) usable(t trust) string {
	d := s.demands(t)
	switch {
	case len(s.keys) > 0 && !d.log: // the root is not asked
	case len(s.keys) == 0 && len(t.FulcioCertificateAuthorities()) == 0:
		return "it names no certificate authority, so that no certificate can be checked"
	case d.log && len(t.RekorLogs()) == 0 && len(s.keys) == 0 && len(t.TimestampingAuthorities()) > 0:
		return "it names no transparency log: set ignore-tlog: true, so that its timestamps count instead (GitHub's private instance)"
	case d.log && len(t.RekorLogs()) == 0:
		return "it names no transparency log"
	case d.sct && len(t.CTLogs()) == 0:
		return "it names no certificate transparency log"
	}
	return ""
}

// rootReader reads or fetches trusted roots, each once for all who need it.
type rootReader struct {
	dir  string
	seen map[string][]trust
}

func newRootReader(dir string) *rootReader { return &rootReader{dir, map[string][]trust{}} }

// of gives the roots that a signer names. A key that signs without the log needs none.
func (r *rootReader) of(ctx context.Context, o Signer) ([]trust, error) {
	id, load := "public", publicRoot
	switch {
	case o.TrustedRoot != "":
		id = "file " + o.TrustedRoot
		load = func(context.Context) ([]trust, error) { return readRoots(inDir(r.dir, o.TrustedRoot)) }
	case o.Keyless == nil && o.IgnoreTlog:
		return []trust{{TrustedMaterial: &root.BaseTrustedMaterial{}, name: "no root"}}, nil
	case o.TUF != nil:
		id = "tuf " + o.TUF.URL + " " + o.TUF.Root
		load = func(ctx context.Context) ([]trust, error) { return privateRoot(ctx, *o.TUF, r.dir) }
	}
	if ts, ok := r.seen[id]; ok {
		return ts, nil
	}
	ts, err := load(ctx)
	if err != nil {
		return nil, err
	}
	r.seen[id] = ts
	return ts, nil
}

// keepUsable drops roots with which nothing could be good, and fails where none is left: that is a mistake in the configuration, which would
// otherwise look like one of the signer.
func (s *signer) keepUsable(ts []trust) error {
	var good []trust
	var why error
	for _, t := range ts {
		if w := s.usable(t); w != "" {
			why = errors.Join(why, fmt.Errorf("%s: %s", t.name, w))
			continue
		}
		good = append(good, t)
	}
	if len(good) == 0 {
		return why
	}
	s.roots = good
	return nil
}

// Bounds of what is read from files: a key has some hundred bytes, a trusted root some ten KiB.
const (
	maxFile  = 4 << 20
	maxRoots = 20
)

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than 4 MiB, which no such file is", path)
	}
	return b, nil
}

func readRoots(path string) ([]trust, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("trusted-root: %w", err)
	}
	rs, err := parseRoots(b)
	if err != nil {
		return nil, fmt.Errorf("trusted-root %s: %w", path, err)
	}
	return rs, nil
}

// parseRoots reads one trusted root, or several behind one another.
func parseRoots(b []byte) ([]trust, error) {
	var out []trust
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var doc json.RawMessage
		err := d.Decode(&doc)
		switch {
		case err == io.EOF && len(out) > 0:
			return out, nil
		case err == io.EOF:
			return nil, errors.New("it is empty, want a trusted_root.json of Sigstore")
		case err != nil:
			return nil, fmt.Errorf("want a trusted_root.json of Sigstore: %s", clean.Cut(err.Error(), 200))
		case len(out) == maxRoots:
			return nil, fmt.Errorf("it holds more than %d trusted roots", maxRoots)
		}
		t, err := parseRoot(doc)
		if err != nil {
			return nil, fmt.Errorf("root %d: want a trusted_root.json of Sigstore: %w", len(out)+1, err)
		}
		t.name = fmt.Sprintf("trusted root %d", len(out)+1)
		out = append(out, t)
	}
}

func parseRoot(doc []byte) (trust, error) {
	var t trust
	err := guarded(func() error {
		r, err := root.NewTrustedRootFromJSON(doc)
		if err != nil {
			return errors.New(clean.Cut(err.Error(), 300))
		}
		t.TrustedMaterial = r
		return nil
	})
	return t, err
}
