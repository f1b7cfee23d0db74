package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// directoryOptions is written `directory: PATH`.
type directoryOptions struct{ path string }

func (o *directoryOptions) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("the ledger's directory is empty")
	}
	o.path = string(b)
	return nil
}

func buildDirectory(decode func(any) error) (Opener, error) {
	var o directoryOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	return func(e Env) (Store, error) {
		if !filepath.IsAbs(o.path) {
			o.path = filepath.Join(e.Dir, o.path)
		}
		return Directory(o.path), nil
	}, nil
}

// Directory is a ledger in a directory: SERVICE/ENVIRONMENT/TIME-DEPLOYID-KIND.json. It is as durable as its disk.
func Directory(path string) Store { return directory{path} }

type directory struct{ path string }

func (d directory) String() string { return "directory " + d.path }

func (d directory) Put(_ context.Context, r Record) error {
	dir := filepath.Join(d.path, fileName(r.Release.Service), fileName(r.Release.Environment))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	name := fmt.Sprintf("%d-%s-%s.json", r.At.UnixMilli(), fileName(r.DeployID), r.Kind)
	return writeWhole(filepath.Join(dir, name), append(b, '\n'))
}

// statesDir is where a directory keeps states, as DIGEST.json.gz. No service's folder has a name that begins with a dot.
const statesDir = ".states"

func (d directory) PutState(_ context.Context, state []byte) (string, error) {
	dir := filepath.Join(d.path, statesDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	packed, digest, err := packState(state)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, stateName(digest)+".json.gz")
	if _, err := os.Stat(path); err == nil { // by its digest it is the same
		return digest, nil
	}
	return digest, writeWhole(path, packed)
}

func (d directory) State(_ context.Context, digest string) ([]byte, error) {
	if err := checkState(digest); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(d.path, statesDir, stateName(digest)+".json.gz"))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close()
	return unpackState(f, digest)
}

// writeWhole writes a file such that it is there with all its bytes or not at all.
func writeWhole(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".record-*")
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, werr := tmp.Write(b)
	if err := errors.Join(werr, tmp.Sync(), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

func (d directory) List(ctx context.Context, service, environment string) ([]Record, error) {
	root := d.path
	if service != "" {
		root = filepath.Join(root, fileName(service))
		if environment != "" {
			root = filepath.Join(root, fileName(environment))
		}
	}
	var rs []Record
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if e.IsDir() && e.Name() == statesDir {
			return fs.SkipDir
		}
		if !e.Type().IsRegular() || !strings.HasSuffix(path, ".json") || strings.HasPrefix(e.Name(), ".") {
			return nil
		}
		r, err := readRecord(path)
		if err == nil && (service == "" || r.Release.Service == service) && (environment == "" || r.Release.Environment == environment) {
			rs = append(rs, r)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was written yet
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return byTime(rs), nil
}

func readRecord(path string) (Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return Record{}, err
	}
	if len(b) > maxRecord {
		return Record{}, fmt.Errorf("%s: larger than %d bytes: this is not a record", path, maxRecord)
	}
	r, err := decodeRecord(b)
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// fileName turns any name into one path element that cannot leave its directory.
func fileName(s string) string {
	s = url.PathEscape(s)
	if len(s) > 100 {
		h := sha256.Sum256([]byte(s))
		s = s[:80] + "." + hex.EncodeToString(h[:8])
	}
	if s == "" {
		return "_"
	}
	if strings.HasPrefix(s, ".") {
		s = "%2E" + s[1:]
	}
	return s
}
