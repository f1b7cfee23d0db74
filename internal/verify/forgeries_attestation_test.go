package verify

import (
	"fmt"
	"net/http"
	"strings"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/bakegate/bakegate/internal/verify/signed"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const (
	slsaType = "https://slsa.dev/provenance/v1"
	spdxType = "https://spdx.dev/Document"

	attestedPasses = "verify/digest pass; verify/attestation pass"
	noSHA256       = "its subject has no sha256 digest"
	badAttestation = "verify/digest pass; verify/attestation fail attestation"
)

// attest asks for attestations by the scene's key; provenance where none is named.
func (s *scene) attest(types ...string) {
	if len(types) == 0 {
		types = []string{"slsa-provenance"}
	}
	for _, t := range types {
		s.attested = append(s.attested, signed.Attestation{Type: t, Signer: signed.Signer{Key: s.key.Path, IgnoreTlog: true}})
	}
}

// attestedAs are both forms of one statement by the scene's key, about the image.
func attestedAs(name string, ask func(s *scene), statement func(s *scene) []byte, want, says string) []step {
	return []step{
		{name: name + ", tag", set: func(s *scene) {
			ask(s)
			forge.AttestTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, statement(s)))
		}, want: want, says: says},
		{name: name + ", bundle", inside: true, set: func(s *scene) { ask(s); s.bundled(s.key.Bundle(s.t, statement(s))) }, want: want, says: says},
	}
}

// about is a statement with these subjects, as they stand in JSON.
func about(subjects, predicateType string) func(*scene) []byte {
	return func(s *scene) []byte {
		return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1",%s"predicateType":%q,"predicate":{}}`,
			strings.NewReplacer("SHA256", s.good.digest[7:], "UPPER", strings.ToUpper(s.good.digest[7:])).Replace(subjects), predicateType)
	}
}

func subject(digests string) string { return `"subject":[{"name":"app","digest":` + digests + `}],` }

func attestationForgeries() []forgery {
	provenance := func(s *scene) []byte { return forge.Statement(s.good.digest, slsaType) }
	ask := func(s *scene) { s.attest() }
	honest := attestedAs("honest", ask, provenance, attestedPasses, "")
	own := subject(`{"sha256":"SHA256"}`)
	return []forgery{
		{name: "case 28 wrong predicateType, SBOM passed as signature", steps: join(honest, predicateForgeries())},
		{name: "case 29 zero, 1,025 or nil subjects", steps: join(honest, subjectForgeries(ask, own))},
		{name: "case 30 other digest algorithm", steps: join(
			attestedAs("another beside ours", ask, about(subject(`{"sha256":"SHA256","sha512":"00"}`), slsaType), attestedPasses, ""),
			attestedAs("sha512 only", ask, about(subject(`{"sha512":"`+strings.Repeat("0", 128)+`"}`), slsaType), badAttestation, noSHA256),
			attestedAs("our hash, called sha1", ask, about(subject(`{"sha1":"SHA256"}`), slsaType), badAttestation, noSHA256),
			attestedAs("our hash, called SHA256", ask, about(subject(`{"SHA256 ":"SHA256"}`), slsaType), badAttestation, noSHA256),
			attestedAs("no digest", ask, about(subject(`{}`), slsaType), badAttestation, noSHA256),
			attestedAs("null", ask, about(subject(`null`), slsaType), badAttestation, noSHA256),
			attestedAs("a number", ask, about(subject(`{"sha256":7}`), slsaType), badAttestation, "no list of digests"))},
		{name: "case 31 referrer of another subject, 10,000 referrers, gzip bomb", steps: referrerForgeries()},
		{name: "case 32 one bad and one good: pass, both reported", steps: oneBadOneGood(provenance)},
		{name: "case 33 provenance only on the child or only on the index", steps: provenanceElsewhere()},
		{name: "case 34 referrers API 404 (tag fallback), index lag (retry)", steps: fallback()},
		{name: "case 35 both formats present, one invalid", steps: bothFormats(provenance)},
	}
}

