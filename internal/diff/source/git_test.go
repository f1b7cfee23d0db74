package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/bakegate/bakegate/internal/diff"
)

// gitRepo is a repository that the git program made.
type gitRepo struct {
	t   testing.TB
	dir string
}

func newGit(t testing.TB, args ...string) gitRepo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	g := gitRepo{t, filepath.Join(t.TempDir(), "repo")}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g.run(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return g
}

func (g gitRepo) run(args ...string) string {
	g.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+g.t.TempDir(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE=2026-11-20T08:00:00Z", "GIT_COMMITTER_DATE=2026-11-20T08:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files and commits them.
func (g gitRepo) commit(message string, files map[string]string) string {
	g.t.Helper()
	write(g.t, g.dir, files)
	g.run("add", "-A")
	g.run("commit", "-q", "--allow-empty", "-m", message)
	return g.run("rev-parse", "HEAD")
}

func (g gitRepo) snapshot(o GitOptions) (diff.Tree, error) {
	g.t.Helper()
	return snapshotOf(g.t, "git", o, Env{Dir: g.dir})
}

func TestGitRevisions(t *testing.T) {
	g := newGit(t)
	v := func(n int) map[string]string { return map[string]string{"d/a.yaml": fmt.Sprintf("v: %d", n)} }
	first := g.commit("one", v(1))
	second := g.commit("two", v(2))
	g.run("tag", "light")
	g.run("tag", "-a", "-m", "x", "v2")
	g.run("tag", "-a", "-m", "x", "outer", "v2")
	g.run("checkout", "-q", "-b", "side", first)
	side := g.commit("side", map[string]string{"d/b.yaml": "b: 1"})
	g.run("checkout", "-q", "-b", "third", first)
	g.commit("third", map[string]string{"d/c.yaml": "c: 1"})
	g.run("checkout", "-q", "main")
	g.run("merge", "-q", "-m", "octopus", "side", "third")
	g.commit("after", map[string]string{"d/a.yaml": "v: 3"})
	g.run("update-ref", "refs/remotes/origin/main", second)
	g.run("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	g.run("update-ref", "refs/remotes/origin/release", first)
	for _, how := range []string{"loose", "packed"} {
		for _, ref := range []string{"HEAD", "@", "main", "refs/heads/main", "heads/main", first, strings.ToUpper(first), second[:7], second[:12], second[:11], "light", "v2", "outer",
			"v2^{}", "v2^{commit}", "v2^0", "origin/main", "origin/main~1", "origin", "HEAD~1^2", "HEAD~^3", "HEAD^^1", "HEAD~3", "side", "HEAD~1^2~1", "tags/light"} {
			want := g.run("rev-parse", ref+"^{commit}")
			tree, err := g.snapshot(GitOptions{Ref: ref, Path: "d/a.yaml"})
			if err != nil {
				t.Errorf("%s, %s: %v", how, ref, err)
				continue
			}
			if file := want[:10] + ":d/a.yaml"; tree.Objects[0].File != file {
				t.Errorf("%s, %s: got %s, want %s", how, ref, tree.Objects[0].File, file)
			}
			if got, want := "v: "+value(t, tree, "v"), g.run("show", want+":d/a.yaml"); got != want {
				t.Errorf("%s, %s: got %s, want %s", how, ref, got, want)
			}
		}
		g.run("gc", "-q", "--prune=now")
		g.run("pack-refs", "--all")
	}
	tree, err := g.snapshot(GitOptions{Ref: "origin/main~1", Path: "d"})
	if want := "d at origin/main~1 (" + first[:10] + ")"; err != nil || tree.Name != want {
		t.Errorf("got %s (%v), want %s", tree.Name, err, want)
	}
	g.run("fetch", "-q", ".", "side")
	tree, err = g.snapshot(GitOptions{Ref: "FETCH_HEAD", Path: "d/b.yaml"})
	if err != nil || tree.Objects[0].File != side[:10]+":d/b.yaml" {
		t.Errorf("FETCH_HEAD: got %s (%v)", names(tree), err)
	}
	for ref, want := range map[string]string{
		"nowhere":                           "there is no such branch, tag or commit: fetch it before this step (git fetch origin nowhere)",
		"origin/nowhere":                    "(git fetch origin nowhere)",
		"release":                           "there is no such branch, tag or commit, but origin/release: write that",
		"refs/remotes/origin":               "there is no such branch, tag or commit",
		"HEAD~9":                            "is the first, there is none before it",
		"HEAD^2":                            "has 1 parents, want number 2",
		"HEAD~1^4":                          "has 3 parents, want number 4",
		"HEAD:d":                            "ref \"HEAD:d\": want a revision of git",
		g.run("rev-parse", "HEAD:d/a.yaml"): "it is a blob, want a commit",
		strings.Repeat("ab", 20):            "object ababababab is not in the repository",
	} {
		s, err := build("git", GitOptions{Ref: ref, Path: "d"})
		if err == nil {
			s.(Wants).Use(Env{Dir: g.dir})
			_, err = s.Snapshot(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", ref, err, want)
		}
	}
}

func TestGitRefusesRevisions(t *testing.T) {
	for ref, want := range map[string]string{
		"": "want a revision", "main@{1}": "what a branch was earlier", "@{u}": "what a branch was earlier", "a..b": "got a range", ":/fix": "not searched",
		"HEAD^{/fix}": "not searched", "HEAD^{tree}": "want ~N or ^N", "HEAD~x": "want ~N or ^N", "~1": "want a revision", "a b": "want a revision", "-x": "want a revision",
		"HEAD~99999": "at most 10000 steps", "a\x00": "want a revision", "a*": "want a revision", "../x": "got a range", "HEAD~999999": "want ~N",
	} {
		if _, err := build("git", GitOptions{Ref: ref, Path: "d"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", ref, err, want)
		}
	}
	for text, want := range map[string]GitOptions{
		"main:d": {Ref: "main", Path: "d"}, "origin/main~1:./d/x.yaml": {Ref: "origin/main~1", Path: "./d/x.yaml"}, "HEAD^{/a:b}:d": {Ref: "HEAD^{/a:b}", Path: "d"},
	} {
		var o GitOptions
		if err := o.UnmarshalText([]byte(text)); err != nil || o.Ref != want.Ref || o.Path != want.Path {
			t.Errorf("%s: got %+v (%v)", text, o, err)
		}
	}
	for _, text := range []string{"main", "main:", ":d", ""} {
		if err := new(GitOptions).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "want REF:PATH") {
			t.Errorf("%q: got %v, want an error", text, err)
		}
	}
}

// Two commits whose hashes begin alike, and a branch and a tag of one name.
func TestGitAmbiguous(t *testing.T) {
	g := newGit(t)
	g.commit("one", map[string]string{"a.yaml": "v: 1"})
	g.run("tag", "both")
	g.run("branch", "same")
	g.run("tag", "same")
	g.commit("two", map[string]string{"a.yaml": "v: 2"})
	g.run("branch", "both")
	if _, err := g.snapshot(GitOptions{Ref: "both", Path: "a.yaml"}); err == nil || !strings.Contains(err.Error(), "ambiguous: refs/tags/both is one commit, refs/heads/both another") {
		t.Errorf("got %v, want that the name is ambiguous", err)
	}
	if _, err := g.snapshot(GitOptions{Ref: "same", Path: "a.yaml"}); err != nil {
		t.Errorf("a tag and a branch of one commit: %v", err)
	}
	seen := map[string]bool{}
	prefix := ""
	for i := 0; prefix == ""; i++ {
		h := g.run("commit-tree", "HEAD^{tree}", "-m", fmt.Sprint(i))
		if p := h[:4]; seen[p] {
			prefix = p
		} else {
			seen[p] = true
		}
		if i > 3000 {
			t.Fatal("no two commits begin alike")
		}
	}
	if _, err := g.snapshot(GitOptions{Ref: prefix, Path: "a.yaml"}); err == nil || !strings.Contains(err.Error(), "the short hash is ambiguous: "+prefix) {
		t.Errorf("got %v, want that %s is ambiguous", err, prefix)
	}
}

// The usual clone of a CI job holds one commit.
func TestGitShallow(t *testing.T) {
	g := newGit(t)
	g.commit("one", map[string]string{"a.yaml": "v: 1"})
	g.commit("two", map[string]string{"a.yaml": "v: 2"})
	clone := gitRepo{t, filepath.Join(t.TempDir(), "clone")}
	g.run("clone", "-q", "--depth", "1", "file://"+g.dir, clone.dir)
	if tree, err := clone.snapshot(GitOptions{Ref: "HEAD", Path: "a.yaml"}); err != nil || value(t, tree, "v") != "2" {
		t.Errorf("HEAD: %v", err)
	}
	for _, ref := range []string{"HEAD~1", "origin/release", "v1"} {
		if _, err := clone.snapshot(GitOptions{Ref: ref, Path: "a.yaml"}); err == nil || !strings.Contains(err.Error(), "shallow clone") || !strings.Contains(err.Error(), "fetch-depth: 0") {
			t.Errorf("%s: got %v, want the cure", ref, err)
		}
	}
	g.run("config", "uploadpack.allowFilter", "true")
	partial := gitRepo{t, filepath.Join(t.TempDir(), "partial")}
	g.run("clone", "-q", "--filter=blob:none", "--no-checkout", "file://"+g.dir, partial.dir)
	if _, err := partial.snapshot(GitOptions{Ref: "HEAD", Path: "a.yaml"}); err == nil || !strings.Contains(err.Error(), "partial clone") {
		t.Errorf("got %v, want that the clone is partial", err)
	}
}

// Working trees, submodules, bare repositories and clones that borrow objects.
func TestGitPlaces(t *testing.T) {
	g := newGit(t)
	g.commit("one", map[string]string{"conf/a.yaml": "v: 1", "conf/bakegate.yaml": "x: 1"})
	other := filepath.Join(t.TempDir(), "worktree")
	g.run("worktree", "add", "-q", "-b", "wt", other)
	wt := gitRepo{t, other}
	wt.commit("two", map[string]string{"conf/a.yaml": "v: 2"})
	bare := filepath.Join(t.TempDir(), "bare.git")
	g.run("clone", "-q", "--bare", g.dir, bare)
	shared := filepath.Join(t.TempDir(), "shared")
	g.run("clone", "-q", "--shared", g.dir, shared)
	second := filepath.Join(t.TempDir(), "second")
	g.run("clone", "-q", "--shared", shared, second)
	super := newGit(t)
	super.run("-c", "protocol.file.allow=always", "submodule", "add", "-q", g.dir, "sub")
	super.commit("super", map[string]string{"x.yaml": "x: 1"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(g.dir, "conf"), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, repository, ref, path, want string }{
		{"from the top", g.dir, "", "HEAD", "conf/a.yaml", "1"},
		{"from the root", g.dir, "", "HEAD", "/conf/a.yaml", "1"},
		{"in a folder below", filepath.Join(g.dir, "conf"), "", "HEAD", "conf/a.yaml", "1"},
		{"from the configuration's folder", filepath.Join(g.dir, "conf"), "", "HEAD", "./a.yaml", "1"},
		{"up from the configuration's folder", filepath.Join(g.dir, "conf"), "", "HEAD", "../conf/a.yaml", "1"},
		{"through a link to the folder", link, g.dir, "HEAD", "./a.yaml", "1"},
		{"a working tree's own HEAD", wt.dir, "", "HEAD", "conf/a.yaml", "2"},
		{"a working tree knows all branches", wt.dir, "", "main", "conf/a.yaml", "1"},
		{"a branch of another working tree", g.dir, "", "wt", "conf/a.yaml", "2"},
		{"bare", t.TempDir(), bare, "wt", "conf/a.yaml", "2"},
		{"relative", filepath.Dir(g.dir), "repo", "HEAD", "conf/a.yaml", "1"},
		{"borrowed objects", shared, "", "HEAD", "conf/a.yaml", "1"},
		{"borrowed from who borrows", second, "", "HEAD", "conf/a.yaml", "1"},
		{"in a submodule", filepath.Join(super.dir, "sub"), "", "HEAD", "conf/a.yaml", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, err := snapshotOf(t, "git", GitOptions{Ref: c.ref, Path: c.path, Repository: c.repository}, Env{Dir: c.dir})
			if err != nil || value(t, tree, "v") != c.want {
				t.Errorf("got %s (%v), want %s", names(tree), err, c.want)
			}
		})
	}
	for _, c := range []struct{ name, dir, repository, path, want string }{
		{"none", "/", "", "a", "is a repository with .git"},
		{"not there", g.dir, "conf", "a", "repository conf: want a folder with .git, or a bare repository"},
		{"out of it", g.dir, "", "../x", "it leaves the repository"},
		{"relative in a bare one", g.dir, bare, "./a", "the repository is bare"},
		{"relative elsewhere", t.TempDir(), g.dir, "./a", "the configuration file is not in the repository"},
		{"no such path", g.dir, "", "nowhere", ":nowhere: there is no such file or folder in commit "},
		{"below a file", g.dir, "", "conf/a.yaml/b", ":conf/a.yaml/b: there is no such file or folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := snapshotOf(t, "git", GitOptions{Ref: "HEAD", Path: c.path, Repository: c.repository}, Env{Dir: c.dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// The walk is that of path: the same files, named by the commit.
func TestGitFiles(t *testing.T) {
	g := newGit(t)
	sub := newGit(t)
	sub.commit("s", map[string]string{"s.yaml": "s: 1"})
	write(t, g.dir, map[string]string{"d/a.yaml": "a: 1", "d/README.md": "x", "d/z/.env": "A=1", "d/empty.yaml": "# nothing", "d/skip/x.yaml": "{", "shared/s.yaml": "s: 1", "d/z/y.yaml": "y: 1"})
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(g.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("../shared/s.yaml", "d/s.yaml")
	link("../shared", "d/folder")
	link("z/../s.yaml", "d/twice.yaml")
	g.run("-c", "protocol.file.allow=always", "submodule", "add", "-q", sub.dir, "d/sub")
	h := g.commit("one", nil)[:10]
	tree, err := g.snapshot(GitOptions{Ref: "HEAD", Path: "d", Exclude: []string{"skip"}})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("/a.yaml@%[1]s:d/a.yaml /folder/s.yaml@%[1]s:d/folder/s.yaml /s.yaml@%[1]s:d/s.yaml /twice.yaml@%[1]s:d/twice.yaml dotenv/z/.env@%[1]s:d/z/.env /z/y.yaml@%[1]s:d/z/y.yaml", h)
	if got := names(tree); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	skipped := fmt.Sprintf("README.md: no configuration by its name|empty.yaml: nothing in it|skip: excluded|sub: a submodule, whose content is another repository's (commit %s)",
		sub.run("rev-parse", "HEAD")[:10])
	if got := strings.Join(tree.Skipped, "|"); got != skipped {
		t.Errorf("got  %s\nwant %s", got, skipped)
	}
	if tree, err := g.snapshot(GitOptions{Ref: "HEAD", Path: "d/folder"}); err != nil || names(tree) != "/s.yaml@"+h+":d/folder/s.yaml" {
		t.Errorf("a path through a link: got %s (%v)", names(tree), err)
	}
	if tree, err := g.snapshot(GitOptions{Ref: "HEAD", Path: "d/s.yaml"}); err != nil || names(tree) != "/s.yaml@"+h+":d/s.yaml" {
		t.Errorf("a link to a file: got %s (%v)", names(tree), err)
	}
}

func TestGitRefusesFiles(t *testing.T) {
	for name, c := range map[string]struct{ link, want string }{
		"out.yaml":   {"../../secret.yaml", ":d/out.yaml: the link leaves the tree"},
		"abs.yaml":   {"/etc/passwd", ":d/abs.yaml: the link leaves the tree"},
		"gone.yaml":  {"nowhere.yaml", ":d/gone.yaml: the link points to nothing"},
		"loop":       {".", ":d/loop: the link leads back"},
		"self.yaml":  {"self.yaml", ":d/self.yaml: too many links"},
		"git.yaml":   {"../.git/config", ":d/git.yaml: the link points to nothing"},
		"above":      {"..", ":d/above/d: the link leads back"},
		"below.yaml": {"a.yaml/x", ":d/below.yaml: the link points to nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGit(t)
			write(t, g.dir, map[string]string{"d/a.yaml": "a: 1"})
			if err := os.Symlink(c.link, filepath.Join(g.dir, "d", name)); err != nil {
				t.Fatal(err)
			}
			g.commit("one", nil)
			if _, err := g.snapshot(GitOptions{Ref: "HEAD", Path: "d"}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, err := g.snapshot(GitOptions{Ref: "HEAD", Path: "d", Exclude: []string{name}}); err != nil {
				t.Errorf("excluded: %v", err)
			}
		})
	}
	g := newGit(t)
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	g.commit("one", map[string]string{"lfs/a.yaml": pointer, "bad/a.yaml": "password: *hunter2\n", "two/a.yaml": "a: [", "two/b.env": "-", "none/x.md": "x"})
	for p, want := range map[string]string{
		"lfs": ":lfs/a.yaml: this is a pointer of Git LFS", "bad": ":bad/a.yaml:1:", "two": ":two/b.env:1:1: want KEY=value", "none": "got none: 1 skipped, e.g. x.md",
	} {
		if _, err := g.snapshot(GitOptions{Ref: "HEAD", Path: p}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want %s", p, err, want)
		}
	}
}

func TestGitLimits(t *testing.T) {
	g := newGit(t)
	g.commit("one", map[string]string{"d/a.yaml": "a: 1", "d/b.yaml": "b: 12345", "d/e/c.yaml": "c: 1"})
	for want, change := range map[string]func(*limits){
		"d/b.yaml: it has 8 bytes, want at most 5":                           func(l *limits) { l.file = 5 },
		"d/b.yaml: the files before it and this one have more than 10 bytes": func(l *limits) { l.total = 10 },
		"d: more than 3 files":                                               func(l *limits) { l.entries = 3 },
		"more values than a configuration":                                   func(l *limits) { l.nodes = 3 },
		"folders are nested deeper than 1":                                   func(l *limits) { l.depth = 1 },
	} {
		src, err := build("git", GitOptions{Ref: "HEAD", Path: "d"})
		if err != nil {
			t.Fatal(err)
		}
		s := src.(*gitSource)
		s.Use(Env{Dir: g.dir})
		change(&s.limits)
		if _, err := s.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := s.Snapshot(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the context was cancelled", err)
		}
	}
}

// What git itself would not write: names that lead out of the tree, a mode that lies about what the object is.
func TestGitHostileTrees(t *testing.T) {
	g := newGit(t)
	g.commit("one", map[string]string{"a.yaml": "a: 1"})
	blob := plumbing.NewHash(g.run("rev-parse", "HEAD:a.yaml"))
	for name, c := range map[string]struct {
		entries []object.TreeEntry
		want    string
	}{
		"dots":            {[]object.TreeEntry{{Name: "..", Mode: filemode.Regular, Hash: blob}}, `the name ".." is none that git writes`},
		"slash":           {[]object.TreeEntry{{Name: "a/b.yaml", Mode: filemode.Regular, Hash: blob}}, `the name "a/b.yaml" is none that git writes`},
		"file for folder": {[]object.TreeEntry{{Name: "d", Mode: filemode.Dir, Hash: blob}}, ":d: "},
		"folder for file": {[]object.TreeEntry{{Name: "d.yaml", Mode: filemode.Regular, Hash: plumbing.NewHash(g.run("rev-parse", "HEAD^{tree}"))}}, "want a file, got a tree"},
		"missing":         {[]object.TreeEntry{{Name: "d.yaml", Mode: filemode.Regular, Hash: plumbing.NewHash(strings.Repeat("12", 20))}}, "is not in the repository"},
	} {
		t.Run(name, func(t *testing.T) {
			h := hashObject(t, g, c.entries)
			commit := g.run("commit-tree", h, "-m", "x")
			_, err := g.snapshot(GitOptions{Ref: commit, Path: "./"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// hashObject writes a tree that git's own commands refuse to make.
func hashObject(t *testing.T, g gitRepo, entries []object.TreeEntry) string {
	t.Helper()
	o := memory.NewStorage().NewEncodedObject()
	o.SetType(plumbing.TreeObject)
	w, err := o.Writer()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(w, "%o %s\x00%s", e.Mode, e.Name, e.Hash[:])
	}
	r, err := o.Reader()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = g.dir, r
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func FuzzRevision(f *testing.F) {
	for _, s := range []string{"HEAD~1^2", "origin/main", "a@{1}", "^", "HEAD^{}", "~", "v1^0~", ":/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRevision(s)
		if err == nil && (r.base == "" || strings.ContainsAny(r.base, "~^: {}*\x00") || !strings.HasPrefix(strings.Replace(s, "@", "HEAD", 1), strings.Replace(r.base, "@", "HEAD", 1)) && r.base != "HEAD") {
			t.Errorf("%q: got %+v", s, r)
		}
	})
}
