package signed

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func TestKeySignatures(t *testing.T) {
	k, stranger := forge.NewKey(t), forge.NewKey(t)
	tag := func(l func(w *fake.Registry, d string) forge.Layer) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) { forge.SignTag(t, w, d, l(w, d)) }
	}
	bundle := func(b func(w *fake.Registry, d string) []byte) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) { forge.Refer(t, w, d, b(w, d)) }
	}
	for _, tt := range []struct {
		name string
		sign func(w *fake.Registry, d string)
		want verdict.Outcome
		says string
	}{
		{"none", func(*fake.Registry, string) {}, verdict.Fail, "has no signature"},
		{"tag", tag(func(w *fake.Registry, d string) forge.Layer { return k.Layer(t, forge.Claim(w.Ref(""), d)) }), verdict.Pass, "is signed by the key cosign.pub"},
		{"tag, other key", tag(func(w *fake.Registry, d string) forge.Layer { return stranger.Layer(t, forge.Claim(w.Ref(""), d)) }), verdict.Fail,
			"it was not made with the key cosign.pub"},
		{"tag, other digest", tag(func(w *fake.Registry, d string) forge.Layer { return k.Layer(t, forge.Claim(w.Ref(""), nowhere)) }), verdict.Fail, "it signs another image: sha256:000"},
		{"tag, other repository", tag(func(w *fake.Registry, d string) forge.Layer { return k.Layer(t, forge.Claim(w.Host+"/evil/app", d)) }), verdict.Fail,
			"list the other one in signed-as"},
		{"tag, no repository", tag(func(w *fake.Registry, d string) forge.Layer { return k.Layer(t, forge.Claim("", d)) }), verdict.Fail, `made for "", not for`},
		{"tag, another kind of payload", tag(func(w *fake.Registry, d string) forge.Layer {
			return k.Layer(t, bytes.Replace(forge.Claim(w.Ref(""), d), []byte("cosign container"), []byte("atomic container"), 1))
		}), verdict.Fail, "payload is of type"},
		{"tag, swapped payload", tag(func(w *fake.Registry, d string) forge.Layer {
			return forge.Layer{Payload: forge.Claim(w.Ref(""), d), Annotations: k.Layer(t, forge.Claim(w.Ref(""), nowhere)).Annotations}
		}), verdict.Fail, "it was not made with"},
		{"tag, bad and good", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, stranger.Layer(t, forge.Claim(w.Ref(""), d)), k.Layer(t, forge.Claim(w.Ref(""), d)))
		}, verdict.Pass, "layer 2); 2 signatures were looked at"},
		{"tag, no signature in it", tag(func(w *fake.Registry, d string) forge.Layer { return forge.Layer{Payload: forge.Claim(w.Ref(""), d)} }), verdict.Fail, "holds no signature"},
		{"bundle", bundle(func(_ *fake.Registry, d string) []byte { return k.Bundle(t, forge.Statement(d, forge.SignType)) }), verdict.Pass, "is signed by the key"},
		{"bundle, noted as cosign does", func(w *fake.Registry, d string) {
			forge.ReferNoted(t, w, d, forge.SignType, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Pass, "is signed by the key"},
		{"bundle, other key", bundle(func(_ *fake.Registry, d string) []byte { return stranger.Bundle(t, forge.Statement(d, forge.SignType)) }), verdict.Fail, "it was not made with"},
		{"bundle, other digest", bundle(func(_ *fake.Registry, d string) []byte { return k.Bundle(t, forge.Statement(nowhere, forge.SignType)) }), verdict.Fail,
			"it is about sha256:000000000000…, not about this image"},
		{"bundle, attestation", bundle(func(_ *fake.Registry, d string) []byte {
			return k.Bundle(t, forge.Statement(d, "https://spdx.dev/Document"))
		}), verdict.Fail, "it is an attestation"},
		{"bundle, attestation noted as a signature", func(w *fake.Registry, d string) {
			forge.ReferNoted(t, w, d, forge.SignType, k.Bundle(t, forge.Statement(d, "https://spdx.dev/Document")))
		}, verdict.Fail, "it is an attestation"},
		{"bundle, signature noted as an attestation", func(w *fake.Registry, d string) {
			forge.ReferNoted(t, w, d, "https://spdx.dev/Document", k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Fail, "has no signature"},
		{"bundle, empty", bundle(func(*fake.Registry, string) []byte { return []byte("{}") }), verdict.Fail, "no valid bundle"},
		{"bundle, null", bundle(func(*fake.Registry, string) []byte { return []byte("null") }), verdict.Fail, "refused"},
		{"bundle, garbage", bundle(func(*fake.Registry, string) []byte { return []byte("\x00\x01") }), verdict.Fail, "no valid bundle"},
		{"bundle, packed bomb", bundle(func(*fake.Registry, string) []byte { return bomb(t) }), verdict.Fail, "refused"},
		{"bundle, too large", bundle(func(*fake.Registry, string) []byte { return bytes.Repeat([]byte(" "), maxBundle+1) }), verdict.Fail, "larger than 1 MiB"},
		{"bad tag and good bundle", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, stranger.Layer(t, forge.Claim(w.Ref(""), d)))
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Pass, "refused: it was not made with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, d := image(t)
			tt.sign(w, d)
			f, err := ask(t, w, d, keyPolicy(t, k))
			expect(t, f, err, tt.want, tt.says)
		})
	}
}

