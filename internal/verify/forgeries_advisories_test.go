package verify

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// What has gone wrong in verifiers before. Each is named by its advisory, of which it plays the class: the libraries in use may have their
// own mistake mended, ours would look the same.
func TestAdvisories(t *testing.T) {
	sg, stranger := forge.NewSigstore(t), forge.NewSigstore(t)
	for _, c := range slices.Concat(logAdvisories(sg, stranger), contentAdvisories(), sizeAdvisories(sg), rootAdvisories(sg, stranger), networkAdvisories(sg)) {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func logAdvisories(sg, stranger *forge.Sigstore) []forgery {
	logOf := func(other *forge.Sigstore, change func(text string, s *scene) string) func(*scene) forge.Layer {
		return func(s *scene) forge.Layer {
			l := sg.Layer(s.t, s.claim(), forge.Signing{})
			if other != nil {
				l.Annotations[annLog] = other.Layer(s.t, s.claim(), forge.Signing{}).Annotations[annLog]
			}
			l.Annotations[annLog] = change(l.Annotations[annLog], s)
			return l
		}
	}
	as := func(text string, _ *scene) string { return text }
	noPromise := func(s *scene) []byte {
		return forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
			b.VerificationMaterial.TlogEntries[0].InclusionPromise = nil
			b.VerificationMaterial.TlogEntries[0].InclusionProof = nil
		})
	}
	lying := func(s *scene) []byte {
		return forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
			b.VerificationMaterial.TlogEntries = strangersEntries(s, stranger)
		})
	}
	wish := func(s *scene) { s.keyless(sg) }
	return []forgery{
		{name: "CVE-2022-36056, CVE-2026-22703: a log entry that is not bound to the artifact", steps: otherEntries(sg)},
		{name: "CVE-2026-22703: a log entry of another signer", steps: both("entry", wish, logOf(stranger, as), lying, badSignature, "transparency log|belongs to another")},
		{name: "GHSA-ccxc-vr6p-4858: the log's entry is claimed, not proved", steps: append(
			both("no proof", wish, logOf(nil, func(text string, s *scene) string { return changeJSON(s.t, text, "", "SignedEntryTimestamp") }), noPromise, badSignature, "refused"),
			step{name: "promise of other bytes", want: badSignature, says: "refused", set: func(s *scene) {
				wish(s)
				s.tagged(logOf(nil, func(text string, s *scene) string { return changeJSON(s.t, text, 99, "Payload", "logIndex") })(s))
			}},
			step{name: "no entry", want: badSignature, says: "no proof of the transparency log", set: func(s *scene) {
				wish(s)
				s.tagged(sg.Layer(s.t, s.claim(), forge.Signing{NotLogged: true}))
			}},
			step{name: "no entry, bundle", want: badSignature, says: "transparency log", set: func(s *scene) {
				wish(s)
				s.bundled(sg.Bundle(s.t, s.statement(), forge.Signing{NotLogged: true}))
			}})},
		{name: "CVE-2026-49834: one log counted twice", steps: []step{{name: "twice", want: badSignature, says: "one log entry twice", set: func(s *scene) {
			wish(s)
			s.bundled(forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
				b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, b.VerificationMaterial.TlogEntries[0])
			}))
		}}}},
		{name: "CVE-2026-23831: a log entry of nothing", steps: entriesOfNothing(sg)},
		{name: "CVE-2026-44310: a crash is no success", steps: []step{{name: "a number for the body", want: badSignature, says: "its log entry is malformed", set: func(s *scene) {
			wish(s)
			s.tagged(logOf(nil, func(text string, s *scene) string { return changeJSON(s.t, text, 123, "Payload", "body") })(s))
		}}}},
	}
}

func strangersEntries(s *scene, stranger *forge.Sigstore) (out []*protorekor.TransparencyLogEntry) {
	forge.Change(s.t, stranger.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) { out = b.VerificationMaterial.TlogEntries })
	return out
}

