package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/bakegate/bakegate/internal/clean"
)

// unpacked are files out of archives, in memory. Nothing is written to the disk, and no link is followed while archives are read.
type unpacked struct {
	bounds  limits
	items   map[string]*unpackedItem
	entries int
	total   int64 // bytes of what was unpacked, whether it is kept or not
	kept    int64 // bytes of what is kept: a sparse file has more than what was unpacked
}

type unpackedItem struct {
	item
	data  []byte
	large int64           // bytes of a file that is too large to be kept
	below map[string]bool // names in a folder
}

func newUnpacked(l limits) *unpacked {
	return &unpacked{bounds: l, items: map[string]*unpackedItem{"": {item: item{kind: itemFolder}, below: map[string]bool{}}}}
}

// archive reads a tar, compressed with gzip or zstd, or not at all. whiteouts says that names which begin with .wh. take files away
// (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
func (u *unpacked) archive(ctx context.Context, data []byte, whiteouts bool) error {
	in, done, err := decompressed(data)
	if err != nil {
		return err
	}
	defer done()
	r := tar.NewReader(&counted{in, u})
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return archiveError(err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if u.entries++; u.entries > u.bounds.entries {
			return fmt.Errorf("the archive has more than %d files", u.bounds.entries)
		}
		if err := u.entry(h, r, whiteouts); err != nil {
			return err
		}
	}
}

// decompressed tells the compression by the first bytes: media types are not to be believed.
func decompressed(data []byte) (in io.Reader, done func(), err error) {
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, nil, archiveError(err)
		}
		return z, func() { _ = z.Close() }, nil
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, archiveError(err)
		}
		return z, z.Close, nil
	}
	return bytes.NewReader(data), func() {}, nil
}

// maxWindow bounds what zstd keeps in memory, in bytes.
const maxWindow = 64 << 20

// archiveError is an archive that can't be read.
func archiveError(err error) error {
	var b *bombError
	if errors.As(err, &b) {
		return b
	}
	return fmt.Errorf("the archive is damaged: %s", clean.Cut(err.Error(), 200))
}

// bombError is an archive that unpacks to more than its bounds.
type bombError struct{ want int64 }

func (e *bombError) Error() string {
	return fmt.Sprintf("the archive unpacks to more than %d bytes: is it an image with programs?", e.want)
}

// counted bounds what is unpacked, whether it is kept or skipped.
type counted struct {
	in io.Reader
	u  *unpacked
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if c.u.total += int64(n); c.u.total > 2*c.u.bounds.total {
		return 0, &bombError{2 * c.u.bounds.total}
	}
	return n, err
}

// entry takes one entry of a tar.
func (u *unpacked) entry(h *tar.Header, in io.Reader, whiteouts bool) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	p, err := inside(h.Name)
	if err != nil || p == "" {
		return err
	}
	if base := path.Base(p); whiteouts && strings.HasPrefix(base, ".wh.") {
		return u.whiteout(parent(p), strings.TrimPrefix(base, ".wh."))
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.put(p, &unpackedItem{item: item{kind: itemFolder}})
	case tar.TypeSymlink:
		return u.put(p, &unpackedItem{item: item{kind: itemLink, target: h.Linkname}})
	case tar.TypeLink:
		return u.hardLink(p, h.Linkname)
	case tar.TypeReg, tar.TypeGNUSparse:
		if h.Size > u.bounds.file {
			return u.put(p, &unpackedItem{item: item{kind: itemFile}, large: h.Size})
		}
		data, err := io.ReadAll(io.LimitReader(in, u.bounds.file))
		if err != nil {
			return archiveError(err)
		}
		return u.keep(p, data)
	}
	return u.put(p, &unpackedItem{item: item{kind: itemOther, why: "a device or a pipe"}})
}

