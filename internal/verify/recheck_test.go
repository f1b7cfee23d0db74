package verify

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/deployed"
)

// running is a deployment whose pods run these digests.
type running struct {
	ref     string
	digests []string
}

func (r running) Read(context.Context) (deployed.State, error) {
	st := deployed.State{From: "pods", Unit: "pod"}
	for i, d := range r.digests {
		pod := "pod " + string(rune('a'+i))
		st.Containers = append(st.Containers, deployed.Container{Where: pod, Unit: pod, Image: r.ref, Digest: d, Ready: true})
	}
	return st, nil
}
func (running) Live() bool   { return true }
func (running) Behind() bool { return true }

func TestRecheck(t *testing.T) {
	w := fake.New(t)
	one, other := fake.Image(t, "one", "linux/amd64"), fake.Image(t, "other", "linux/amd64")
	d := w.Push(":v1", one)
	w.Push(":other", other)
	otherDigest := fake.DigestOf(t, other)
	move := func() { w.Push(":v1", other) }
	down := func() {
		w.Evil = func(rw http.ResponseWriter, r *http.Request) bool { rw.WriteHeader(http.StatusBadGateway); return true }
	}
	for _, tt := range []struct {
		name, ref string
		before    func()
		end       bool
		pods      []string
		want      string
	}{
		{"behind the deploy, unmoved", ":v1", nil, false, nil, ""},
		{"at the end, unmoved", ":v1", nil, true, nil, "verify/tag pass"},
		{"moved while it was deployed", ":v1", move, false, nil, "verify/tag inconclusive"},
		{"moved later", ":v1", move, true, nil, "verify/tag note"},
		{"by digest there is no tag to move", "@" + d, move, true, nil, ""},
		{"what runs is asked at the end only", ":v1", move, false, []string{d}, ""},
		{"the tag moved, and what runs is the image", ":v1", move, true, []string{d, d}, "verify/tag note; verify/deployed pass"},
		{"pods run the image ID", ":v1", nil, true, []string{fake.ConfigOf(t, one)}, "verify/tag pass; verify/deployed pass"},
		{"pods run another image", ":v1", nil, true, []string{otherDigest}, "verify/tag pass; verify/deployed fail digest"},
		{"the registry is down", ":v1", down, false, nil, "verify/tag note"},
		{"the registry is down, the pods tell", ":v1", down, true, []string{d}, "verify/tag note; verify/deployed pass"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Evil = nil
			w.Push(":v1", one)
			if tt.before != nil {
				tt.before()
			}
			o := Options{Images: []Image{{Image: w.Ref(tt.ref)}}}
			if tt.pods != nil {
				o.Deployed = []deployed.Spec{{Kind: "kubernetes", Source: running{w.Ref(":v1"), tt.pods}}}
			}
			verified := []Verified{{Ref: w.Ref(tt.ref), Digest: d}}
			fs := Recheck(context.Background(), o, []built.Digest{wanted(t, d)}, verified, quick(), tt.end)
			if got := strings.ReplaceAll(brief(fs), "unknown", "inconclusive"); got != tt.want {
				t.Errorf("got %s, want %s\n%s", got, tt.want, dump(fs))
			}
		})
	}
}

// rollout is a deployment whose pods come to run the image after some looks.
type rollout struct {
	*running
	looks int
}

func (r *rollout) Read(ctx context.Context) (deployed.State, error) {
	if r.looks--; r.looks == 0 {
		r.digests[1] = r.digests[0]
	}
	return r.running.Read(ctx)
}

// A rollout that is not over is looked at again, up to a limit.
func TestSettled(t *testing.T) {
	image := deployedImage{text: "a.io/app:v1", base: "a.io/app", repo: "a.io/app", tag: "v1", made: digestA, pinned: "a.io/app@" + digestA,
		set: map[string]known{digestA: {"manifest digest", false}}}
	for _, tt := range []struct {
		looks int
		want  string
		took  time.Duration
	}{{1, "verify/deployed pass", 0}, {4, "verify/deployed pass", 15 * time.Second}, {1000, "verify/deployed unknown", settleFor}} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			source := &rollout{&running{"a.io/app:v1", []string{digestA, digestB}}, tt.looks}
			fs := Options{}.settled(t.Context(), []deployed.Spec{{Kind: "kubernetes", Source: source}}, []deployedImage{image})
			if got := brief(fs); got != tt.want || time.Since(begin) != tt.took {
				t.Errorf("%d looks: got %s after %s, want %s after %s\n%s", tt.looks, got, time.Since(begin), tt.want, tt.took, dump(fs))
			}
		})
	}
}
