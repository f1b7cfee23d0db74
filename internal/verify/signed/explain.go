package signed

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bakegate/bakegate/internal/clean"
)

// refusal says in plain words why a signature does not count.
type refusal struct {
	why  string
	fix  string // what to do, where one thing is likely
	step int    // how far the check came: with several roots, the one that came furthest is the one that was meant
	err  error  // the library's words
}

func (r *refusal) Error() string {
	if r.err == nil {
		return r.why
	}
	return r.why + " (" + r.words() + ")"
}

// words are the library's, by which the cause can be looked up.
func (r *refusal) words() string {
	if r.err == nil {
		return ""
	}
	return clean.Cut(r.err.Error(), 300)
}

func (r *refusal) Unwrap() error { return r.err }

// scene is what is known where a check failed.
type scene struct {
	s       *signer
	root    trust
	cert    *x509.Certificate
	entries int       // of the transparency log
	logged  time.Time // when the log says that it was signed; zero where it does not
	err     error
}

// The steps of a check, in their order.
const (
	stepLog = iota + 1
	stepTime
	stepCertificate
	stepPromise
	stepSignature
	stepSigner
)

// reasons turns the words of the libraries into ours. The first that is found counts.
var reasons = []struct {
	says string // a part of the library's error
	step int
	why  func(scene) (why, fix string)
}{
	{"failed to verify certificate identity", stepSigner, scene.stranger},
	{"none of the expected identities matched", stepSigner, scene.stranger},
	{"duplicate tlog entries", stepLog, plain("it shows one log entry twice")},
	{"transparency log signature does not match", stepLog, otherEntry},
	{"transparency log certificate does not match", stepLog, otherEntry},
	{"payload hash", stepLog, otherEntry},
	{"signature in bundle does not match", stepLog, otherEntry},
	{"comparing public key", stepLog, otherEntry},
	{"matching bundle to payload", stepLog, otherEntry},
	{"integrated time outside certificate validity", stepLog, scene.expired},
	{"checking expiry on certificate", stepTime, scene.expired},
	{"not enough verified log entries", stepLog, scene.notLogged},
	{"offline verification failed", stepLog, scene.notLogged},
	{"rekor log public key not found", stepLog, scene.unknownLog},
	{"verifying bundle with trusted root", stepLog, scene.unknownLog},
	{"threshold not met for verified signed", stepTime, scene.noTime},
	{"leaf certificate verification failed", stepCertificate, scene.unknownAuthority},
	{"certificate does not include required embedded SCT", stepPromise, scene.noPromise},
	{"SCT", stepPromise, scene.noPromise},
	{"invalid signature", stepSignature, scene.wrongKey},
	{"verification error", stepSignature, scene.wrongKey},
	{"accepted signatures do not match", stepSignature, scene.wrongKey},
	{"failed to verify signature", stepSignature, scene.wrongKey},
}

// explain says why a check failed, as far as it is known.
func (sc scene) explain() error {
	text := sc.err.Error()
	for _, r := range reasons {
		if strings.Contains(text, r.says) {
			why, fix := r.why(sc)
			return &refusal{why: why, fix: fix, step: r.step, err: sc.err}
		}
	}
	return &refusal{why: "it does not hold", err: sc.err}
}

func (s *signer) explainBundle(err error, b *bundle.Bundle, cert *x509.Certificate, t trust) error {
	sc := scene{s: s, root: t, cert: cert, err: err}
	if es, err := b.TlogEntries(); err == nil {
		sc.entries = len(es)
		for _, e := range es {
			sc.logged = e.IntegratedTime()
		}
	}
	return sc.explain()
}

// nearest is the refusal of the check that came furthest.
func (s *signer) nearest(errs []error) error {
	best, far := errs[0], -1
	for _, err := range errs {
		if r, ok := err.(*refusal); ok && r.step > far {
			best, far = err, r.step
		}
	}
	return best
}

func plain(why string) func(scene) (string, string) {
	return func(scene) (string, string) { return why, "" }
}

func otherEntry(scene) (string, string) {
	return "its entry in the transparency log belongs to another signature", "do not deploy this image before it is known who put that signature there"
}

