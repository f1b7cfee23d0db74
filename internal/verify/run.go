package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed"
)

// Phase is when verify runs.
type Phase uint8

// The phases. Behind the deploy the same finding means that the wrong image is live.
const (
	BeforeDeploy Phase = iota
	AfterDeploy
)

// runLimit bounds the whole: each call has limits of its own, and a registry that stalls every one of many would use them all.
const runLimit = 5 * time.Minute

// imagesAtOnce bounds how many images are looked at at a time; how many requests one registry gets is the client's own limit.
const imagesAtOnce = 32

// Result is what verify saw and found, in the order of the configuration.
type Result struct {
	Images   []ImageResult
	Findings []verdict.Finding
}

// ImageResult is one image, as the registry serves it.
type ImageResult struct {
	Ref           string // as it was written
	Digest        string // of the bytes that are served for Ref; "" where there were none
	Pinned        string // REPOSITORY@DIGEST: deploy this, and no tag can move under it
	Platforms     []string
	ConfigDigests []string // of the images: what a runtime may report as image ID
	MediaType     string
	Created       time.Time // zero where it is not known
}

// Run looks at every image, a few at a time. want holds what was built, one entry per image in their order. An error says that the registry (or the
// trusted root of signatures) could not be read, or that the configuration cannot be used: it is never a finding about the image. The
// result then holds what could be looked at.
func Run(ctx context.Context, o Options, want []built.Digest, c *registry.Client, phase Phase) (Result, error) {
	if len(want) != len(o.Images) {
		return Result{}, fmt.Errorf("verify: got %d built digests for %d images; this is a mistake in bakegate", len(want), len(o.Images))
	}
	ctx, stop := context.WithTimeout(ctx, runLimit)
	defer stop()
	w := work{o: o, client: c, phase: phase}
	if err := w.trust(ctx); err != nil {
		return Result{}, err
	}
	return w.run(ctx, want)
}

// work is what the checks of all images share.
type work struct {
	o            Options
	client       *registry.Client
	phase        Phase
	policy       *signed.Policy       // nil: no signature is asked for
	attestations *signed.Attestations // nil: none is
}

// trust reads the keys and the roots, before any image is looked at.
func (w *work) trust(ctx context.Context) error {
	if s := w.o.Signature; s != nil {
		p, err := signed.NewPolicy(ctx, *s, w.o.dir)
		if err != nil {
			return fmt.Errorf("verify.signature: %w", err)
		}
		w.policy = p
	}
	if len(w.o.Attestations) == 0 {
		return nil
	}
	a, err := w.attested(ctx)
	if err != nil {
		return fmt.Errorf("verify.attestations: %w", err)
	}
	w.attestations = a
	return nil
}

// attested shares the signature's trusted root where there is one: a public root is fetched once.
func (w *work) attested(ctx context.Context) (*signed.Attestations, error) {
	if w.policy != nil {
		return w.policy.Attestations(ctx, w.o.Attestations, w.o.gitHub())
	}
	return signed.NewAttestations(ctx, w.o.Attestations, nil, w.o.gitHub(), w.o.dir)
}

func (w *work) run(ctx context.Context, want []built.Digest) (Result, error) {
	checks, errs := make([]*check, len(want)), make([]error, len(want))
	slots := make(chan struct{}, imagesAtOnce)
	var wg sync.WaitGroup
	for i := range want {
		checks[i] = &check{work: w, image: w.o.Images[i], built: want[i]}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = checks[i].run(ctx)
		})
	}
	wg.Wait()
	var r Result
	for _, k := range checks {
		r.Images = append(r.Images, k.result)
		r.Findings = append(r.Findings, k.findings...)
	}
	err := errors.Join(errs...)
	if err == nil {
		var fs []verdict.Finding
		fs, err = w.declared(ctx, checks)
		r.Findings = append(r.Findings, fs...)
	}
	return r, err
}