func predicateForgeries() []step {
	ask := func(s *scene) { s.attest() }
	typed := func(t string) func(*scene) []byte {
		return func(s *scene) []byte { return forge.Statement(s.good.digest, t) }
	}
	return join(
		attestedAs("wrong type", ask, typed(spdxType), badAttestation, spdxType),
		attestedAs("a look-alike behind", ask, typed(slsaType+".evil"), badAttestation, slsaType+".evil"),
		attestedAs("a look-alike around", ask, typed("https://evil.example/?x="+slsaType), badAttestation, "evil.example"),
		attestedAs("other case", ask, typed(strings.ToUpper(slsaType)), badAttestation, "HTTPS://SLSA.DEV"),
		attestedAs("no type", ask, typed(""), badAttestation, "has no predicateType"),
		attestedAs("a signature as provenance", ask, typed(forge.SignType), badAttestation, forge.SignType),
		attestedAs("the type twice", ask, about(subject(`{"sha256":"SHA256"}`)+`"predicateType":"`+spdxType+`",`, slsaType), badAttestation, "is there twice"),
		attestedAs("the type in other letters too", ask, about(subject(`{"sha256":"SHA256"}`)+`"PredicateType":"`+slsaType+`",`, spdxType), badAttestation, "it has "+spdxType),
		[]step{
			{name: "SBOM as signature, bundle", set: func(s *scene) { s.sign(); s.bundled(s.key.Bundle(s.t, forge.Statement(s.good.digest, spdxType))) },
				want: badSignature, says: "attestation"},
			{name: "SBOM as signature, tag", set: func(s *scene) {
				s.sign()
				forge.SignTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, forge.Statement(s.good.digest, spdxType)))
			}, want: badSignature, says: "holds no signature"},
			{name: "the registry notes another type than was signed", set: func(s *scene) {
				s.attest()
				forge.ReferNoted(s.t, s.Registry, s.good.digest, slsaType, s.key.Bundle(s.t, forge.Statement(s.good.digest, spdxType)))
			}, want: badAttestation, says: spdxType},
			{name: "an envelope of something else", set: func(s *scene) {
				s.attest()
				s.bundled(forge.Change(s.t, s.key.Bundle(s.t, forge.Statement(s.good.digest, slsaType)), func(b *protobundle.Bundle) {
					b.GetDsseEnvelope().PayloadType = "application/json"
				}))
			}, want: badAttestation, says: "its payload is"},
		})
}

func subjectForgeries(ask func(*scene), own string) []step {
	many := func(n int) string {
		return strings.TrimSuffix(own, "],") + strings.Repeat(`,{"digest":{"sha256":"`+nowhere[7:]+`"}}`, n-1) + "],"
	}
	return join(
		attestedAs("1,024, ours among them", ask, about(many(1024), slsaType), attestedPasses, ""),
		attestedAs("1,025, ours among them", ask, about(many(1025), slsaType), badAttestation, "1024"),
		attestedAs("zero", ask, about(`"subject":[],`, slsaType), badAttestation, "it has no subject"),
		attestedAs("null", ask, about(`"subject":null,`, slsaType), badAttestation, "it has no subject"),
		attestedAs("none", ask, about(``, slsaType), badAttestation, "no list of digests"),
		attestedAs("a null among them", ask, about(`"subject":[null],`, slsaType), badAttestation, "its subject 1 is null"),
		attestedAs("an object", ask, about(`"subject":{"digest":{"sha256":"SHA256"}},`, slsaType), badAttestation, "no list of digests"),
		attestedAs("another image", ask, about(subject(`{"sha256":"`+nowhere[7:]+`"}`), slsaType), badAttestation, "not about this image"),
		attestedAs("twice, ours last", ask, about(subject(`{"sha256":"`+nowhere[7:]+`"}`)+own, slsaType), badAttestation, "is there twice"),
		attestedAs("twice, ours first", ask, about(own+subject(`{"sha256":"`+nowhere[7:]+`"}`), slsaType), badAttestation, "is there twice"),
		attestedAs("in other letters too", ask, about(strings.Replace(own, "subject", "Subject", 1)+subject(`{"sha256":"`+nowhere[7:]+`"}`), slsaType), badAttestation, "not about this image"),
		byKey("a signature of zero", func(s *scene) forge.Layer { return s.key.Layer(s.t, []byte(`{"critical":{"image":{}}}`)) },
			func(s *scene) []byte { return s.key.Bundle(s.t, about(`"subject":[],`, forge.SignType)(s)) }, badSignature, "of type|it has no subject"))
}

