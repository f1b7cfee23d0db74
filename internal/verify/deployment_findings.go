package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/deployed"
)

const (
	checkDeployedName = "verify/deployed"

	reasonMixedVersions = "mixed-versions" // some of what runs is the image, some is not
	reasonRolling       = "rolling"        // nothing of what runs is the image, and the rollout is not over
	reasonUnproved      = "unproved"       // it can't be said
	reasonNotDeployed   = "not-deployed"   // nothing is of the image's repository
)

// reading is what one source said. live is that it tells what runs (Source.Live).
type reading struct {
	state deployed.State
	live  bool
}

// deployments says of every image whether it is what is declared, or what runs. It is pure: no I/O. behind is that the deploy is made. There is
// one finding for each source that has the image, in the order of the images, and notes; for an image that no source has, the first one's.
func deployments(images []deployedImage, readings []reading, behind bool) []verdict.Finding {
	views := make([][]view, len(images))
	for _, r := range readings {
		of, others := assign(images, r.state.Containers, r.live, behind)
		for i, d := range images {
			views[i] = append(views[i], view{image: d, state: r.state, live: r.live, seen: of[i], others: others, behind: behind})
		}
	}
	var fs []verdict.Finding
	for _, vs := range views {
		fs = append(fs, ofImage(vs)...)
	}
	return fs
}

func ofImage(vs []view) []verdict.Finding {
	var fs []verdict.Finding
	for _, v := range vs {
		if len(v.seen) > 0 {
			fs = append(fs, v.findings()...)
		}
	}
	if len(fs) == 0 && len(vs) > 0 {
		return []verdict.Finding{vs[0].absent()}
	}
	return fs
}

// view is one image in a deployment.
type view struct {
	image  deployedImage
	state  deployed.State
	seen   []sighting
	units  []sighting // what runs: one for each pod or task, the worst of its containers
	others int        // containers of other images
	live   bool
	behind bool
}

func (v view) findings() []verdict.Finding {
	if v.live {
		v.units = v.byUnit()
		return v.runs()
	}
	v.units = v.seen
	return v.declares()
}

// byUnit counts every pod once: it is the image where all its containers of that repository are.
func (v view) byUnit() []sighting {
	at := map[string]int{}
	var units []sighting
	for _, s := range v.seen {
		i, ok := at[s.c.Unit]
		if !ok {
			at[s.c.Unit] = len(units)
			units = append(units, s)
			continue
		}
		if s.class > units[i].class {
			units[i] = s
		}
	}
	return units
}

// count counts the units of a class, and those of them that are ready.
func (v view) count(c class) (all, ready int) {
	for _, s := range v.units {
		if s.class == c {
			all++
			if s.c.Ready {
				ready++
			}
		}
	}
	return all, ready
}

// runs judges what runs. Another image is a Fail only where nothing runs this one and nothing says that it will.
func (v view) runs() []verdict.Finding {
	good, goodReady := v.count(same)
	bad, badReady := v.count(another)
	open, openReady := v.count(unclear)
	f := v.finding()
	switch {
	case bad > 0 && good == 0 && (v.state.Unsettled != "" || open > openReady):
		v.unknown(&f, reasonRolling, "no %s runs it yet, and the rollout is not over", v.state.Unit)
		f.Hint = "run this behind the rollout's end: kubectl rollout status, aws ecs wait services-stable, helm upgrade --wait"
	case bad > 0 && good == 0 && open == 0:
		f.Outcome, f.Reason = verdict.Fail, reasonDigest
		f.Summary = fmt.Sprintf("%s: %s run %s, the build made %s", v.image.text, v.counted(bad, len(v.units)), v.gots(another), v.image.made)
		f.Hint = v.cure("the wrong image is live: roll back, then deploy ")
	case bad > 0 && good > 0 && (badReady > 0 || goodReady == 0 || v.state.Unsettled != ""):
		v.unknown(&f, reasonMixedVersions, "%s run it, the others run %s", v.counted(good, len(v.units)), v.gots(another))
		f.Hint = "wait for the rollout's end, and look for what holds it up; where two versions are meant to run, name the workload of this one"
	case openReady > 0 || bad > 0 && good == 0:
		v.unknown(&f, reasonUnproved, "it can't be said of %s whether they run it: %s", v.counted(open, len(v.units)), v.whys())
		f.Hint = v.cure("what is declared by digest is proved by it: deploy ")
	case goodReady == 0:
		v.unknown(&f, reasonUnproved, "%s have it, but none is ready", v.counted(good, len(v.units)))
		f.Hint = "run this when the new version serves; look at why none is ready"
	default:
		f.Summary = fmt.Sprintf("%s: %s run it and are ready, matched by %s", v.image.text, v.counted(goodReady, len(v.units)), v.hows())
		if v.state.Unsettled != "" {
			f.Summary += " (" + v.state.Unsettled + ")"
		}
		return v.withNotReady(v.complete(f), bad+open)
	}
	return []verdict.Finding{v.complete(f)}
}