// declared compares the images with what the deployment declares.
func (w *work) declared(ctx context.Context, checks []*check) ([]verdict.Finding, error) {
	var rs []reading
	for _, s := range w.o.Deployed {
		if s.Source.Behind() {
			continue
		}
		st, err := w.o.read(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("verify.deployed.%s: %w", s.Kind, err)
		}
		rs = append(rs, reading{st, false})
	}
	if len(rs) == 0 {
		return nil, nil
	}
	return deployments(deployedImages(checks), rs, w.phase == AfterDeploy), nil
}

func deployedImages(checks []*check) []deployedImage {
	out := make([]deployedImage, len(checks))
	for i, k := range checks {
		out[i] = k.deployedImage()
	}
	return out
}

// check is the work on one image.
type check struct {
	*work
	image Image
	built built.Digest

	f        fetcher
	s        served
	there    served // what the registry has under the built digest, where that is another image
	m        matched
	begun    <-chan signatureOf // nil: the signature is looked for when it is known what is served
	result   ImageResult
	findings []verdict.Finding
}

func (k *check) run(ctx context.Context) error {
	k.result.Ref = k.image.Image
	if err := artifact.CheckDigest(k.built.Digest); err != nil {
		return fmt.Errorf("what %s must be is not known: %w", k.image.Image, err)
	}
	ref, err := parseReference(k.image)
	if err != nil {
		return err
	}
	k.result.Ref = ref.text
	k.f = fetcher{client: k.client, ref: ref}
	defer k.early(ctx)()
	k.s, err = k.f.fetch(ctx)
	k.fill()
	if err != nil {
		return k.refuse(err)
	}
	if err := k.digest(ctx); err != nil {
		return err
	}
	if err := k.platforms(ctx); err != nil {
		return err
	}
	return k.parts(ctx)
}

// early begins to look for the signatures of what was built while the registry is asked what it serves: nearly always that is the same, and
// then one round is saved. Where it is not, nothing of this is used. The returned function ends it.
func (k *check) early(ctx context.Context) (stop func()) {
	if k.policy == nil || k.built.Kind != built.OfManifest || k.f.ref.digest != "" && k.f.ref.digest != k.built.Digest {
		return func() {}
	}
	ctx, stop = context.WithCancel(ctx)
	found := make(chan signatureOf, 1)
	k.begun = found
	go func() {
		f, err := k.policy.Signature(ctx, k.client, k.subject(k.built.Digest))
		found <- signatureOf{f, err}
	}()
	return stop
}

// signatureOf is what was found about one digest's signature.
type signatureOf struct {
	finding verdict.Finding
	err     error
}

func (k *check) subject(digests ...string) signed.Subject {
	return signed.Subject{Text: k.f.ref.text, Base: k.f.ref.base, Repo: k.f.ref.repo, Digests: digests}
}

// signatureFinding takes what was begun early where it is about exactly what is served.
func (k *check) signatureFinding(ctx context.Context, on signed.Subject) (verdict.Finding, error) {
	if k.begun != nil && len(on.Digests) == 1 && on.Digests[0] == k.built.Digest {
		s := <-k.begun
		return s.finding, s.err
	}
	return k.policy.Signature(ctx, k.client, on)
}

// parts asks for the blobs, the configs and the signatures at the same time: neither waits for what the other finds, and a gate that asks in turn
// makes every deploy wait for one more round to the registry.
func (k *check) parts(ctx context.Context) error {
	var complete, labels, signature []verdict.Finding
	var errs [3]error
	var wg sync.WaitGroup
	wg.Go(func() { complete, errs[0] = k.complete(ctx) })
	wg.Go(func() { labels, errs[1] = k.labels(ctx) })
	signature, errs[2] = k.signature(ctx)
	wg.Wait()
	k.findings = slices.Concat(k.findings, labels, complete, signature)
	return artifact.First(errs[:])
}

// fill writes down what is known so far.
func (k *check) fill() {
	k.result.Digest, k.result.MediaType = k.s.digest, k.s.mediaType
	k.result.Platforms, k.result.ConfigDigests, k.result.Created = k.s.platforms(), k.s.configs(), k.s.created()
	if k.s.digest != "" {
		k.result.Pinned = k.f.ref.base + "@" + k.s.digest
	}
}

