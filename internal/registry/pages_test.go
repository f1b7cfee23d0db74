package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/registry"
)

// A list of referrers in pages is read to its end or to the limit; the next page is asked for where the list is, wherever the link leads.
func TestPagesOfReferrers(t *testing.T) {
	total, asked := 0, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		asked++
		var entries []string
		for i := from; i < min(from+50, total); i++ {
			entries = append(entries, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%064x","size":1}`, i))
		}
		if from+50 < total {
			w.Header().Set("Link", fmt.Sprintf(`<https://evil.example/first>; rel="prev", <https://evil.example%s?from=%d>; rel="next"`, r.URL.Path, from+50))
		}
		fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}`, strings.Join(entries, ","))
	}))
	defer s.Close()
	repo, err := name.NewRepository(strings.TrimPrefix(s.URL, "http://") + "/acme/app")
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, tt := range []struct {
		total, limit, want int
		more               bool
		asked              int
	}{{0, 100, 0, false, 1}, {50, 100, 50, false, 1}, {80, 100, 80, false, 2}, {100, 100, 100, false, 2}, {101, 100, 100, true, 2}, {1 << 30, 100, 100, true, 2}, {1 << 30, 5000, 500, true, 10}} {
		total, asked = tt.total, 0
		c := registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond})
		ds, more, err := c.Referrers(t.Context(), repo, digest, tt.limit)
		if err != nil || len(ds) != tt.want || more != tt.more || asked != tt.asked {
			t.Errorf("%d in all, limit %d: got %d, more %t, %d requests, %v; want %d, %t, %d", tt.total, tt.limit, len(ds), more, asked, err, tt.want, tt.more, tt.asked)
		}
	}
}