// withNotReady notes what does not serve and is not proved: it may be about to start, or about to go.
func (v view) withNotReady(f verdict.Finding, n int) []verdict.Finding {
	if n == 0 {
		return []verdict.Finding{f}
	}
	note := v.finding()
	note.Outcome = verdict.Note
	note.Summary = fmt.Sprintf("%s: %s are not ready and are not proved to run it", v.image.text, v.counted(n, len(v.units)))
	note.Evidence = v.evidence()
	note.Hint = "look at why they are not ready: kubectl describe pod"
	return []verdict.Finding{f, note}
}

// declares judges what is declared.
func (v view) declares() []verdict.Finding {
	good, _ := v.count(same)
	bad, _ := v.count(another)
	open, _ := v.count(unclear)
	f := v.finding()
	switch {
	case v.state.Unsettled != "":
		v.unknown(&f, reasonRolling, "what is installed is not settled")
		f.Hint = "run this behind the end of the upgrade, and look at why it did not succeed: helm history"
	case bad > 0:
		f.Outcome, f.Reason = verdict.Fail, reasonDigest
		f.Summary = fmt.Sprintf("%s: %s are of another image: %s", v.image.text, v.counted(bad, len(v.seen)), v.whys())
		f.Hint = v.cure("write ")
	case open > 0:
		v.unknown(&f, reasonUnproved, "it can't be said of %s: %s", v.counted(open, len(v.seen)), v.whys())
		f.Hint = v.cure("write ")
	default:
		f.Summary = fmt.Sprintf("%s: %s declare it, matched by %s", v.image.text, v.counted(good, len(v.seen)), v.hows())
		return v.withTags(v.complete(f))
	}
	return []verdict.Finding{v.complete(f)}
}

// withTags notes what is declared by tag only: it is the right tag now.
func (v view) withTags(f verdict.Finding) []verdict.Finding {
	n := 0
	for _, s := range v.seen {
		if s.how == "" {
			n++
		}
	}
	if n == 0 {
		return []verdict.Finding{f}
	}
	note := v.finding()
	note.Outcome = verdict.Note
	note.Summary = fmt.Sprintf("%s: declared by tag: the tag can move between this check and each pull; deploy %s instead", v.image.text, v.image.pinned)
	note.Hint = "put the digest behind the tag, " + v.image.base + ":" + v.image.tag + strings.TrimPrefix(v.image.pinned, v.image.base)
	return []verdict.Finding{f, note}
}

// absent is what to say where nothing is of the image's repository. It never passes. Before the deploy it is proved that what will be
// deployed has no such image; behind it, more likely the wrong place was looked at, which is no reason to roll back.
func (v view) absent() verdict.Finding {
	f := v.finding()
	f.Outcome, f.Reason = verdict.Fail, reasonNotDeployed
	if v.behind {
		f.Outcome = verdict.Unknown
	}
	f.Summary = fmt.Sprintf("%s: no container of this image was found", v.image.text)
	switch {
	case len(v.state.Containers) == 0 && v.state.Unsettled != "":
		f.Summary += ": " + v.state.Unsettled
	case len(v.state.Containers) == 0:
		f.Summary += ": no container at all was found"
	default:
		f.Summary += fmt.Sprintf(" among %s", plural(len(v.state.Containers), "container"))
	}
	f.Hint = "check where it was looked: " + v.state.From
	if names := v.images(); names != "" {
		f.Hint += "; the images there are " + names + "; where one of them is this image in another registry, write that one under verify.images"
	}
	f.Evidence = []verdict.Evidence{{What: "containers of " + v.image.base + " in " + v.state.From, Got: "none", Want: v.image.pinned}}
	return v.complete(f)
}

