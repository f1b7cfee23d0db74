package built

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// want is a value's digest, or what its error says.
type want struct{ name, value, digest, err string }

func (w want) check(t *testing.T, kind string) {
	t.Helper()
	got, err := resolve(kind, w.value)
	if got.Digest != w.digest || (err == nil) != (w.err == "") || err != nil && !strings.Contains(err.Error(), w.err) {
		t.Errorf("%s: got %q, %v; want %q, %q", w.name, got.Digest, err, w.digest, w.err)
	}
	if err == nil && got.Origin == "" {
		t.Errorf("%s: no origin", w.name)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDigestFileOfSeveralImages(t *testing.T) {
	refs := write(t, "refs", "a.io/x:1@"+digestA+"\na.io/y:1@"+digestB+"\n")
	sums := write(t, "digests.txt", digestA[7:]+"  a.io/x:1\n"+digestB[7:]+"  a.io/y:1\n")
	for _, tt := range []want{
		{"repository", refs + "#a.io/x", digestA, ""},
		{"reference", refs + "#a.io/y:1", digestB, ""},
		{"none named", refs, "", "write FILE#NAME with one of: a.io/x:1, a.io/y:1"},
		{"unknown", refs + "#a.io/z", "", `nothing named "a.io/z"; it has: a.io/x:1, a.io/y:1`},
		{"as sha256sum", sums + "#a.io/y", digestB, ""},
	} {
		tt.check(t, "digest-file")
	}
}

func TestGoreleaser(t *testing.T) {
	entry := func(name, kind, digest string) string {
		return fmt.Sprintf(`{"name":%q,"path":%q,"internal_type":10,"type":%q,"extra":{"Digest":%q,"ID":"x"}}`, name, name, kind, digest)
	}
	binary := `{"name":"app","path":"dist/app","goos":"linux","type":"Binary","extra":{"Binary":"app","Checksum":"sha256:` + strings.Repeat("c", 64) + `"}}`
	both := write(t, "artifacts.json", "["+binary+","+entry("a.io/x:1-amd64", "Docker Image", digestA)+","+entry("a.io/x:1", "Docker Manifest", digestB)+"]")
	two := write(t, "artifacts.json", "["+entry("a.io/x:1", "Docker Image", digestA)+","+entry("a.io/y:1", "Docker Image", digestB)+"]")
	for _, tt := range []want{
		{"the list of the platforms is what is deployed", both, digestB, ""},
		{"one platform by name", both + "#a.io/x:1-amd64", digestA, ""},
		{"two images", two, "", "several digests"},
		{"one of two", two + "#a.io/y", digestB, ""},
		{"nothing but binaries", write(t, "artifacts.json", "["+binary+"]"), "", "names no image"},
		{"a digest that is none", write(t, "artifacts.json", "["+entry("a.io/x:1", "Docker Image", "latest")+"]"), "", "want sha256:"},
		{"not JSON", write(t, "artifacts.json", "x"), "", "want goreleaser's list"},
		{"absent", filepath.Join(t.TempDir(), "none"), "", "no such file"},
	} {
		tt.check(t, "goreleaser")
	}
}

func TestGitHubArtifacts(t *testing.T) {
	list := func(subjects string) string {
		return write(t, "list", `{"version":1,"subjects":[`+subjects+`]}`)
	}
	image := `{"name":"ghcr.io/acme/app:v1","digest":"` + digestA + `","kind":"oci"}`
	other := `{"name":"ghcr.io/acme/web","digest":"` + digestB + `","kind":"oci"}`
	file := `{"name":"app.tgz","digest":"` + digestB + `","kind":"file"}`
	for _, tt := range []want{
		{"one", list(image), digestA, ""},
		{"a file is no image", list(file + "," + image), digestA, ""},
		{"only files", list(file), "", "names no image"},
		{"two", list(image + "," + other), "", "write FILE#NAME"},
		{"one of two", list(image+","+other) + "#ghcr.io/acme/web", digestB, ""},
		{"none", list(""), "", "names no image"},
		{"the runner keeps no list", write(t, "list", "\n"), "", "the list is empty"},
		{"another version", write(t, "list", `{"version":2,"subjects":[]}`), "", "version 2, want 1"},
		{"not JSON", write(t, "list", `hello`), "", "want the JSON"},
	} {
		tt.check(t, "github-artifacts")
	}
}

func TestTektonResults(t *testing.T) {
	dir := func(results ...string) string {
		d := t.TempDir()
		for i := 0; i < len(results); i += 2 {
			must(t, os.WriteFile(filepath.Join(d, results[i]), []byte(results[i+1]), 0o600))
		}
		return d
	}
	for _, tt := range []want{
		{"IMAGE_URL and IMAGE_DIGEST", dir("IMAGE_URL", "a.io/x\n", "IMAGE_DIGEST", digestA+"\n", "commit", "abc"), digestA, ""},
		{"a digest alone", dir("IMAGE_DIGEST", digestA), digestA, ""},
		{"pairs", dir("app-IMAGE_URL", "a.io/x", "app-IMAGE_DIGEST", digestA, "web_IMAGE_URL", "a.io/y", "web_IMAGE_DIGEST", digestB) + "#a.io/y", digestB, ""},
		{"pairs, none named", dir("app-IMAGE_URL", "a.io/x", "app-IMAGE_DIGEST", digestA, "web_IMAGE_URL", "a.io/y", "web_IMAGE_DIGEST", digestB), "", "several digests"},
		{"IMAGES", dir("IMAGES", "a.io/x:1@"+digestA+", a.io/y@"+digestB+"\n") + "#a.io/x", digestA, ""},
		{"ARTIFACT_URI", dir("app-ARTIFACT_URI", "a.io/x", "app-ARTIFACT_DIGEST", digestA), digestA, ""},
		{"ARTIFACT_OUTPUTS", dir("app-ARTIFACT_OUTPUTS", `{"uri":"a.io/x","digest":"`+digestA+`"}`), digestA, ""},
		{"ARTIFACT_OUTPUTS, malformed", dir("app-ARTIFACT_OUTPUTS", `[]`), "", "want {"},
		{"no digest", dir("IMAGE_URL", "a.io/x"), "", "names no image"},
		{"no digest in it", dir("IMAGE_DIGEST", "a.io/x:1"), "", "a tag can move"},
		{"no folder", filepath.Join(t.TempDir(), "none"), "", "no such file"},
		{"a file", write(t, "results", ""), "", "want a folder"},
	} {
		tt.check(t, "tekton-results")
	}
}

func TestProvenance(t *testing.T) {
	subject := func(name, digest string) string {
		return fmt.Sprintf(`{"name":%q,"digest":{"sha256":%q}}`, name, digest[7:])
	}
	statement := func(subjects ...string) string {
		return `{"_type":"https://in-toto.io/Statement/v1","subject":[` + strings.Join(subjects, ",") + `],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`
	}
	dsse := func(payload string) string {
		return `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `","signatures":[{"sig":"AAAA"}]}`
	}
	one, other := statement(subject("a.io/x", digestA)), statement(subject("a.io/y", digestB))
	for _, tt := range []want{
		{"a statement", write(t, "p", one), digestA, ""},
		{"an envelope", write(t, "p", dsse(one)), digestA, ""},
		{"a bundle", write(t, "p", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":`+dsse(one)+`}`), digestA, ""},
		{"lines, the same image", write(t, "p", dsse(one)+"\n"+dsse(one)+"\n"), digestA, ""},
		{"lines, two images", write(t, "p", dsse(one)+"\n"+dsse(other)+"\n"), "", "several digests"},
		{"one of two subjects", write(t, "p", statement(subject("a.io/x", digestA), subject("a.io/y", digestB))) + "#a.io/y", digestB, ""},
		{"no subject", write(t, "p", statement()), "", "no subject"},
		{"a subject of another algorithm", write(t, "p", statement(`{"name":"x","digest":{"sha512":"aa"}}`)), "", "no sha256 digest"},
		{"upper case", write(t, "p", statement(subject("x", "sha256:"+strings.Repeat("A", 64)))), "", "lower case"},
		{"an envelope in an envelope", write(t, "p", dsse(dsse(one))), "", "no subject"},
		{"rubbish behind it", write(t, "p", one+"x"), "", "want an in-toto statement"},
		{"empty", write(t, "p", ""), "", "want an in-toto statement"},
		{"an array", write(t, "p", "["+one+"]"), "", "want an in-toto statement"},
		{"a flood", write(t, "p", statement(strings.TrimSuffix(strings.Repeat(subject("x", digestA)+",", maxNamed+1), ","))), "", "more than 1024"},
	} {
		tt.check(t, "provenance")
	}
}

// Whatever a file holds: what comes out is a digest or an error.
func FuzzLists(f *testing.F) {
	f.Add([]byte(`{"subject":[{"name":"x","digest":{"sha256":"`+digestA[7:]+`"}}]}`), "x")
	f.Add([]byte(`{"version":1,"subjects":[{"name":"x","digest":"`+digestA+`","kind":"oci"}]}`), "")
	f.Add([]byte(`[{"name":"x","type":"Docker Image","extra":{"Digest":"`+digestA+`"}}]`), "")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		for what, parse := range map[string]func() (Digest, error){
			"goreleaser": func() (Digest, error) { return parseGoreleaser(b, name) },
			"github":     func() (Digest, error) { return parseGitHubArtifacts(b, name) },
			"provenance": func() (Digest, error) {
				list, err := parseProvenance(b)
				if err != nil {
					return Digest{}, err
				}
				return pick(list, name)
			},
			"tekton": func() (Digest, error) {
				list, err := parseTekton(map[string]string{"IMAGES": string(b), "a-ARTIFACT_OUTPUTS": name})
				if err != nil {
					return Digest{}, err
				}
				return pick(list, "")
			},
		} {
			if d, err := parse(); err == nil && !isDigest(d.Digest) {
				t.Errorf("%s accepted %q", what, d.Digest)
			}
		}
	})
}