// bomb is 50 MiB in 50 KiB: it must not be unpacked.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(make([]byte, 50<<20))
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

// A certificate in the bundle is no key of ours, whoever vouches for it.
func TestKeyPolicyRefusesCertificates(t *testing.T) {
	sg := forge.NewSigstore(t)
	w, d := image(t)
	forge.Refer(t, w, d, sg.Bundle(t, forge.Statement(d, forge.SignType), forge.Signing{}))
	forge.SignTag(t, w, d, sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{}))
	for _, ignore := range []bool{true, false} {
		f, err := ask(t, w, d, policyOf(t, Signature{Signer: Signer{Key: forge.NewKey(t).Path, TrustedRoot: forge.RootFile(t, sg), IgnoreTlog: ignore}}))
		expect(t, f, err, verdict.Fail, "it was made keyless, with a certificate, and a signature by a key is wanted")
		if len(f.Evidence) != 2 {
			t.Errorf("%+v", f)
		}
	}
}

// A certificate of somebody's own beside a signature by our key takes nothing from it, and adds nothing.
func TestKeyBesideCertificate(t *testing.T) {
	sg, k := forge.NewSigstore(t), forge.NewKey(t)
	cert, _ := sg.Certificate(t, forge.Signing{})
	for _, by := range []forge.Key{k, forge.NewKey(t)} {
		w, d := image(t)
		l := by.Layer(t, forge.Claim(w.Ref(""), d))
		l.Annotations["dev.sigstore.cosign/certificate"] = pemText(cert)
		forge.SignTag(t, w, d, l)
		f, err := ask(t, w, d, keyPolicy(t, k))
		want := verdict.Fail
		if by.Path == k.Path {
			want = verdict.Pass
		}
		expect(t, f, err, want, "")
	}
}

// A key must be logged unless that is waived.
func TestKeyWithoutLog(t *testing.T) {
	sg, k := forge.NewSigstore(t), forge.NewKey(t)
	for form, sign := range map[string]func(w *fake.Registry, d string){
		"tag": func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d))) },
		"bundle": func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		},
	} {
		t.Run(form, func(t *testing.T) {
			w, d := image(t)
			sign(w, d)
			f, err := ask(t, w, d, policyOf(t, Signature{Signer: Signer{Key: k.Path, TrustedRoot: forge.RootFile(t, sg)}}))
			expect(t, f, err, verdict.Fail, "it has no proof of the transparency log")
			if !strings.Contains(f.Hint, "set ignore-tlog: true") {
				t.Errorf("hint %q", f.Hint)
			}
		})
	}
}

// Images are promoted with their signatures: what a signature was made for may be listed.
func TestSignedAs(t *testing.T) {
	k := forge.NewKey(t)
	for as, want := range map[string]verdict.Outcome{"ghcr.io/acme/app": verdict.Pass, "ghcr.io/acme/app2": verdict.Fail, "": verdict.Fail, "ghcr.io/acme": verdict.Fail} {
		w, d := image(t)
		forge.SignTag(t, w, d, k.Layer(t, forge.Claim("ghcr.io/acme/app", d)))
		s := Signature{Signer: Signer{Key: k.Path, IgnoreTlog: true}}
		if as != "" {
			s.SignedAs = []string{as}
		}
		f, err := ask(t, w, d, policyOf(t, s))
		expect(t, f, err, want, "")
	}
}

// A platform's image verifies through the index that it was built in; the other way round it does not.
func TestIndexAndChild(t *testing.T) {
	k := forge.NewKey(t)
	w := fake.New(t)
	multi := fake.Index(t, "one", "linux/amd64", "linux/arm64")
	index := w.Push(":v1", multi)
	child := fake.DigestOf(t, fake.ChildOf(t, multi, 0))
	forge.Refer(t, w, index, k.Bundle(t, forge.Statement(index, forge.SignType)))
	p := keyPolicy(t, k)
	f, err := p.Signature(t.Context(), client(), subjectOf(t, w, child, index))
	expect(t, f, err, verdict.Pass, "")
	f, err = ask(t, w, child, p)
	expect(t, f, err, verdict.Fail, "has no signature")
}

