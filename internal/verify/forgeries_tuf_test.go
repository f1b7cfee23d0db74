package verify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/verify/signed"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// tufForgeries are repositories that hand out a trusted root. One that does not hold is an error about the repository: it says nothing
// about the image, and never lets it pass.
func tufForgeries(sg, stranger *forge.Sigstore) []step {
	by := func(name, want, says string, change func(t testing.TB, r *forge.TUF)) step {
		return step{name: "TUF, " + name, want: want, says: says, set: func(s *scene) {
			r := forge.NewTUF(s.t, sg.Root(s.t))
			anchor := r.Anchor(s.t) // what the user trusts was made when all was well
			change(s.t, r)
			if len(r.Files["anchor"]) > 0 {
				anchor = r.Files["anchor"]
			}
			s.tuf(r.Serve(s.t), anchor)
			s.tagged(sg.Layer(s.t, s.claim(), forge.Signing{}))
		}}
	}
	past := time.Now().Add(-time.Hour).UTC()
	return []step{
		by("honest", signedPasses, "is signed by", func(testing.TB, *forge.TUF) {}),
		by("root of a stranger", badSignature, "transparency log", func(t testing.TB, r *forge.TUF) {
			*r = *forge.NewTUF(t, stranger.Root(t))
			r.Files["anchor"] = r.Anchor(t)
		}),
		by("keys of a stranger", "mistake", "other keys", func(t testing.TB, r *forge.TUF) { *r = *forge.NewTUF(t, stranger.Root(t)) }),
		by("expired timestamp", "mistake", "expired", func(_ testing.TB, r *forge.TUF) { r.Timestamp.Signed.Expires = past }),
		by("expired snapshot", "mistake", "expired", func(_ testing.TB, r *forge.TUF) { r.Snapshot.Signed.Expires = past }),
		by("expired targets", "mistake", "expired", func(_ testing.TB, r *forge.TUF) { r.Targets.Signed.Expires = past }),
		by("expired root", "mistake", "expired", func(t testing.TB, r *forge.TUF) { r.Root.Signed.Expires = past; r.Files["anchor"] = r.Anchor(t) }),
		by("threshold 0", "mistake", "insufficient threshold (0)", func(t testing.TB, r *forge.TUF) {
			for _, role := range []string{metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
				r.Root.Signed.Roles[role].Threshold = 0
			}
			r.Files["anchor"] = r.Anchor(t)
		}),
		by("a role called ../../evil, where nothing is kept on the disk", signedPasses, "is signed by", func(t testing.TB, r *forge.TUF) { r.Delegate(t, "../../evil") }),
		by("another target than was signed", "mistake", "404", func(t testing.TB, r *forge.TUF) { r.Target = stranger.Root(t) }),
	}
}

// tuf asks for a keyless signature by what a repository hands out.
func (s *scene) tuf(url string, anchor []byte) {
	path := filepath.Join(s.t.TempDir(), "root.json")
	must(s.t, os.WriteFile(path, anchor, 0o600))
	s.trusts("")
	s.signature.TUF = &signed.TUF{Remote: httpx.Remote{URL: url}, Root: path}
}
