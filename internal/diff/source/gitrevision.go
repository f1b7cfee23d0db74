package source

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// revision names a commit as git does (gitrevisions(7)): a name, then steps to ancestors. go-git's own reader takes more forms, but leaves
// out silently what it does not know, and ^3 for ^2.
type revision struct {
	text  string
	base  string // a ref, a hash or the beginning of one
	steps []ancestor
}

// ancestor is one step: the nth parent, or n times the first.
type ancestor struct {
	parent, times int
}

// String is the revision as it was written, safe to print.
func (r revision) String() string { return clean.Cut(r.text, 200) }

// maxSteps bounds how far back an ancestor is: each step reads a commit.
const maxSteps = 10_000

var (
	revisionBase = lazyregexp.New(`^[^\x00-\x20\x7f~^:?*\[\\{}]+$`)
	revisionStep = lazyregexp.New(`^(?:~(\d{0,5})|\^\{(?:commit)?\}|\^(\d{0,3}))`)
)

func parseRevision(s string) (revision, error) {
	r := revision{text: s}
	refuse := func(why string) (revision, error) {
		return r, fmt.Errorf("ref %q: %s", clean.Cut(s, 200), why)
	}
	switch {
	case strings.Contains(s, "@{"):
		return refuse("what a branch was earlier is not in a CI job's clone: name a commit, a tag or an ancestor (main~1)")
	case strings.Contains(s, ".."):
		return refuse("want one commit, got a range")
	case strings.HasPrefix(s, ":") || strings.Contains(s, "^{/"):
		return refuse("commits are not searched by their message: name a commit, a tag or an ancestor (main~1)")
	}
	i := strings.IndexAny(s, "~^")
	if i < 0 {
		i = len(s)
	}
	r.base = s[:i]
	if r.base == "@" {
		r.base = "HEAD"
	}
	if !revisionBase.MatchString(r.base) || strings.HasPrefix(r.base, "-") {
		return refuse("want a revision of git, e.g. main, origin/main, v2.3.0, 4f2a9c1, HEAD~1")
	}
	for rest := s[i:]; rest != ""; {
		m := revisionStep.FindStringSubmatch(rest)
		if m == nil {
			return refuse("want ~N or ^N behind the name")
		}
		r.steps = append(r.steps, stepOf(m))
		rest = rest[len(m[0]):]
	}
	total := 0
	for _, a := range r.steps {
		total += a.times
	}
	if total > maxSteps {
		return refuse(fmt.Sprintf("want at most %d steps back", maxSteps))
	}
	return r, nil
}

// stepOf reads ~3, ~, ^2, ^, ^0 and ^{commit}.
func stepOf(m []string) ancestor {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 1
		}
		return n
	}
	switch {
	case m[0][0] == '~':
		return ancestor{1, number(m[1])}
	case m[0] == "^{}", m[0] == "^{commit}", number(m[2]) == 0:
		return ancestor{}
	}
	return ancestor{number(m[2]), 1}
}

// resolve finds the commit.
func (r *repository) resolve(rev revision) (plumbing.Hash, error) {
	h, err := r.base(rev.base)
	if err == nil {
		h, err = r.peel(h)
	}
	for _, a := range rev.steps {
		for range a.times {
			if err == nil {
				h, err = r.parent(h, a.parent)
			}
		}
	}
	if err != nil {
		return h, fmt.Errorf("git: %s in %s: %w", rev, r.place.name, err)
	}
	if _, err = r.commit(h); err != nil {
		return h, fmt.Errorf("git: %s in %s: %w", rev, r.place.name, err)
	}
	return h, nil
}

// peel follows annotated tags.
func (r *repository) peel(h plumbing.Hash) (plumbing.Hash, error) {
	for range 10 {
		o, err := r.get(h, maxGitMeta)
		if err != nil {
			return h, err
		}
		switch o.Type() {
		case plumbing.CommitObject:
			return h, nil
		case plumbing.TagObject:
		default:
			return h, fmt.Errorf("it is a %s, want a commit", o.Type())
		}
		t := &object.Tag{}
		if err := t.Decode(o); err != nil {
			return h, fmt.Errorf("object %s: %w", short(h), err)
		}
		h = t.Target
	}
	return h, errors.New("it is a tag of a tag of a tag, ten times")
}

func (r *repository) parent(h plumbing.Hash, n int) (plumbing.Hash, error) {
	c, err := r.commit(h)
	switch {
	case err != nil:
		return h, err
	case len(c.ParentHashes) == 0:
		return h, fmt.Errorf("commit %s is the first, there is none before it%s", short(h), r.whyNot())
	case len(c.ParentHashes) < n:
		return h, fmt.Errorf("commit %s has %d parents, want number %d", short(h), len(c.ParentHashes), n)
	}
	return c.ParentHashes[n-1], nil
}

var (
	fullHash  = lazyregexp.New(`^[0-9a-fA-F]{40}$`)
	shortHash = lazyregexp.New(`^[0-9a-fA-F]{4,39}$`)
	pseudoRef = lazyregexp.New(`^[A-Z][A-Z_]*$`) // HEAD, ORIG_HEAD
)