func referrerForgeries() []step {
	// elsewhere makes the registry list, for our image, what refers to another.
	elsewhere := func(s *scene, list string) {
		s.Evil = func(_ http.ResponseWriter, r *http.Request) bool {
			r.URL.Path = strings.Replace(r.URL.Path, list+s.good.digest, list+nowhere, 1)
			return false
		}
	}
	return []step{
		{name: "signature of another subject", set: func(s *scene) {
			s.sign()
			forge.Refer(s.t, s.Registry, nowhere, s.key.Bundle(s.t, s.statement()))
			elsewhere(s, "/referrers/")
		}, want: badSignature, says: "refers to another image"},
		{name: "attestation of another subject", set: func(s *scene) {
			s.attest()
			forge.Refer(s.t, s.Registry, nowhere, s.key.Bundle(s.t, forge.Statement(s.good.digest, slsaType)))
			elsewhere(s, "/referrers/")
		}, want: badAttestation, says: "refers to another image"},
		{name: "10,000 referrers, for a signature", set: func(s *scene) { s.sign(); s.Evil = referrers(s, 10000) },
			want: "verify/digest pass; verify/signature unknown", says: "were not read"},
		{name: "10,000 referrers, for an attestation", set: func(s *scene) { s.attest(); s.Evil = referrers(s, 10000) },
			want: "verify/digest pass; verify/attestation unknown", says: "were not read"},
		{name: "gzip bomb, for a signature", set: func(s *scene) { s.sign(); s.bundled(bomb()) }, want: badSignature, says: "no valid bundle"},
		{name: "gzip bomb, for an attestation", set: func(s *scene) { s.attest(); s.bundled(bomb()) }, want: badAttestation, says: "no valid bundle"},
		{name: "gzip bomb under the tag", set: func(s *scene) {
			s.attest()
			forge.AttestTag(s.t, s.Registry, s.good.digest, forge.Layer{Payload: bomb(), Annotations: map[string]string{"predicateType": slsaType}})
		}, want: badAttestation, says: "no signed envelope"},
	}
}

func oneBadOneGood(provenance func(*scene) []byte) []step {
	stranger := func(s *scene) forge.Key { return forge.NewKey(s.t) }
	return []step{
		{name: "attestations, tag", set: func(s *scene) {
			s.attest()
			forge.AttestTag(s.t, s.Registry, s.good.digest, stranger(s).Envelope(s.t, provenance(s)), s.key.Envelope(s.t, provenance(s)))
		}, want: attestedPasses, says: "refused"},
		{name: "attestations, the good one first", set: func(s *scene) {
			s.attest()
			forge.AttestTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, provenance(s)), stranger(s).Envelope(s.t, provenance(s)))
		}, want: attestedPasses, says: "refused"},
		{name: "attestations, bundles", set: func(s *scene) {
			s.attest()
			s.bundled(stranger(s).Bundle(s.t, provenance(s)))
			s.bundled(s.key.Bundle(s.t, provenance(s)))
		}, want: attestedPasses, says: "refused"},
		{name: "attestations, both bad", set: func(s *scene) {
			s.attest()
			s.bundled(stranger(s).Bundle(s.t, provenance(s)))
			s.bundled(stranger(s).Bundle(s.t, provenance(s)))
		}, want: badAttestation, says: "it was not made with the key"},
		{name: "of two kinds, one is bad", set: func(s *scene) {
			s.attest("slsa-provenance", "spdx")
			s.bundled(s.key.Bundle(s.t, provenance(s)))
			s.bundled(stranger(s).Bundle(s.t, forge.Statement(s.good.digest, spdxType)))
		}, want: "verify/digest pass; verify/attestation pass; verify/attestation fail attestation", says: "has no spdx attestation"},
		{name: "signatures, the bad one first", set: func(s *scene) {
			s.sign()
			s.tagged(stranger(s).Layer(s.t, s.claim()), s.key.Layer(s.t, s.claim()))
		}, want: signedPasses, says: "refused"},
	}
}

