package verify

import (
	"context"
	"fmt"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
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
// said in a finding: a run that proved everything else must not end as an error because of a last look.
func Recheck(ctx context.Context, o Options, images []Verified, c *registry.Client, end bool) []verdict.Finding {
	var fs []verdict.Finding
	live := o.live()
	for _, i := range o.Images {
		ref, err := parseReference(i)
		if err != nil {
			continue // Run said so
		}
		for _, v := range images {
			if v.Ref == ref.text && ref.digest == "" && (end || len(live) == 0) {
				fs = append(fs, tagNow(ctx, c, ref, v.Digest, end)...)
			}
		}
	}
	return fs
}

// tagNow compares what a tag names with what it named when it was verified.
func tagNow(ctx context.Context, c *registry.Client, ref reference, digest string, end bool) []verdict.Finding {
	f := verdict.Finding{Check: checkTagName, Doc: "verify-tag"}
	m, err := c.Manifest(ctx, ref.repo.Tag(ref.tag))
	got := m.Digest
	switch {
	case ctx.Err() != nil:
		return nil
	case registry.IsMissing(err):
		got = "nothing"
	case err != nil:
		f.Outcome = verdict.Note
		f.Summary = fmt.Sprintf("%s could not be looked at again: %s", ref.text, clean.Cut(err.Error(), 300))
		f.Hint = "it was verified before; deploy " + ref.base + "@" + digest + ", and nothing can move under it"
		return []verdict.Finding{f}
	}
	f.Evidence = []verdict.Evidence{{What: "tag " + ref.tag + " of " + ref.base, Got: got, Want: digest}}
	switch {
	case got == digest && !end:
		return nil
	case got == digest:
		f.Summary = fmt.Sprintf("%s still names the image that was verified", ref.text)
	case end:
		f.Outcome = verdict.Note
		f.Summary = fmt.Sprintf("%s was moved since it was verified: it names %s by now, and what starts from here on pulls that", ref.text, artifact.Short(got))
		f.Hint = "deploy " + ref.base + "@" + digest + " instead of the tag"
	default:
		f.Outcome, f.Reason = verdict.Unknown, reasonTagMoved
		f.Summary = fmt.Sprintf("%s was moved between the check and the deploy's end: it names %s, so that it is not known which image runs", ref.text, artifact.Short(got))
		f.Hint = "deploy " + ref.base + "@" + digest + " instead of the tag, or let bakegate ask what runs (verify.deployed)"
	}
	return []verdict.Finding{f}
}

// live are the sources that tell what runs.
func (o Options) live() []deployed.Spec {
	var out []deployed.Spec
	for _, s := range o.Deployed {
		if s.Source.Live() {
			out = append(out, s)
		}
	}
	return out
}
