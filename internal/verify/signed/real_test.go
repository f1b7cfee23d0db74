//go:build cosign

package signed

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
)

// runCosign runs the real tool in a folder of the test, without any network but the registry.
func runCosign(t *testing.T, bin, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+dir, "COSIGN_YES=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", bin, strings.Join(args, " "), err, out)
	}
}

// offline are the flags with which a version signs without the public instance.
func offline(version string) []string {
	if version == "cosign3" {
		return []string{"--tlog-upload=false", "--use-signing-config=false"}
	}
	return []string{"--tlog-upload=false"}
}

// registries are one with the referrers API and a real one without it, where bundles are found under the fallback tag.
func registries(t *testing.T, check func(t *testing.T, w *fake.Registry)) {
	t.Run("with referrers", func(t *testing.T) { check(t, fake.New(t)) })
	t.Run("without referrers", func(t *testing.T) { check(t, fake.At(t, realtest.Registry(t, "", "").Addr)) })
}

// What the real cosign signs and attests, in the form of version 2 (tags) and of version 3 (bundles), on either kind of registry.
func TestRealCosign(t *testing.T) {
	for _, version := range []string{"cosign2", "cosign3"} {
		t.Run(version, func(t *testing.T) {
			bin := realtest.Need(t, version)
			registries(t, func(t *testing.T, w *fake.Registry) {
				dir := t.TempDir()
				runCosign(t, bin, dir, "generate-key-pair")
				multi := fake.Index(t, "one", "linux/amd64", "linux/arm64")
				d := w.Push(":v1", multi)
				child := fake.DigestOf(t, fake.ChildOf(t, multi, 0))
				p, err := NewPolicy(t.Context(), Signature{Signer: Signer{Key: "cosign.pub", IgnoreTlog: true}}, dir)
				must(t, err)
				p.Lag = 0
				f, err := ask(t, w, d, p)
				expect(t, f, err, verdict.Fail, "has no signature")
				runCosign(t, bin, dir, append([]string{"sign", "--key", "cosign.key", w.Ref("@" + d)}, offline(version)...)...)
				f, err = ask(t, w, d, p)
				expect(t, f, err, verdict.Pass, "is signed by the key cosign.pub")
				f, err = p.Signature(t.Context(), client(), subjectOf(t, w, child, d))
				expect(t, f, err, verdict.Pass, "is signed by the key cosign.pub")
				realAttestation(t, bin, version, dir, w, d)

				other := t.TempDir()
				runCosign(t, bin, other, "generate-key-pair")
				p, err = NewPolicy(t.Context(), Signature{Signer: Signer{Key: "cosign.pub", IgnoreTlog: true}}, other)
				must(t, err)
				f, err = ask(t, w, d, p)
				expect(t, f, err, verdict.Fail, "it was not made with the key cosign.pub")
			})
		})
	}
}

func realAttestation(t *testing.T, bin, version, dir string, w *fake.Registry, d string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, "provenance.json"), []byte(provenance1), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "scan.json"), []byte(`{"critical":0}`), 0o600))
	attest := func(kind, file string) {
		runCosign(t, bin, dir, append([]string{"attest", "--key", "cosign.key", "--type", kind, "--predicate", file, w.Ref("@" + d)}, offline(version)...)...)
	}
	attest("slsaprovenance1", "provenance.json")
	attest("https://example.com/scan", "scan.json")
	as, err := NewAttestations(t.Context(), []Attestation{
		{Type: "slsa-provenance", Provenance: &Provenance{Source: "release", Commit: "release", Ref: "release", Workflow: ".github/workflows/build.yml"}},
		{Type: "https://example.com/scan", Condition: "predicate.critical == 0"},
		{Type: "slsa-provenance", Provenance: &Provenance{Commit: strings.Repeat("b", 40)}},
		{Type: "spdx"},
	}, &Signature{Signer: Signer{Key: "cosign.pub", IgnoreTlog: true}}, GitHub{}, dir)
	must(t, err)
	as.Lag = 0
	fs, err := as.Verify(t.Context(), client(), subjectOf(t, w, d), thisRelease)
	must(t, err)
	for i, want := range []verdict.Outcome{verdict.Pass, verdict.Pass, verdict.Fail, verdict.Fail} {
		if fs[i].Outcome != want {
			t.Errorf("attestation %d: got %s, want %s\n%+v", i, fs[i].Outcome, want, fs[i])
		}
	}
}

// Keys of every kind, as the real cosign imports them: what it signs by default it does not always verify by default.
func TestRealCosignKeys(t *testing.T) {
	for _, version := range []string{"cosign2", "cosign3"} {
		for name, private := range map[string]crypto.Signer{"P-384": ecKey(t, elliptic.P384()), "P-521": ecKey(t, elliptic.P521()), "RSA": rsaKey(t, 3072), "Ed25519": edKey(t)} {
			t.Run(version+"/"+name, func(t *testing.T) {
				bin, dir := realtest.Need(t, version), t.TempDir()
				der, err := x509.MarshalPKCS8PrivateKey(private)
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
				runCosign(t, bin, dir, "import-key-pair", "--key", "key.pem")
				w, d := image(t)
				runCosign(t, bin, dir, append([]string{"sign", "--key", "import-cosign.key", w.Ref("@" + d)}, offline(version)...)...)
				p, err := NewPolicy(t.Context(), Signature{Signer: Signer{Key: "import-cosign.pub", IgnoreTlog: true}}, dir)
				must(t, err)
				f, err := ask(t, w, d, p)
				expect(t, f, err, verdict.Pass, "is signed by the key import-cosign.pub")
			})
		}
	}
}
