package signed

import (
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// A statement that is taken is about something, and names a digest only where it does.
func FuzzStatement(f *testing.F) {
	f.Add(forge.Statement(digestA, forge.SignType))
	f.Add(forge.Attest(digestA, forge.SLSAType, provenance1))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","subject":[null],"predicateType":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStatement(b)
		if err != nil {
			return
		}
		if len(s.subjects) == 0 || len(s.subjects) > maxSubjects || s.predicateType == "" {
			t.Errorf("took %+v", s)
		}
		if d, err := s.about([]string{digestA}); err == nil && (d != digestA || !strings.Contains(string(b), digestA[7:])) {
			t.Errorf("%q is about %s", b, d)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseEnvelope(b); err == nil && !strings.Contains(strings.ToLower(string(b)), "signatures") {
			t.Errorf("took an envelope without a signature: %q", b)
		}
	})
}

// Nothing that was not signed by our key is ever good, and nothing crashes: not in a goroutine of a library either.
func FuzzBundle(f *testing.F) {
	k := forge.NewKey(f)
	p := keyPolicy(f, k)
	sg := forge.NewSigstore(f)
	f.Add(k.Bundle(f, forge.Statement(digestA, forge.SignType)))
	f.Add(sg.Bundle(f, forge.Statement(digestA, forge.SignType), forge.Signing{Stamped: true}))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{}}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{}]}},"messageSignature":{}}`))
	rs, err := parseRoots(sg.Root(f))
	must(f, err)
	byCertificate := &signer{roots: []trust{{TrustedMaterial: &root.BaseTrustedMaterial{}}, rs[0]}, identities: []identity{{want: exact}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []*signer{p.signer, byCertificate} {
			var c claim
			err := guarded(func() error {
				var err error
				if c, err = s.bundle(b, []string{digestA}); err != nil {
					return err
				}
				return c.check()
			})
			if err == nil && (c.predicateType != forge.SignType || string(c.predicate) != "{}" || len(c.subjects) != 1) { // nothing else was ever signed
				t.Errorf("took %q", b)
			}
			if err != nil && strings.Contains(err.Error(), "crashed") {
				t.Logf("crashed on %q: %v", b, err) // a refusal, but worth knowing
			}
		}
	})
}
