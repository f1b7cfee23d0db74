package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/deployed"
)

const (
	checkTagName   = "verify/tag"
	reasonTagMoved = "tag-moved"
)

// Verified is an image that Run looked at: what a reference stood for then.
type Verified struct{ Ref, Digest string }

// Recheck looks again at images that were verified: right behind the deploy (end is false), whether a tag moved between the check and the
// deploy, so that the runtime may have pulled another image; at the end, whether what runs is what was verified. What can't be looked at is
// said in a finding: a run that proved everything else must not end as an error because of a last look. want is as for Run.
func Recheck(ctx context.Context, o Options, want []built.Digest, images []Verified, c *registry.Client, end bool) []verdict.Finding {
	behind := o.behind()
	if !end && len(behind) > 0 {
		return nil // what runs is asked at the end, and tells more than a tag
	}
	w := &work{o: o, client: c, phase: AfterDeploy}
	checks, fs := w.again(ctx, want, images, end)
	if !end || ctx.Err() != nil || len(behind) == 0 {
		return fs
	}
	return append(fs, o.settled(ctx, behind, deployedImages(checks))...)
}

// How long a rollout that is not over is waited for, where nothing was baked meanwhile, and how often it is looked at.
const (
	settleFor   = 2 * time.Minute
	settleEvery = 5 * time.Second
)

// settled asks what runs, and asks again while the rollout is not over.
func (o Options) settled(ctx context.Context, behind []deployed.Spec, images []deployedImage) []verdict.Finding {
	for end := time.Now().Add(settleFor); ; {
		fs := o.running(ctx, behind, images)
		moving := slices.ContainsFunc(fs, func(f verdict.Finding) bool { return f.Reason == reasonRolling || f.Reason == reasonMixedVersions })
		if !moving || ctx.Err() != nil || time.Now().Add(settleEvery).After(end) {
			return fs
		}
		select {
		case <-time.After(settleEvery):
		case <-ctx.Done():
			return fs
		}
	}
}

// running asks every source once.
func (o Options) running(ctx context.Context, behind []deployed.Spec, images []deployedImage) []verdict.Finding {
	var rs []reading
	var fs []verdict.Finding
	for _, s := range behind {
		st, err := o.read(ctx, s)
		if err != nil {
			fs = append(fs, unread(s, err))
			continue
		}
		rs = append(rs, reading{st, s.Source.Live()})
	}
	if len(rs) == 0 {
		return fs
	}
	return append(fs, deployments(images, rs, true)...)
}

// lookLimit bounds looking at all images again: behind the deploy the bake waits for it, and a rollback must not wait for a registry.
const lookLimit = 30 * time.Second

// again looks at every verified image once more, all at a time.
func (w *work) again(ctx context.Context, want []built.Digest, images []Verified, end bool) ([]*check, []verdict.Finding) {
	limited, stop := context.WithTimeout(ctx, lookLimit)
	defer stop()
	checks, found := make([]*check, len(want)), make([][]verdict.Finding, len(want))
	var wg sync.WaitGroup
	for i := range want {
		checks[i] = &check{work: w, image: w.o.Images[i], built: want[i]}
		wg.Go(func() {
			if tagged, err := checks[i].again(limited, images); tagged && ctx.Err() == nil {
				found[i] = checks[i].tagNow(err, end)
			}
		})
	}
	wg.Wait()
	return checks, slices.Concat(found...)
}

// again fetches a verified image by its digest, and looks where its tag points by now. tagged is false where it has no tag that could move.
func (k *check) again(ctx context.Context, images []Verified) (tagged bool, err error) {
	ref, err := parseReference(k.image)
	if err != nil {
		return false, err // Run said so
	}
	i := slices.IndexFunc(images, func(v Verified) bool { return v.Ref == ref.text })
	if i < 0 {
		return false, nil
	}
	tagged = ref.digest == ""
	ref.digest, k.result.Ref = images[i].Digest, ref.text
	k.f = fetcher{client: k.client, ref: ref}
	if k.s, err = k.f.fetch(ctx); err != nil {
		return tagged, err
	}
	return tagged, k.digest(ctx)
}

// tagNow says where the tag points by now.
func (k *check) tagNow(err error, end bool) []verdict.Finding {
	ref, f := k.f.ref, verdict.Finding{Check: checkTagName, Doc: "verify-tag"}
	if err != nil {
		f.Outcome = verdict.Note
		f.Summary = fmt.Sprintf("%s could not be looked at again: %s", ref.text, clean.Cut(err.Error(), 300))
		f.Hint = "it was verified before; deploy " + ref.base + "@" + ref.digest + ", and nothing can move under it"
		return []verdict.Finding{f}
	}
	got := k.s.movedTo
	f.Evidence = []verdict.Evidence{{What: "tag " + ref.tag + " of " + ref.base, Got: orVerified(got, ref.digest), Want: ref.digest}}
	f.Hint = "deploy " + ref.base + "@" + ref.digest + " instead of the tag"
	switch {
	case got == "" && !end:
		return nil
	case got == "":
		f.Summary, f.Hint = fmt.Sprintf("%s still names the image that was verified", ref.text), ""
	case end:
		f.Outcome = verdict.Note
		f.Summary = fmt.Sprintf("%s was moved since it was verified: it names %s by now, and what starts from here on pulls that", ref.text, artifact.Short(got))
	default:
		f.Outcome, f.Reason = verdict.Unknown, reasonTagMoved
		f.Summary = fmt.Sprintf("%s was moved between the check and the deploy's end: it names %s, so that it is not known which image runs", ref.text, artifact.Short(got))
		f.Hint += ", or let bakegate ask what runs (verify.deployed)"
	}
	return []verdict.Finding{f}
}

func orVerified(moved, digest string) string {
	if moved == "" {
		return digest
	}
	return moved
}

// unread says that what runs could not be asked. The proof was wanted, so that it is no pass.
func unread(s deployed.Spec, err error) verdict.Finding {
	return verdict.Finding{Check: checkDeployedName, Outcome: verdict.Unknown, Reason: reasonUnproved, Doc: "verify-deployed",
		Summary: fmt.Sprintf("what runs could not be asked (verify.deployed.%s): %s", s.Kind, clean.Cut(err.Error(), 400)),
		Hint:    "give the job the right to read it, or take the source out of verify.deployed"}
}

// behind are the sources that are asked when the deploy is made.
func (o Options) behind() []deployed.Spec {
	var out []deployed.Spec
	for _, s := range o.Deployed {
		if s.Source.Behind() {
			out = append(out, s)
		}
	}
	return out
}

func (o Options) read(ctx context.Context, s deployed.Spec) (deployed.State, error) {
	if w, ok := s.Source.(deployed.Wants); ok {
		w.Use(deployed.Env{Dir: o.dir, Getenv: o.env.Getenv})
	}
	return s.Source.Read(ctx)
}