func provenanceElsewhere() []step {
	// on attests the n-th image of an index, or the index itself for -1.
	on := func(s *scene, n int) (child string) {
		i := s.index("linux/amd64", "linux/arm64")
		s.attest()
		digest := s.built.Value
		if n >= 0 {
			digest = s.child(i, n)
		}
		forge.Refer(s.t, s.Registry, digest, s.key.Bundle(s.t, forge.Statement(digest, slsaType)))
		return s.child(i, 0)
	}
	return []step{
		{name: "on the index, which is deployed", set: func(s *scene) { on(s, -1) }, want: attestedPasses},
		{name: "on the index, whose child is deployed", set: func(s *scene) { s.want("@"+on(s, -1), s.built.Value) }, want: attestedPasses},
		{name: "on the child, which is deployed", set: func(s *scene) { s.want("@"+on(s, 0), s.built.Value) }, want: attestedPasses},
		{name: "on the child, the index is deployed", inside: true, set: func(s *scene) { on(s, 0) }, want: badAttestation, says: "does not count for the index"},
		{name: "on the other child", inside: true, set: func(s *scene) { s.want("@"+on(s, 1), s.built.Value) }, want: badAttestation, says: "has no SLSA provenance"},
		{name: "on the index, the child of another is deployed", set: func(s *scene) {
			on(s, -1)
			s.want("@"+s.good.digest, s.built.Value)
		}, inside: true, want: "verify/digest fail digest; verify/attestation fail attestation", says: "this reference names another one"},
	}
}

// fallbackTag lists a referrer under the tag that stands in for the API (distribution specification 1.1), and takes the API away.
func (s *scene) fallbackTag(digests ...string) {
	var all []map[string]any
	for _, d := range digests {
		all = append(all, map[string]any{"mediaType": ociManifest, "digest": d, "size": 1, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"})
	}
	list := answer("/manifests/"+strings.Replace(s.good.digest, ":", "-", 1)+"$", string(indexOf(all...).Bytes), "Content-Type", ociIndex)
	s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") {
			http.NotFound(w, r)
			return true
		}
		return list(w, r)
	}
}

// referrer pushes a bundle's manifest and returns its digest.
func (s *scene) referrer(subject string, bundle []byte) string {
	const mt = "application/vnd.dev.sigstore.bundle.v0.3+json"
	layer := forge.Blob(s.t, s.Registry, bundle, mt)
	return forge.Manifest(s.t, s.Registry, ":referrer", map[string]any{"artifactType": mt, "subject": map[string]any{"mediaType": ociManifest, "digest": subject, "size": 1}}, layer)
}

