package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// The checks, and the reasons with which they decide.
const (
	checkDigestName    = "verify/digest"
	checkPlatformsName = "verify/platforms"

	reasonDigest          = "digest"
	reasonMissingImage    = "missing-image"
	reasonMissingPlatform = "missing-platform"
)

// refusal is the finding about an image that is not there, or that nobody can deploy.
func (k *check) refusal(err error) verdict.Finding {
	f := verdict.Finding{Check: checkDigestName, Outcome: verdict.Fail, Reason: reasonDigest, Doc: "verify-digest"}
	var other *registry.DigestError
	switch {
	case registry.IsMissing(err) && k.s.digest == "":
		f.Reason = reasonMissingImage
		f.Summary = fmt.Sprintf("%s is not in the registry", k.f.ref.text)
		f.Hint = "check the name and the tag, and that the push has ended; the built digest is " + k.built.Digest
	case registry.IsMissing(err):
		f.Reason = reasonMissingImage
		f.Summary = fmt.Sprintf("%s is not complete in the registry: its config is gone, so that it can't be pulled", k.f.ref.text)
		f.Hint = "push it again; a clean-up of the registry may have deleted a part"
	case errors.As(err, &other):
		f.Summary = fmt.Sprintf("%s: the registry serves other bytes than asked for", k.f.ref.text)
		f.Evidence = []verdict.Evidence{{What: "bytes served for " + clean.Cut(other.Ref, 300), Got: other.Got, Want: other.Asked}}
		f.Hint = "do not deploy from this registry until it is known why: a broken store or proxy, or somebody changed them"
		return f
	default:
		f.Summary = fmt.Sprintf("%s can't be deployed: %s", k.f.ref.text, clean.Cut(err.Error(), 400))
		f.Hint = "push the image again with a current tool"
	}
	f.Evidence = []verdict.Evidence{{What: "what the registry serves for " + k.f.ref.text, Got: orNothing(k.s.digest), Want: k.built.Digest}}
	return f
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// digestFinding says whether the image is the one that was built.
func (k *check) digestFinding(cause string) verdict.Finding {
	f := verdict.Finding{Check: checkDigestName, Doc: "verify-digest",
		Evidence: []verdict.Evidence{{What: k.f.ref.text + ", " + k.s.what(), Got: k.s.digest, Want: k.built.Digest + " (" + k.built.Origin + ")"}}}
	if k.m.ok {
		f.Summary = fmt.Sprintf("%s is the image that was built (%s)", k.f.ref.text, artifact.Short(k.s.digest))
		if k.m.how != "" {
			f.Summary += ": " + k.m.how
		}
		return f
	}
	f.Outcome, f.Reason = verdict.Fail, reasonDigest
	if k.m.only != "" {
		f.Summary = fmt.Sprintf("%s: %s; that proves %s only, not %s", k.f.ref.text, k.m.how, k.m.only, orNone(k.m.rest))
		f.Hint = "give the digest of the whole index that was built, or list in platforms what is deployed: [" + k.m.only + "]"
		return f
	}
	f.Summary = fmt.Sprintf("%s: the registry serves %s%s, the build made %s", k.f.ref.text, k.s.digest, k.origin(), k.built.Digest)
	if cause == "" {
		cause = k.cause()
	}
	f.Evidence = append(f.Evidence, verdict.Evidence{What: "likely cause", Got: clean.Cut(cause, 500)})
	f.Hint = k.next(cause)
	return f
}

// cause is what can be said without asking the registry.
func (k *check) cause() string {
	return "none of the served images has the config that was built: it is another build"
}

// next is what to do, as a command where there is one.
func (k *check) next(cause string) string {
	pinned := k.f.ref.base + "@" + k.built.Digest
	switch {
	case k.phase == AfterDeploy:
		return "the wrong image is live: roll back, then deploy " + pinned
	case strings.Contains(cause, "is in the repository"):
		return "deploy " + pinned + " instead of the tag, or find out who moved the tag: docker buildx imagetools inspect " + k.f.ref.text
	}
	return "look at what is served: docker buildx imagetools inspect " + k.f.ref.text
}

// origin says of the image that is served when it was made, and from what: " (made 2026-11-20T08:12:00Z, 12m after the build; revision ...)".
func (k *check) origin() string {
	var parts []string
	if at := k.s.created(); !at.IsZero() {
		parts = append(parts, "made "+at.Format(time.RFC3339)+after(k.there.created(), at))
	}
	if source := k.s.source(); source != "" {
		parts = append(parts, "by its labels "+source)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// after says how far the image that is served is from the one that was built.
func after(built, served time.Time) string {
	if built.IsZero() {
		return ""
	}
	d, word := served.Sub(built), "after"
	if d < 0 {
		d, word = -d, "before"
	}
	switch {
	case d < time.Minute:
		return ", within a minute of the build"
	case d < time.Hour:
		return fmt.Sprintf(", %d min %s the build", int(d.Minutes()), word)
	case d < 48*time.Hour:
		return fmt.Sprintf(", %d h %s the build", int(d.Hours()), word)
	}
	return fmt.Sprintf(", %d days %s the build", int(d.Hours()/24), word)
}

// movedFinding tells that the tag beside a digest names something else. The digest is what is pulled, so it is a note.
func (k *check) movedFinding() verdict.Finding {
	return verdict.Finding{Check: checkDigestName, Outcome: verdict.Note, Doc: "verify-digest",
		Summary:  fmt.Sprintf("the tag %s of %s names %s, not the digest beside it; runtimes pull the digest", k.f.ref.tag, k.f.ref.base, artifact.Short(k.s.movedTo)),
		Evidence: []verdict.Evidence{{What: "tag " + k.f.ref.tag, Got: k.s.movedTo, Want: k.f.ref.digest}},
		Hint:     "leave the tag out, or bring it up to date: people read it and believe it"}
}

// platformFindings says whether the platforms that were asked for can be pulled.
func (k *check) platformFindings() []verdict.Finding {
	var lost, absent []string
	for _, im := range k.s.images {
		if im.missing {
			lost = append(lost, named(im))
		}
	}
	have := k.s.platforms()
	for _, p := range k.image.Platforms {
		if !slices.ContainsFunc(have, func(h string) bool { return artifact.Normal(h) == artifact.Normal(p) }) {
			absent = append(absent, p)
		}
	}
	f := verdict.Finding{Check: checkPlatformsName, Doc: "verify-platforms", Evidence: []verdict.Evidence{
		{What: "platforms of " + k.f.ref.text, Got: orNone(have), Want: list(k.image.Platforms)}}}
	const gone = "; the index names %s, but the registry does not have it: a clean-up of untagged images may have deleted it"
	switch {
	case len(absent) > 0, len(k.s.images) == 0, len(lost) == len(k.s.images):
		f.Outcome, f.Reason = verdict.Fail, reasonMissingPlatform
		f.Summary = fmt.Sprintf("%s has no image for %s; it has: %s", k.f.ref.text, anyOf(absent), orNone(have))
		f.Hint = "build and push the index with --platform " + strings.Join(k.image.Platforms, ",")
		if len(lost) > 0 {
			f.Summary += fmt.Sprintf(gone, list(lost))
			f.Hint = "push the index again, and keep untagged manifests that an index names out of the clean-up"
		}
	case len(lost) > 0:
		f.Outcome = verdict.Note
		f.Summary = k.f.ref.text + ": not every platform can be pulled" + fmt.Sprintf(gone, list(lost))
		f.Hint = "list in platforms what is deployed, so that a missing one is found; push the index again"
	case len(k.image.Platforms) == 0:
		return nil
	default:
		f.Summary = fmt.Sprintf("%s has an image for %s", k.f.ref.text, list(k.image.Platforms))
	}
	return []verdict.Finding{f}
}

func anyOf(platforms []string) string {
	if len(platforms) == 0 {
		return "any platform"
	}
	return list(platforms)
}