// images lists what was found, those that end in the same name first.
func (v view) images() string {
	last := v.image.repo[strings.LastIndexByte(v.image.repo, '/')+1:]
	var near, far []string
	for _, c := range v.state.Containers {
		repo, _, _ := strings.Cut(c.Image, "@")
		if strings.HasSuffix(parsePlace(c.Image).repo, "/"+last) {
			near = append(near, repo)
		} else {
			far = append(far, repo)
		}
	}
	slices.Sort(near)
	slices.Sort(far)
	all := append(slices.Compact(near), slices.Compact(far)...)
	if len(all) > 5 {
		all = append(all[:5:5], "and others")
	}
	return clean.Cut(strings.Join(all, ", "), 400)
}

func (v view) finding() verdict.Finding {
	return verdict.Finding{Check: checkDeployedName, Doc: "verify-deployed"}
}

func (v view) unknown(f *verdict.Finding, reason, format string, args ...any) {
	f.Outcome, f.Reason = verdict.Unknown, reason
	f.Summary = v.image.text + ": " + fmt.Sprintf(format, args...)
	if v.state.Unsettled != "" {
		f.Summary += " (" + v.state.Unsettled + ")"
	}
}

// complete adds what was seen, what was not looked at, and where.
func (v view) complete(f verdict.Finding) verdict.Finding {
	if v.others > 0 && len(v.seen) > 0 {
		f.Summary += fmt.Sprintf("; %s of other images not looked at", plural(v.others, "container"))
	}
	if len(v.seen) > 0 {
		f.Evidence = append(f.Evidence, v.evidence()...)
	}
	if len(v.state.LeftOut) > 0 {
		f.Evidence = append(f.Evidence, verdict.Evidence{What: "left out", Got: clean.Cut(strings.Join(v.state.LeftOut, "; "), 600)})
	}
	return f
}

const (
	maxGroups = 10 // of equal sightings in the evidence
	maxNamed  = 5  // of those in a group
)

// evidence groups what was seen by what it is.
func (v view) evidence() []verdict.Evidence {
	type group struct{ got, note string }
	var order []group
	members := map[group][]string{}
	for _, s := range v.seen {
		g := group{s.got, s.note()}
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], s.c.Where)
	}
	out := []verdict.Evidence{{What: "looked at", Got: v.state.From}}
	for i, g := range order {
		if i == maxGroups {
			out = append(out, verdict.Evidence{What: fmt.Sprintf("and %d kinds more", len(order)-maxGroups)})
			break
		}
		where := members[g]
		text := strings.Join(where[:min(len(where), maxNamed)], ", ")
		if more := len(where) - maxNamed; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, verdict.Evidence{What: clean.Cut(text, 800), Got: clean.Cut(g.got+" ("+g.note+")", 300), Want: v.image.wanted()})
	}
	return out
}

func (d deployedImage) wanted() string {
	if d.pinned != "" {
		return d.pinned
	}
	return d.made
}

func (s sighting) note() string {
	switch {
	case s.class != same:
		return s.why
	case s.how == "":
		return "the tag that was verified"
	}
	return s.how
}

// hows lists which digests matched.
func (v view) hows() string {
	set := map[string]bool{}
	for _, s := range v.seen {
		if s.class == same {
			set[s.note()] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}

// gots lists the digests that units of a class run.
func (v view) gots(c class) string {
	var out []string
	for _, s := range v.units {
		if s.class == c && !slices.Contains(out, s.got) {
			out = append(out, s.got)
		}
	}
	if len(out) > 3 {
		out = append(out[:3:3], fmt.Sprintf("and %d more", len(out)-3))
	}
	return strings.Join(out, ", ")
}

// whys lists what is wrong or not clear.
func (v view) whys() string {
	var out []string
	for _, s := range v.units {
		if why := s.why + " (" + s.got + ")"; s.class != same && !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	if len(out) > 3 {
		out = append(out[:3:3], fmt.Sprintf("and %d more", len(out)-3))
	}
	return clean.Cut(strings.Join(out, "; "), 500)
}

// cure names what to deploy, where that is known.
func (v view) cure(before string) string {
	if v.image.pinned == "" {
		return before + "the image that was built, by the digest that the registry gave its push"
	}
	return before + v.image.pinned
}

// counted is "3 of 5 pods".
func (v view) counted(n, of int) string {
	word := v.state.Unit
	if word == "" {
		word = "container"
	}
	return fmt.Sprintf("%d of %d %ss", n, of, word)
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