func fallback() []step {
	signature := func(s *scene) []byte { s.sign(); return s.key.Bundle(s.t, s.statement()) }
	lagging := func(s *scene, path string) {
		n := counter()
		s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, path) || n() > 1 {
				return false
			}
			w.Header().Set("Content-Type", ociIndex)
			fmt.Fprint(w, string(indexOf([]map[string]any{}...).Bytes))
			return true
		}
	}
	return []step{
		{name: "API 404, signature under the tag", set: func(s *scene) { s.fallbackTag(s.referrer(s.good.digest, signature(s))) }, want: signedPasses},
		{name: "API 404, attestation under the tag", set: func(s *scene) {
			s.attest()
			s.fallbackTag(s.referrer(s.good.digest, s.key.Bundle(s.t, forge.Statement(s.good.digest, slsaType))))
		}, want: attestedPasses},
		{name: "API 404, the tag lists what refers to another image", set: func(s *scene) { s.fallbackTag(s.referrer(nowhere, signature(s))) },
			want: badSignature, says: "refers to another image"},
		{name: "API 404, the tag lists what is not there", set: func(s *scene) { s.sign(); s.fallbackTag(digestA) }, want: badSignature, says: "MANIFEST_UNKNOWN"},
		{name: "API 404, no tag", inside: true, set: func(s *scene) {
			s.sign()
			s.Evil = status("/referrers/", 1, http.StatusNotFound)
		}, want: badSignature, says: "has no signature"},
		{name: "API 500", inside: true, set: func(s *scene) { s.sign(); s.Evil = status("/referrers/", 1, http.StatusInternalServerError) }, want: "error unavailable", says: "reading the signatures"},
		{name: "API serves a web page", set: func(s *scene) { s.sign(); s.Evil = answer("/referrers/", "<html>welcome</html>") }, want: "error invalid", says: "no image index"},
		{name: "index lag of a signature", set: func(s *scene) { s.bundled(signature(s)); lagging(s, "/referrers/") }, want: signedPasses},
		{name: "index lag of an attestation", set: func(s *scene) {
			s.attest()
			s.bundled(s.key.Bundle(s.t, forge.Statement(s.good.digest, slsaType)))
			lagging(s, "/referrers/")
		}, want: attestedPasses},
	}
}

func bothFormats(provenance func(*scene) []byte) []step {
	stranger := func(s *scene) forge.Key { return forge.NewKey(s.t) }
	return []step{
		{name: "both good", set: func(s *scene) {
			s.sign()
			s.tagged(s.key.Layer(s.t, s.claim()))
			s.bundled(s.key.Bundle(s.t, s.statement()))
		}, want: signedPasses},
		{name: "bad tag", set: func(s *scene) {
			s.sign()
			s.tagged(stranger(s).Layer(s.t, s.claim()))
			s.bundled(s.key.Bundle(s.t, s.statement()))
		}, want: signedPasses, says: "refused"},
		{name: "bad bundle", set: func(s *scene) {
			s.sign()
			s.tagged(s.key.Layer(s.t, s.claim()))
			s.bundled(stranger(s).Bundle(s.t, s.statement()))
		}, want: signedPasses},
		{name: "the tag is an index", set: func(s *scene) {
			s.sign()
			s.Evil = answer(`\.sig$`, string(indexOf(entry(s.good.digest, "linux/amd64")).Bytes), "Content-Type", ociIndex)
			s.bundled(s.key.Bundle(s.t, s.statement()))
		}, want: signedPasses, says: "signature tag"},
		{name: "the tag can't be read", inside: true, set: func(s *scene) {
			s.sign()
			s.Evil = status(`\.sig$`, 1, http.StatusInternalServerError)
			s.bundled(s.key.Bundle(s.t, s.statement()))
		}, want: "error unavailable", says: ".sig"},
		{name: "both bad", set: func(s *scene) {
			s.sign()
			s.tagged(stranger(s).Layer(s.t, s.claim()))
			s.bundled(stranger(s).Bundle(s.t, s.statement()))
		}, want: badSignature, says: "; bundle sha256:"},
		{name: "attestations, bad tag", set: func(s *scene) {
			s.attest()
			forge.AttestTag(s.t, s.Registry, s.good.digest, stranger(s).Envelope(s.t, provenance(s)))
			s.bundled(s.key.Bundle(s.t, provenance(s)))
		}, want: attestedPasses, says: "refused"},
		{name: "attestations, bad bundle", set: func(s *scene) {
			s.attest()
			forge.AttestTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, provenance(s)))
			s.bundled(stranger(s).Bundle(s.t, provenance(s)))
		}, want: attestedPasses, says: "refused"},
	}
}
