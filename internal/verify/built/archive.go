package built

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

const (
	maxEntries = 100_000
	maxArchive = 64 << 30 // of a compressed archive, unpacked: it is streamed, so that only time is lost
)

// fromArchive reads a file of docker save. Its layers are not as they are in a registry, so that no manifest digest can be computed:
// only the config's digest can be compared.
func fromArchive(file string) (Digest, error) {
	d, err := readArchive(file)
	if err != nil {
		return Digest{}, fmt.Errorf("docker-archive %s: %w", file, err)
	}
	d.Origin = "docker archive " + clean.Cut(filepath.Base(file), 100) + " (its config digest: an archive holds no manifest digest)"
	return d, nil
}

func readArchive(file string) (Digest, error) {
	b, err := entry(file, "manifest.json")
	if err != nil {
		return Digest{}, err
	}
	name, err := archiveConfig(b)
	if err != nil {
		return Digest{}, err
	}
	cfg, err := entry(file, name)
	if err != nil {
		return Digest{}, err
	}
	var c artifact.Config
	if err := json.Unmarshal(cfg, &c); err != nil {
		return Digest{}, fmt.Errorf("%s is no image config: %w", clean.Cut(name, 120), err)
	}
	digest := registry.Digest(cfg)
	return Digest{Digest: digest, Kind: OfConfig, Configs: map[string]string{c.PlatformName(): digest}}, nil
}

// archiveConfig is the name of the config of the one image in an archive.
func archiveConfig(b []byte) (string, error) {
	var images []struct {
		Config   string
		RepoTags []string
	}
	if err := json.Unmarshal(b, &images); err != nil {
		return "", fmt.Errorf("manifest.json: %w", err)
	}
	if len(images) != 1 {
		return "", fmt.Errorf("it holds %d images, want one: save each into a file of its own", len(images))
	}
	if images[0].Config == "" {
		return "", errors.New("manifest.json names no Config")
	}
	return images[0].Config, nil
}

// entry reads one small file of an archive.
func entry(file, name string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.New("want a regular file, made by docker save")
	}
	r, err := unpacked(f)
	if err != nil {
		return nil, err
	}
	return find(tar.NewReader(r), name)
}

// unpacked reads through gzip where there is some. A plain file stays a file, in which tar can jump over layers.
func unpacked(f *os.File) (io.Reader, error) {
	magic, err := bufio.NewReaderSize(f, 16).Peek(2)
	if _, seek := f.Seek(0, io.SeekStart); seek != nil {
		return nil, seek
	}
	if err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.LimitReader(z, maxArchive), nil
}

func find(t *tar.Reader, name string) ([]byte, error) {
	for range maxEntries {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it holds no %s: this is no file of docker save", clean.Cut(name, 120))
		}
		if err != nil {
			return nil, fmt.Errorf("want a tar file of docker save: %w", err)
		}
		if path.Clean(h.Name) != path.Clean(name) || h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxBuilt {
			return nil, fmt.Errorf("its %s is larger than 4 MiB", clean.Cut(name, 120))
		}
		return io.ReadAll(io.LimitReader(t, maxBuilt))
	}
	return nil, fmt.Errorf("it has more than %d entries", maxEntries)
}