func TestGuarded(t *testing.T) {
	if err := guarded(func() error { panic("boom") }); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a crash is no refusal: %v", err)
	}
	if err := guarded(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// A flood of referrers is not read to its end, and proves nothing.
func TestManyReferrers(t *testing.T) {
	w, d := image(t)
	var entries []string
	for i := range 10_000 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","digest":"sha256:%064x","size":1}`, i))
	}
	w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		fmt.Fprintf(rw, `{"schemaVersion":2,"manifests":[%s]}`, strings.Join(entries, ","))
		return true
	}
	w.Forget()
	f, err := ask(t, w, d, keyPolicy(t, forge.NewKey(t)))
	expect(t, f, err, verdict.Unknown, "the others were not read")
	if n := len(w.Requests()); n > 10 {
		t.Errorf("%d requests", n)
	}
}

// An outage while signatures are read is no missing signature.
func TestSignatureOutage(t *testing.T) {
	k := forge.NewKey(t)
	for _, at := range []string{".sig", "/referrers/", "/blobs/"} {
		w := fake.New(t)
		d := w.Push(":v1", fake.Index(t, "one", "linux/amd64"))
		l := k.Layer(t, forge.Claim(w.Ref(""), d))
		l.Payload = append(l.Payload, ' ') // not what cosign writes, so that it must be fetched; its signature does not fit either
		forge.SignTag(t, w, d, l)
		w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, at) {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		f, err := ask(t, w, d, keyPolicy(t, k))
		if err == nil || f.Check != "" {
			t.Errorf("outage of %s: error %v, finding %+v", at, err, f)
		}
	}
}

// The registry lists a bundle that says itself that it refers to another image.
func TestReferrerOfAnotherImage(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	forge.Refer(t, w, nowhere, k.Bundle(t, forge.Statement(d, forge.SignType)))
	w.Evil = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/referrers/"+d) {
			r.URL.Path = strings.TrimSuffix(r.URL.Path, d) + nowhere
		}
		return false
	}
	f, err := ask(t, w, d, keyPolicy(t, k))
	expect(t, f, err, verdict.Fail, "refers to another image")
}

// No request is made for what is known already, and none behind the first good signature.
func TestRequests(t *testing.T) {
	k := forge.NewKey(t)
	for _, tt := range []struct {
		name string
		sign func(w *fake.Registry, d string)
		most int
	}{
		{"tag", func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d))) }, 1},
		{"tag, with a line end", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, k.Layer(t, append(forge.Claim(w.Ref(""), d), '\n')))
		}, 1},
		{"tag, with annotations", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, k.Layer(t, bytes.Replace(forge.Claim(w.Ref(""), d), []byte("null"), []byte(`{"env":"prod"}`), 1)))
		}, 2},
		{"bundle", func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, 4},
		{"bundle behind attestations", func(w *fake.Registry, d string) {
			for i := range 3 {
				forge.ReferNoted(t, w, d, forge.SLSAType, k.Bundle(t, forge.Attest(d, forge.SLSAType, fmt.Sprintf(`{"n":%d}`, i))))
			}
			forge.ReferNoted(t, w, d, forge.SignType, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, d := image(t)
			tt.sign(w, d)
			w.Forget()
			f, err := ask(t, w, d, keyPolicy(t, k))
			expect(t, f, err, verdict.Pass, "")
			var asked []string
			for _, r := range w.Requests() {
				if r != "GET /v2/" {
					asked = append(asked, r)
				}
			}
			if len(asked) > tt.most {
				t.Errorf("%d requests, want at most %d:\n%s", len(asked), tt.most, strings.Join(asked, "\n"))
			}
		})
	}
}

// An index may lag behind a push: nothing at all is looked for once more.
func TestTwice(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   time.Duration // of the context; 0: none
		found   []bool
		looks   int
		elapsed time.Duration
	}{
		{"found", 0, []bool{true}, 1, 0},
		{"found late", 0, []bool{false, true}, 2, indexLag},
		{"never", 0, []bool{false, false, false}, 2, indexLag},
		{"no time left", time.Second, []bool{false, true}, 1, 0},
		{"time enough", time.Minute, []bool{false, true}, 2, indexLag},
		{"no lag", 0, []bool{false, true}, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, lag := t.Context(), time.Duration(indexLag)
			if tt.name == "no lag" {
				lag = 0
			}
			if tt.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.limit)
				defer cancel()
			}
			start, n := time.Now(), 0
			err := twice(ctx, lag, func() (bool, error) { n++; return tt.found[n-1], nil })
			if err != nil || n != tt.looks || time.Since(start) != tt.elapsed {
				t.Errorf("%s: %d looks in %s, want %d in %s: %v", tt.name, n, time.Since(start), tt.looks, tt.elapsed, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := twice(ctx, indexLag, func() (bool, error) { return false, nil }); err == nil {
			t.Error("a cancelled wait is an answer")
		}
	})
}

// The signature shows up while the policy waits.
func TestLateSignature(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	p := keyPolicy(t, k)
	p.Lag = 300 * time.Millisecond
	time.AfterFunc(50*time.Millisecond, func() { forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType))) })
	f, err := ask(t, w, d, p)
	expect(t, f, err, verdict.Pass, "is signed by")
}