func (sc scene) stranger() (string, string) {
	if sc.cert == nil {
		return "it was made by another signer", ""
	}
	sum, err := certificate.SummarizeCertificate(sc.cert)
	if err != nil {
		return "it was made by another signer", ""
	}
	if why, fix := sc.s.stranger(sum); why != "" {
		return why, fix
	}
	return "it was made by another signer", ""
}

func (sc scene) notLogged() (string, string) {
	switch {
	case sc.entries > 0:
		return sc.unknownLog()
	case len(sc.s.keys) > 0:
		return "it has no proof of the transparency log",
			"if this key signs without the log (cosign sign --tlog-upload=false), set ignore-tlog: true"
	case len(sc.root.TimestampingAuthorities()) > 0:
		return "it has no proof of the transparency log", "sign again, without --tlog-upload=false; where timestamps take the log's place, set ignore-tlog: true"
	}
	return "it has no proof of the transparency log, and without it nothing tells when the certificate signed", "sign again, without --tlog-upload=false"
}

func (sc scene) unknownLog() (string, string) {
	const why = "its log entry is not signed by a transparency log that %s knows: it comes from another Sigstore instance, or the root is old"
	return fmt.Sprintf(why, sc.root.name),
		"name the trusted-root of the instance that signed; renew it where it is a saved file"
}

// expired tells on which side of its ten minutes the certificate was used.
func (sc scene) expired() (string, string) {
	const format = "2006-01-02 15:04:05 UTC"
	if sc.cert == nil || sc.logged.IsZero() {
		return "the certificate was not valid when it signed", ""
	}
	at := sc.logged.UTC().Format(format)
	if sc.logged.After(sc.cert.NotAfter) {
		return fmt.Sprintf("the certificate had expired when the signature was logged: logged %s, valid until %s", at, sc.cert.NotAfter.UTC().Format(format)),
			"sign again: a signature that is logged so late proves nothing about who made it"
	}
	return fmt.Sprintf("the certificate was not valid yet when the signature was logged: logged %s, valid from %s",
		at, sc.cert.NotBefore.UTC().Format(format)), ""
}

func (sc scene) noTime() (string, string) {
	if sc.s.demands(sc.root).stamp {
		return fmt.Sprintf("it has no timestamp of an authority that %s knows, so that nothing tells when it was signed", sc.root.name),
			"name the trusted-root of the instance that signed"
	}
	return "nothing tells when it was signed: neither the transparency log's promise nor a timestamp that " + sc.root.name + " knows",
		"name the trusted-root of the instance that signed"
}

// unknownAuthority tells another authority from the right one at the wrong time.
func (sc scene) unknownAuthority() (string, string) {
	const format = "2006-01-02 15:04:05 UTC"
	if sc.cert == nil {
		return "its certificate is not from an authority that " + sc.root.name + " knows", ""
	}
	if _, err := verify.VerifyLeafCertificate(sc.cert.NotBefore.Add(time.Second), sc.cert, sc.root); err == nil {
		return fmt.Sprintf("its certificate was not valid when it signed; it is valid from %s to %s",
			sc.cert.NotBefore.UTC().Format(format), sc.cert.NotAfter.UTC().Format(format)), "sign again"
	}
	why := fmt.Sprintf("its certificate is from %q, an authority that %s does not know", clean.Cut(sc.cert.Issuer.String(), 100), sc.root.name)
	if slices.Contains(sc.cert.Issuer.Organization, "GitHub, Inc.") {
		return why, "private repositories sign with GitHub's own authority: save what `gh attestation trusted-root` prints, " +
			"name the file in trusted-root and set ignore-tlog: true"
	}
	return why, "name the trusted-root of the Sigstore instance that signed"
}

func (sc scene) noPromise() (string, string) {
	return fmt.Sprintf("no certificate transparency log that %s knows promised to list its certificate (signed certificate timestamp)", sc.root.name),
		"name the trusted-root of the instance that signed; renew it where it is a saved file"
}

func (sc scene) wrongKey() (string, string) {
	if len(sc.s.keys) > 0 {
		return "it was not made with " + sc.s.who + ", or what it signs was changed", "if the key was changed, give the new one too: keys: [NEW, OLD]"
	}
	return "the signature does not fit what it signs: one of them was changed", "do not deploy this image before it is known who changed it"
}