// base finds what a name stands for, in git's order: a whole hash, a ref, the beginning of a hash.
func (r *repository) base(name string) (plumbing.Hash, error) {
	if fullHash.MatchString(name) {
		return plumbing.NewHash(strings.ToLower(name)), nil
	}
	if name == "FETCH_HEAD" {
		return r.fetchHead()
	}
	h, err := r.ref(name)
	if err != nil || !h.IsZero() {
		return h, err
	}
	if shortHash.MatchString(name) {
		if h, err = r.abbreviated(strings.ToLower(name)); err != nil || !h.IsZero() {
			return h, err
		}
	}
	return h, r.unknown(name)
}

// ref looks where git looks for a name. A name that stands for two commits is refused: which one git takes, it tells in a warning.
func (r *repository) ref(name string) (plumbing.Hash, error) {
	var found plumbing.Hash
	var first string
	for _, place := range []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s", "refs/remotes/%s/HEAD"} {
		full := plumbing.ReferenceName(fmt.Sprintf(place, name))
		if place == "%s" && !pseudoRef.MatchString(name) && !strings.HasPrefix(name, "refs/") || full.Validate() != nil {
			continue
		}
		h, err := r.reference(full)
		switch {
		case err != nil:
			return h, err
		case h.IsZero():
		case found.IsZero():
			found, first = h, full.String()
		case r.differ(found, h):
			return h, fmt.Errorf("the name is ambiguous: %s is one commit, %s another: write the one you mean", first, clean.Cut(full.String(), 200))
		}
	}
	return found, nil
}

// reference reads one ref; the zero hash says that there is none.
func (r *repository) reference(name plumbing.ReferenceName) (plumbing.Hash, error) {
	ref, err := storer.ResolveReference(r.own, name)
	switch {
	case errors.Is(err, plumbing.ErrReferenceNotFound), err != nil && r.isFolder(name):
		return plumbing.ZeroHash, nil
	case err != nil:
		return plumbing.ZeroHash, fmt.Errorf("%s: %w", clean.Cut(name.String(), 200), sanitised(err))
	}
	return ref.Hash(), nil
}

// isFolder says whether a name is that of a folder of refs: refs/remotes/origin.
func (r *repository) isFolder(name plumbing.ReferenceName) bool {
	fi, err := r.own.Filesystem().Stat(name.String())
	return err == nil && fi.IsDir()
}

func (r *repository) differ(a, b plumbing.Hash) bool {
	x, errX := r.peel(a)
	y, errY := r.peel(b)
	return errX != nil || errY != nil || x != y
}

// fetchHead is what was fetched last: its first line begins with the commit.
func (r *repository) fetchHead() (plumbing.Hash, error) {
	b, err := readSmall(filepath.Join(r.place.dot, "FETCH_HEAD"), 1<<20)
	if err != nil || len(b) < 40 || !fullHash.Match(b[:40]) {
		return plumbing.ZeroHash, errors.New("nothing was fetched: run git fetch before this step")
	}
	return plumbing.NewHash(string(b[:40])), nil
}

// abbreviated finds the commit whose hash begins so; the zero hash says that there is none.
func (r *repository) abbreviated(prefix string) (plumbing.Hash, error) {
	raw, err := hex.DecodeString(prefix[:len(prefix)&^1])
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var found []plumbing.Hash
	for _, s := range r.stores {
		hs, err := s.HashesWithPrefix(raw)
		if err != nil {
			return plumbing.ZeroHash, sanitised(err)
		}
		for _, h := range hs {
			if strings.HasPrefix(h.String(), prefix) && !slices.Contains(found, h) && r.committish(h) {
				found = append(found, h)
			}
		}
	}
	switch len(found) {
	case 0:
		return plumbing.ZeroHash, nil
	case 1:
		return found[0], nil
	}
	slices.SortFunc(found, func(a, b plumbing.Hash) int { return strings.Compare(a.String(), b.String()) })
	return plumbing.ZeroHash, fmt.Errorf("the short hash is ambiguous: %s and %s begin with it: write more of it", found[0], found[1])
}

// committish says whether an object is a commit or a tag of one.
func (r *repository) committish(h plumbing.Hash) bool {
	_, err := r.peel(h)
	return err == nil
}

// unknown says what may be meant, and why it may not be here.
func (r *repository) unknown(name string) error {
	if h, err := r.reference(plumbing.ReferenceName("refs/remotes/origin/" + name)); err == nil && !h.IsZero() {
		return fmt.Errorf("there is no such branch, tag or commit, but origin/%s: write that", name)
	}
	fetch := fmt.Sprintf(" (git fetch origin %s)", clean.Cut(strings.TrimPrefix(name, "origin/"), 200))
	if r.shallow {
		return fmt.Errorf("there is no such branch, tag or commit%s%s", r.whyNot(), fetch)
	}
	return fmt.Errorf("there is no such branch, tag or commit: fetch it before this step%s", fetch)
}