// inside gives the path of an entry, and refuses one that leads out of the archive.
func inside(name string) (string, error) {
	if path.IsAbs(name) || strings.ContainsAny(name, "\x00\\") {
		return "", fmt.Errorf("the archive has the entry %q: want a path below its root", clean.Cut(name, 200))
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("the archive has the entry %q, which leads out of it", clean.Cut(name, 200))
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// file puts a file with a name of its own.
func (u *unpacked) file(name string, data []byte) error {
	p, err := inside(name)
	switch {
	case err != nil:
		return err
	case p == "":
		return fmt.Errorf("its title is %q, want a file's name", clean.Cut(name, 200))
	}
	return u.keep(p, data)
}

// keep puts a file's content.
func (u *unpacked) keep(p string, data []byte) error {
	if u.kept += int64(len(data)); u.kept > u.bounds.total {
		return &bombError{u.bounds.total}
	}
	return u.put(p, &unpackedItem{item: item{kind: itemFile}, data: data})
}

// maxDeep bounds how deep folders are nested in an archive; how deep they are read is bounded again.
const maxDeep = 200

// put adds an item, in place of one that is there. What stands below a link or a file is refused: it would be put somewhere else.
func (u *unpacked) put(p string, it *unpackedItem) error {
	dir := u.items[""]
	parts := strings.Split(p, "/")
	if len(parts) > maxDeep {
		return fmt.Errorf("the archive has folders that are nested deeper than %d", maxDeep)
	}
	at := ""
	for i, part := range parts {
		dir.below[part] = true
		at = path.Join(at, part)
		have := u.items[at]
		switch last := i == len(parts)-1; {
		case last && it.kind == itemFolder && have != nil && have.kind == itemFolder:
		case last:
			u.remove(at)
			dir.below[part] = true
			if it.kind == itemFolder {
				it.below = map[string]bool{}
			}
			u.items[at] = it
		case have == nil:
			have = &unpackedItem{item: item{kind: itemFolder}, below: map[string]bool{}}
			u.items[at], dir = have, have
		case have.kind != itemFolder:
			return fmt.Errorf("the archive has the entry %q, which stands below a link or a file", clean.Cut(p, 200))
		default:
			dir = have
		}
	}
	return nil
}

// remove takes away what stands at a path, with everything below.
func (u *unpacked) remove(p string) {
	it := u.items[p]
	if it == nil {
		return
	}
	for n := range it.below {
		u.remove(path.Join(p, n))
	}
	delete(u.items, p)
	if dir := u.items[parent(p)]; dir != nil {
		delete(dir.below, path.Base(p))
	}
}

// whiteout takes away what layers before have: a name, or all in a folder.
func (u *unpacked) whiteout(dir, name string) error {
	switch name {
	case "", ".", "..":
		return errors.New("the archive has an entry .wh. without a name")
	case ".wh..opq":
		if d := u.items[dir]; d != nil {
			for n := range d.below {
				u.remove(path.Join(dir, n))
			}
		}
	default:
		u.remove(path.Join(dir, name))
	}
	return nil
}

// hardLink is another name of a file that is there already.
func (u *unpacked) hardLink(p, target string) error {
	t, err := inside(target)
	if err != nil {
		return err
	}
	it := u.items[t]
	if it == nil || it.kind == itemFolder {
		return fmt.Errorf("the archive has the entry %q, a link to %q, which is no file in it", clean.Cut(p, 200), clean.Cut(target, 200))
	}
	same := *it
	return u.put(p, &same)
}

func (u *unpacked) lookup(_ context.Context, p string) (item, error) {
	if it := u.items[p]; it != nil {
		return it.item, nil
	}
	return item{}, nil
}

func (u *unpacked) names(_ context.Context, p string) ([]string, error) {
	var names []string
	for n := range u.items[p].below {
		names = append(names, n)
	}
	return names, nil
}

func (u *unpacked) read(_ context.Context, p string, limit int64) ([]byte, error) {
	it := u.items[p]
	if size := max(it.large, int64(len(it.data))); size > limit {
		return nil, &sizeError{size, limit}
	}
	return it.data, nil
}