// entriesOfNothing are bodies in which what every reader expects is null or missing.
func entriesOfNothing(sg *forge.Sigstore) []step {
	var out []step
	for i, body := range []string{`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":null}`, `{"apiVersion":"0.0.1","kind":"cose","spec":{}}`, `{"apiVersion":"0.0.1","kind":"dsse","spec":{"signatures":null}}`,
		`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":null,"signature":{"publicKey":null}}}`, `{"apiVersion":"0.0.1","kind":"intoto","spec":{"content":{"envelope":null}}}`, `null`} {
		out = append(out, step{name: fmt.Sprintf("tag, %d", i), inside: i > 0, want: badSignature, says: "refused", set: func(s *scene) {
			s.keyless(sg)
			l := sg.Layer(s.t, s.claim(), forge.Signing{})
			l.Annotations[annLog] = changeJSON(s.t, l.Annotations[annLog], base64.StdEncoding.EncodeToString([]byte(body)), "Payload", "body")
			s.tagged(l)
		}}, step{name: fmt.Sprintf("bundle, %d", i), inside: i > 0, want: badSignature, says: "refused", set: func(s *scene) {
			s.keyless(sg)
			s.bundled(forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
				b.VerificationMaterial.TlogEntries[0].CanonicalizedBody = []byte(body)
			}))
		}})
	}
	return out
}

