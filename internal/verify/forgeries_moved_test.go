package verify

import (
	"context"
	"testing"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
)

// movedTag moves the tag behind the check: the result pins what was checked, and a second look finds out.
func movedTag(t *testing.T) {
	s := newScene(t)
	t.Run("behind the deploy", movedBehindDeploy)
	r, err := s.run()
	if outcome(r, err) != passes || r.Images[0].Pinned != s.Ref("@"+s.good.digest) {
		t.Fatalf("%v %+v", err, r)
	}
	look := func(end bool) string {
		return brief(Recheck(context.Background(), Options{Images: []Image{s.image}}, []built.Digest{wanted(t, s.good.digest)}, []Verified{{s.image.Image, s.good.digest}}, quick(), end))
	}
	if got := look(false); got != "" {
		t.Errorf("nothing moved: got %s", got)
	}
	s.push(":v1", fake.Image(t, "two", "linux/amd64"))
	if got := look(false); got != "verify/tag unknown" {
		t.Errorf("moved before the deploy's end: got %s", got)
	}
	if got := look(true); got != "verify/tag note" {
		t.Errorf("moved by the end: got %s", got)
	}
	s.want("@"+s.good.digest, s.good.digest)
	if got := look(false); got != "" {
		t.Errorf("deployed by digest, nothing can move: got %s", got)
	}
}

// movedBehindDeploy moves the tag while the deploy runs: the binary does not say that the deploy passed.
func movedBehindDeploy(t *testing.T) {
	s := newScene(t)
	other, err := fake.Image(t, "two", "linux/amd64").RawManifest()
	must(t, err)
	s.Evil = onGet("/manifests/v1$", func(n int) bool { return n > 1 }, string(other))
	cmd := command(t, s.config())
	cmd.Args = []string{cmd.Path, "run", "--format", "json", "--", "true"}
	if b := runBinary(t, cmd); b.code != 12 || b.reason != "inconclusive/tag-moved" {
		t.Errorf("exit %d with %s, want 12 with inconclusive/tag-moved\n%s", b.code, b.reason, b.text)
	}
}