// refuse turns an error that proves something into a finding; any other is returned.
func (k *check) refuse(err error) error {
	if !artifact.Proves(err) {
		return err
	}
	k.findings = append(k.findings, k.refusal(err))
	return nil
}

// digest compares, and where nothing matches, asks the registry for what was built: that tells a moved tag from a push that never was,
// and finds a platform's manifest deployed out of the built index. It changes nothing where the first comparison decided.
func (k *check) digest(ctx context.Context) error {
	k.m = match(k.built, k.s, k.image.Platforms)
	if k.m.ok || k.m.only != "" || k.built.Kind == built.OfConfig {
		k.found(ctx, "")
		return nil
	}
	other := k.f
	other.ref = reference{text: k.f.ref.base + "@" + k.built.Digest, base: k.f.ref.base, repo: k.f.ref.repo, digest: k.built.Digest}
	there, err := other.fetch(ctx)
	cause := ""
	switch {
	case registry.IsMissing(err):
		cause = "the built image is not in " + k.f.ref.base + ": it was never pushed there, was deleted, or went to another repository"
	case err != nil && artifact.Proves(err):
		cause = "asked for the built digest, the registry gives no usable image: " + err.Error()
	case err != nil:
		return err
	default:
		if cause = k.compare(there); cause != "" {
			_ = other.describe(ctx, &there) // only told
			k.there = there
		}
	}
	k.found(ctx, cause)
	return nil
}

// compare looks once more, now that what was built is known too. It returns the likely cause where nothing matches.
func (k *check) compare(there served) string {
	if m, ok := inIndex(there, k.s); ok {
		k.m = m
		return ""
	}
	if m := converted(withConfigs(k.built, there), k.s, k.image.Platforms); m.ok {
		k.m = m
		return ""
	}
	if k.f.ref.digest != "" {
		return "the built image is in the repository, but this reference names another one"
	}
	return "the built image is in the repository, but the tag names another one: the tag was moved, or was not moved to this build"
}

// withConfigs is the built digest with the configs that the registry has for it; its bytes were hashed, so they are the build's.
func withConfigs(b built.Digest, there served) built.Digest {
	b.Configs = map[string]string{}
	for _, im := range there.images {
		b.Configs[im.platform+" "+im.digest] = im.config
	}
	return b
}

// found writes the finding about the digest, with the time of what is served where it is another image.
func (k *check) found(ctx context.Context, cause string) {
	if !k.m.ok && k.s.created().IsZero() {
		_ = k.f.describe(ctx, &k.s) // the time is only told, so that nothing hangs on it
		k.fill()
	}
	k.findings = append(k.findings, k.digestFinding(cause))
	if k.s.movedTo != "" {
		k.findings = append(k.findings, k.movedFinding())
	}
}

// platforms looks for the platforms that were asked for. An image that is in no index tells its platform in its config.
func (k *check) platforms(ctx context.Context) error {
	if len(k.image.Platforms) > 0 && !k.s.index && k.s.images[0].platform == "" {
		if err := k.f.describe(ctx, &k.s); err != nil {
			return k.refuse(err)
		}
		k.fill()
	}
	k.findings = append(k.findings, k.platformFindings()...)
	return nil
}

// signature looks for signatures of and attestations about what is served, or the built index that it is a part of.
func (k *check) signature(ctx context.Context) (fs []verdict.Finding, err error) {
	on := k.subject(k.s.digest)
	if k.m.index != "" && k.m.index != k.s.digest {
		on.Digests = append(on.Digests, k.m.index)
	}
	if k.policy != nil {
		f, err := k.signatureFinding(ctx, on)
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	if k.attestations == nil {
		return fs, nil
	}
	attested, err := k.attestations.Verify(ctx, k.client, on, k.o.env.Release)
	return append(fs, attested...), err
}
