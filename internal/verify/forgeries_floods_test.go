package verify

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// endless sends a body in chunks until the reader leaves.
func endless(path, chunk string, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	block := []byte(strings.Repeat(chunk, 1+32<<10/len(chunk)))
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead || !matches(path, r) {
			return false
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				break
			}
		}
		return true
	}
}

// sized promises and sends n bytes.
func sized(path string, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !matches(path, r) {
			return false
		}
		w.Header().Set("Content-Type", ociManifest)
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = io.CopyN(w, spaces{}, int64(n)) // the reader leaves early
		return true
	}
}

// spaces reads as blanks without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// millionOf is a manifest with a list of more than a million.
func millionOf(key, value string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q},%q:[%s%s]}`, digestA, key, strings.Repeat(value+",", 1300<<10), value)
}

// fatIndex is an index of as many images as it may hold, each with a manifest of this size, full of annotations. Their config is not there.
func fatIndex(s *scene, size int) {
	var many strings.Builder
	for n := 0; many.Len() < size-1000; n++ {
		fmt.Fprintf(&many, `,"io.acme.%d":"%s"`, n, strings.Repeat("x", 80))
	}
	doc := func(i int) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q},"layers":[],"annotations":{"n":"%d"%s}}`, ociManifest, digestA, i, many.String())
	}
	numbers := map[string]int{}
	var entries []map[string]any
	for i := range maxImages {
		d := registry.Digest([]byte(doc(i)))
		numbers[d] = i
		entries = append(entries, entry(d, fmt.Sprintf("linux/p%d", i)))
	}
	i := indexOf(entries...)
	s.want(":v1", registry.Digest(i.Bytes))
	top := answer("/manifests/v1$", string(i.Bytes), "Content-Type", ociIndex)
	s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
		_, id, _ := strings.Cut(r.URL.Path, "/manifests/")
		if n, ok := numbers[id]; ok {
			_, _ = io.WriteString(w, doc(n)) // the reader may leave early
			return true
		}
		return top(w, r)
	}
}

func entriesOf(n int) json.RawMessage {
	return json.RawMessage("[" + strings.TrimSuffix(strings.Repeat(`{"logIndex":"1"},`, n), ",") + "]")
}

// bomb is 160 MiB of blanks, packed into less than 1 MiB.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is a good one, and a buffer takes everything
	_, _ = io.CopyN(z, spaces{}, 160<<20)
	_ = z.Close()
	return b.Bytes()
})

// crowd is what referrers serves: made once, because it is large.
type crowd struct {
	bundle []byte
	docs   map[string][]byte
	list   string
}

// crowdOf makes n bundles by a stranger about the image of every scene.
func crowdOf(t testing.TB, n int, subject string) crowd {
	t.Helper()
	const kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
	c := crowd{bundle: forge.NewKey(t).Bundle(t, forge.Statement(subject, forge.SignType)), docs: map[string][]byte{}}
	var list strings.Builder
	for i := range n {
		b := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"annotations":{"n":"%d"},"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},`+
			`"layers":[{"mediaType":%q,"digest":%q,"size":%d}],"subject":{"mediaType":%q,"digest":%q,"size":1}}`,
			ociManifest, kind, i, registry.Digest([]byte("{}")), kind, registry.Digest(c.bundle), len(c.bundle), ociManifest, subject)
		d := registry.Digest(b)
		c.docs[d] = b
		fmt.Fprintf(&list, `{"mediaType":%q,"artifactType":%q,"digest":%q,"size":%d},`, ociManifest, kind, d, len(b))
	}
	c.list = fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndex, strings.TrimSuffix(list.String(), ","))
	return c
}

var (
	crowds  = map[int]crowd{}
	crowdMu sync.Mutex
)

// referrers lists n bundles by a stranger, and has every one.
func referrers(s *scene, n int) func(http.ResponseWriter, *http.Request) bool {
	crowdMu.Lock()
	c, ok := crowds[n]
	if !ok {
		c = crowdOf(s.t, n, s.good.digest)
		crowds[n] = c
	}
	crowdMu.Unlock()
	forge.Blob(s.t, s.Registry, c.bundle, "application/vnd.dev.sigstore.bundle.v0.3+json")
	list := answer("/referrers/", c.list, "Content-Type", ociIndex)
	return func(w http.ResponseWriter, r *http.Request) bool {
		_, id, _ := strings.Cut(r.URL.Path, "/manifests/")
		if b, ok := c.docs[id]; ok {
			w.Header().Set("Content-Type", ociManifest)
			_, _ = w.Write(b)
			return true
		}
		return list(w, r)
	}
}