// contentAdvisories are about what was signed: rightly, by the right key.
func contentAdvisories() []forgery {
	ask := func(s *scene) { s.attest() }
	raw := func(text string) func(*scene) []byte {
		return func(s *scene) []byte { return []byte(strings.ReplaceAll(text, "SHA256", s.good.digest[7:])) }
	}
	statement := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"SHA256"}}],"predicateType":"` + slsaType + `","predicate":{}}`
	return []forgery{
		{name: "CVE-2022-35929: another predicate type than asked for", steps: attestedAs("type", ask, func(s *scene) []byte { return forge.Statement(s.good.digest, spdxType) }, badAttestation, spdxType)},
		{name: "CVE-2026-39395: a payload that can't be read is no success", steps: join(
			attestedAs("honest", ask, raw(statement), attestedPasses, ""),
			attestedAs("broken off", ask, raw(statement[:len(statement)-1]), badAttestation, "it holds no statement"),
			attestedAs("two documents", ask, raw(statement+statement), badAttestation, "it holds no statement"),
			attestedAs("not JSON", ask, raw("SHA256"), badAttestation, "it holds no statement"),
			attestedAs("null", ask, raw("null"), badAttestation, "refused"),
			attestedAs("a list", ask, raw("["+statement+"]"), badAttestation, "it holds no statement"),
			byKey("a signature", func(s *scene) forge.Layer { return s.key.Layer(s.t, s.claim()[1:]) }, func(s *scene) []byte { return s.key.Bundle(s.t, s.statement()[1:]) }, badSignature, "refused"),
			byKey("a signature of null", func(s *scene) forge.Layer { return s.key.Layer(s.t, []byte("null")) }, func(s *scene) []byte { return s.key.Bundle(s.t, []byte("null")) }, badSignature, "refused"))},
		{name: "GHSA-fx35-mq7g-6g98: the key comes with the bundle", steps: []step{{name: "hint", want: badSignature, says: "it was not made with the key", set: func(s *scene) {
			s.sign()
			k := forge.NewKey(s.t)
			b := changeJSON(s.t, string(k.Bundle(s.t, s.statement())), string(forge.PEM(s.t, k.Private.Public())), "verificationMaterial", "publicKey", "hint")
			s.bundled([]byte(b))
		}}, {name: "a field for it", want: badSignature, says: "refused", set: func(s *scene) {
			s.sign()
			k := forge.NewKey(s.t)
			b := changeJSON(s.t, string(k.Bundle(s.t, s.statement())), base64.StdEncoding.EncodeToString(forge.DER(s.t, k.Private.Public())), "verificationMaterial", "publicKey", "rawBytes")
			s.bundled([]byte(b))
		}}}},
	}
}

// sizeAdvisories are about too much of everything; bounds_test.go measures what it costs.
func sizeAdvisories(sg *forge.Sigstore) []forgery {
	return []forgery{
		{name: "CVE-2023-46737: attestations without end", steps: []step{{name: "10,000", want: "verify/digest pass; verify/attestation unknown", says: "were not read", set: func(s *scene) {
			s.attest()
			s.Evil = referrers(s, 10000)
		}}}},
		{name: "CVE-2024-29902: a huge attachment", steps: []step{
			{name: "payload", want: badSignature, says: "larger than", set: func(s *scene) { s.sign(); s.tagged(s.key.Layer(s.t, []byte(strings.Repeat(" ", 1<<20)))) }},
			{name: "envelope", want: badAttestation, says: "larger than", set: func(s *scene) {
				s.attest()
				l := s.key.Envelope(s.t, forge.Attest(s.good.digest, slsaType, `"`+strings.Repeat("x", 20<<20)+`"`))
				forge.AttestTag(s.t, s.Registry, s.good.digest, l)
			}},
		}},
		{name: "CVE-2024-29903: memory by a number that the attacker writes", steps: []step{{name: "sizes", want: signedPasses, set: func(s *scene) {
			s.sign()
			l := s.key.Layer(s.t, s.claim())
			layer := forge.Blob(s.t, s.Registry, l.Payload, "application/vnd.dev.cosign.simplesigning.v1+json")
			layer["annotations"], layer["size"] = l.Annotations, int64(1)<<60
			tag := answer(`\.sig$`, compact(map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "layers": []any{layer},
				"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestA, "size": int64(1) << 60}}), "Content-Type", ociManifest)
			s.Evil = tag
		}}}},
		{name: "CVE-2024-45395: data without end in a bundle", steps: []step{
			{name: "log entries", want: badSignature, says: "refused", set: func(s *scene) {
				s.keyless(sg)
				s.bundled([]byte(changeJSON(s.t, string(sg.Bundle(s.t, s.statement(), forge.Signing{})), entriesOf(20000), "verificationMaterial", "tlogEntries")))
			}},
			{name: "signatures", want: badSignature, says: "exactly one signature", set: func(s *scene) {
				s.sign()
				s.bundled(forge.Change(s.t, s.key.Bundle(s.t, s.statement()), func(b *protobundle.Bundle) {
					e := b.GetDsseEnvelope()
					for range 5000 {
						e.Signatures = append(e.Signatures, e.Signatures[0])
					}
				}))
			}},
			{name: "subjects", want: badSignature, says: "1024", set: func(s *scene) {
				s.sign()
				s.bundled(s.key.Bundle(s.t, about(`"subject":[`+strings.Repeat(`{"digest":{"sha256":"SHA256"}},`, 5000)+`{"digest":{"sha256":"SHA256"}}],`, forge.SignType)(s)))
			}},
		}},
	}
}

func rootAdvisories(sg, stranger *forge.Sigstore) []forgery {
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	expired := func(part string) func(*scene) {
		return func(s *scene) {
			text := changeJSON(s.t, string(sg.Root(s.t)), past, part, 0, "publicKey", "validFor", "end")
			path := filepath.Join(s.t.TempDir(), "trusted_root.json")
			must(s.t, os.WriteFile(path, []byte(text), 0o600))
			s.trusts(path)
		}
	}
	tag := func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), forge.Signing{}) }
	bundle := func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), forge.Signing{}) }
	return []forgery{
		{name: "CVE-2026-54787: an expired key", steps: join(
			both("of the transparency log", expired("tlogs"), tag, bundle, badSignature, "transparency log"),
			both("of the log of certificates", expired("ctlogs"), tag, bundle, badSignature, "no certificate transparency log"))},
		{name: "CVE-2026-23992: a TUF threshold of 0", steps: []step{{name: "targets signed by nobody", want: "mistake", says: "insufficient threshold (0)", set: func(s *scene) {
			r := forge.NewTUF(s.t, stranger.Root(s.t))
			for _, role := range []string{metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
				r.Root.Signed.Roles[role].Threshold = 0
			}
			s.tuf(r.Serve(s.t), r.Anchor(s.t))
		}}}},
		{name: "CVE-2026-24686, CVE-2026-24137: a TUF role that leads out of the cache", test: func(t *testing.T) { nothingWritten(t, sg) }},
	}
}

// nothingWritten verifies by a TUF repository whose role is called as a path, and looks for what was left on the disk.
func nothingWritten(t *testing.T, sg *forge.Sigstore) {
	for _, role := range []string{"../../../evil", "/tmp/evil", "..%2f..%2fevil", "a/../../evil"} {
		s := newScene(t)
		r := forge.NewTUF(t, sg.Root(t))
		r.Delegate(t, role)
		s.tuf(r.Serve(t), r.Anchor(t))
		s.tagged(sg.Layer(t, s.claim(), forge.Signing{}))
		cmd := command(t, s.config())
		b := runBinary(t, cmd)
		if b.code != 0 && b.code != 1 {
			t.Errorf("%s: exit %d\n%s", role, b.code, b.text)
		}
		must(t, filepath.WalkDir(filepath.Dir(cmd.Dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (strings.Contains(path, "evil") || strings.HasSuffix(path, "targets.json") || strings.HasSuffix(path, "timestamp.json")) {
				t.Errorf("%s was written for the role %s", path, role)
			}
			return err
		}))
	}
}

func networkAdvisories(sg *forge.Sigstore) []forgery {
	return []forgery{
		{name: "CVE-2026-24117: a log entry that names the address of a key", test: func(t *testing.T) { keyAddress(t, sg) }},
		{name: "the tag moves while its signature is looked for", steps: []step{{name: "to an image that is signed", inside: true, want: badSignature, says: "has no signature", set: func(s *scene) {
			s.sign()
			other := s.push(":v2", fake.Image(s.t, "two", "linux/amd64"))
			forge.SignTag(s.t, s.Registry, other.digest, s.key.Layer(s.t, forge.Claim(s.Ref(""), other.digest)))
			s.Evil = onGet("/manifests/v1$", func(n int) bool { return n > 1 }, string(other.raw))
		}}}},
		{name: "go-containerregistry#2293: a layer that is elsewhere", test: foreignLayer},
	}
}

// listener notes that somebody came.
func listener(t *testing.T) (url string, came *atomic.Bool) {
	t.Helper()
	came = &atomic.Bool{}
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Store(true) }))
	t.Cleanup(s.Close)
	return s.URL, came
}

// keyAddress is an entry of a kind whose reader would fetch the key, or the data, from an address in it.
func keyAddress(t *testing.T, sg *forge.Sigstore) {
	url, came := listener(t)
	for _, kind := range []string{"rekord", "rpm", "alpine", "helm", "tuf", "jar"} {
		body := compact(map[string]any{"apiVersion": "0.0.1", "kind": kind, "spec": map[string]any{"publicKey": map[string]any{"url": url + "/key"},
			"data": map[string]any{"url": url + "/data"}, "package": map[string]any{"url": url + "/package"}, "archive": map[string]any{"url": url + "/archive"},
			"metadata": map[string]any{"url": url + "/metadata"}, "root": map[string]any{"url": url + "/root"}, "chart": map[string]any{"provenance": map[string]any{"url": url}},
			"signature": map[string]any{"format": "x509", "url": url + "/signature", "publicKey": map[string]any{"url": url + "/key"}}}})
		s := newScene(t)
		s.keyless(sg)
		l := sg.Layer(t, s.claim(), forge.Signing{})
		l.Annotations[annLog] = changeJSON(t, l.Annotations[annLog], base64.StdEncoding.EncodeToString([]byte(body)), "Payload", "body")
		s.tagged(l)
		s.bundled(forge.Change(t, sg.Bundle(t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
			b.VerificationMaterial.TlogEntries[0].CanonicalizedBody = []byte(body)
			b.VerificationMaterial.TlogEntries[0].KindVersion.Kind = kind
		}))
		r, err := s.run()
		if got := outcome(r, err); got != badSignature {
			t.Errorf("%s: got %s %v\n%s", kind, got, err, dump(r.Findings))
		}
	}
	if came.Load() {
		t.Error("the address in a log entry was asked")
	}
}

// foreignLayer is a layer that the registry does not have, with an address to get it from.
func foreignLayer(t *testing.T) {
	url, came := listener(t)
	for mediaType, want := range map[string]string{
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    passes, // licensed parts of Windows are kept out of registries by right
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": passes,
		"application/vnd.oci.image.layer.v1.tar+gzip":                  "verify/digest pass; verify/complete fail missing-image",
	} {
		s := newScene(t)
		raw := s.edited(s.good.raw, func(m map[string]any) {
			m["layers"] = append(m["layers"].([]any), map[string]any{"mediaType": mediaType, "digest": digestA, "size": 7, "urls": []string{url + "/layer", "http://169.254.169.254/latest"}})
		})
		s.Evil = answer("/manifests/v1$", string(raw.Bytes), "Content-Type", ociManifest)
		s.want(":v1", registry.Digest(raw.Bytes))
		r, err := s.run()
		if got := outcome(r, err); got != want {
			t.Errorf("%s: got %s %v, want %s\n%s", mediaType, got, err, want, dump(r.Findings))
		}
	}
	if came.Load() {
		t.Error("the address of a layer was asked")
	}
}
