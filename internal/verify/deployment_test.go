package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/deployed"
)

// The digests of a built index of two platforms, and of other builds.
var (
	ofIndex, ofAMD, ofARM       = digestOf('1'), digestOf('2'), digestOf('3')
	ofAMDConfig, ofARMConfig    = digestOf('4'), digestOf('5')
	ofOlder, ofEvenOlder, ofJob = digestOf('a'), digestOf('b'), digestOf('c')
)

func digestOf(c byte) string { return "sha256:" + strings.Repeat(string(c), 64) }

// anImage is the image acme/app:v2, verified.
func anImage(change func(*deployedImage)) deployedImage {
	d := deployedImage{text: "ghcr.io/acme/app:v2", base: "ghcr.io/acme/app", repo: "ghcr.io/acme/app", tag: "v2", names: true, pinned: "ghcr.io/acme/app@" + ofIndex, made: ofIndex,
		set: map[string]known{ofIndex: {"index digest", false}, ofAMD: {"manifest of linux/amd64", false}, ofARM: {"manifest of linux/arm64", false},
			ofAMDConfig: {"image ID of linux/amd64", true}, ofARMConfig: {"image ID of linux/arm64", true}}}
	if change != nil {
		change(&d)
	}
	return d
}

// pods writes what runs, one pod a word: IMAGE|NAMED@DIGEST, with ! behind a pod that is not ready. The words app and old stand for a pod of
// the image and of an older one.
func pods(words string) deployed.State {
	st := deployed.State{From: "pods of deployment/app", Unit: "pod"}
	for i, w := range strings.Fields(words) {
		w, notReady := strings.CutSuffix(w, "!")
		switch w {
		case "app":
			w = "ghcr.io/acme/app:v2|ghcr.io/acme/app@" + ofIndex
		case "old":
			w = "ghcr.io/acme/app:v1|ghcr.io/acme/app@" + ofOlder
		case "starting":
			w, notReady = "ghcr.io/acme/app:v2|", true
		case "silent":
			w = "ghcr.io/acme/app:v2|"
		}
		unit := fmt.Sprintf("p%d", i+1)
		image, runs, _ := strings.Cut(w, "|")
		named, digest, ok := strings.Cut(runs, "@")
		if !ok {
			named, digest = "", runs
		}
		st.Containers = append(st.Containers, deployed.Container{Where: "pod " + unit + ", container app", Unit: unit, Image: image, Named: named, Digest: digest, Ready: !notReady})
	}
	return st
}

func result(f verdict.Finding) string { return strings.TrimSpace(f.Outcome.String() + " " + f.Reason) }

// checkFindings compares outcomes and reasons, and looks for a text.
func checkFindings(t *testing.T, fs []verdict.Finding, want, says string) {
	t.Helper()
	var got []string
	for _, f := range fs {
		got = append(got, result(f))
		if f.Check != "verify/deployed" || f.Doc != "verify-deployed" || f.Summary == "" || len(f.Evidence) == 0 && f.Outcome != verdict.Note {
			t.Errorf("a finding without check, page, summary or evidence: %+v", f)
		}
		if f.Outcome != verdict.Pass && f.Hint == "" {
			t.Errorf("a finding without a hint: %+v", f)
		}
	}
	if strings.Join(got, ", ") != want || !strings.Contains(dump(fs), says) {
		t.Errorf("got %s, want %s that says %q\n%s", strings.Join(got, ", "), want, says, dump(fs))
	}
}

func TestRunning(t *testing.T) {
	const repo = "ghcr.io/acme/app"
	partial := func(d *deployedImage) { d.partial = true }
	for _, tt := range []struct {
		name      string
		pods      string
		unsettled string
		change    func(*deployedImage)
		want      string
		says      string
	}{
		// every form in which a runtime names what it runs
		{"index digest", "app app app", "", nil, "pass", "3 of 3 pods run it and are ready, matched by index digest"},
		{"manifest of a platform", repo + ":v2|" + repo + "@" + ofARM, "", nil, "pass", "matched by manifest of linux/arm64"},
		{"config digest", repo + ":v2|" + ofAMDConfig, "", nil, "pass", "matched by image ID of linux/amd64"},
		{"each node its own form", "app " + repo + ":v2|" + ofARMConfig + " " + repo + ":v2|" + repo + "@" + ofAMD, "", nil, "pass",
			"3 of 3 pods run it and are ready, matched by image ID of linux/arm64, index digest, manifest of linux/amd64"},
		{"a mirror", "mirror.acme.dev/ghcr/app:v2|mirror.acme.dev/ghcr/app@" + ofIndex, "", nil, "pass", "1 of 1 pods run it"},
		{"a mirror that only the runtime names", repo + ":v2|mirror.acme.dev/app@" + ofIndex, "", nil, "pass", ""},
		{"another tag of the same image", repo + ":latest|" + repo + "@" + ofIndex, "", nil, "pass", ""},
		{"no digest, declared by digest", repo + "@" + ofIndex + "|", "", nil, "pass", "matched by index digest"},
		{"no digest, declared by the manifest's", repo + ":v2@" + ofAMD + "|", "", nil, "pass", "manifest of linux/amd64"},
		{"no digest, declared by tag", "app silent", "", nil, "unknown unproved", "1 of 2 pods whether they run it: the runtime does not say which digest it runs"},
		{"no digest, declared by an image ID", repo + "@" + ofAMDConfig + "|", "", nil, "fail digest", "nothing can be pulled"},
		{"Docker Hub", "nginx:1|docker.io/library/nginx@" + ofOlder, "", func(d *deployedImage) { d.repo, d.base = "index.docker.io/library/nginx", "docker.io/library/nginx" }, "fail digest", ""},

		// another image
		{"all old", "old old old", "", nil, "fail digest", "3 of 3 pods run " + ofOlder + ", the build made " + ofIndex},
		{"the same tag, another build", repo + ":v2|" + repo + "@" + ofOlder, "", nil, "fail digest", "the wrong image is live: roll back, then deploy " + repo + "@" + ofIndex},
		{"another config", repo + ":v2|" + ofOlder, "", nil, "fail digest", ""},
		{"old and older", "old " + repo + ":v1|" + repo + "@" + ofEvenOlder, "", nil, "fail digest", ofOlder + ", " + ofEvenOlder},
		{"old, not ready", "old!", "", nil, "fail digest", ""},
		{"what was built is known by an image ID only", "old", "", func(d *deployedImage) { d.pinned = "" }, "fail digest", "by the digest that the registry gave its push"},

		// what the runtime says is no proof
		{"a digest of another repository", repo + ":v2|other.dev/app@" + ofOlder, "", nil, "unknown unproved", "another repository, other.dev/app"},
		{"declared by digest, reported by another", repo + "@" + ofIndex + "|" + repo + "@" + ofOlder, "", nil, "unknown unproved", "the runtime reports another"},
		{"an image ID, and not all are known", repo + ":v2|" + ofOlder, "", partial, "unknown unproved", "not every platform's is known"},
		{"a digest with its repository proves in spite of that", "old", "", partial, "fail digest", ""},
		{"some say nothing, the others are old", "old silent", "", nil, "unknown unproved", ""},

		// versions side by side
		{"some old", "app app old", "", nil, "unknown mixed-versions", "2 of 3 pods run it, the others run " + ofOlder},
		{"some old, on the way", "app old", "the rollout is not over", nil, "unknown mixed-versions", "(the rollout is not over)"},
		{"the old ones ready, the new not yet", "app! old", "", nil, "unknown mixed-versions", ""},
		{"the old one not ready any more", "app app old!", "", nil, "pass, note", "1 of 3 pods are not ready and are not proved to run it"},
		{"the old one not ready, on the way", "app old!", "the rollout is not over", nil, "unknown mixed-versions", ""},
		{"all old, the rollout has not begun", "old old", "the cluster has not acted on the newest change yet", nil, "unknown rolling", "no pod runs it yet"},
		{"all old, new ones start", "old old starting", "", nil, "unknown rolling", ""},
		{"new ones run, one starts", "app app starting", "", nil, "pass, note", "2 of 3 pods run it and are ready"},
		{"one starts, one is silent", "app silent starting", "", nil, "unknown unproved", ""},
		{"all new, none ready", "app! app!", "", nil, "unknown unproved", "2 of 2 pods have it, but none is ready"},
		{"only starting", "starting starting", "", nil, "unknown unproved", "none is ready"},
		{"all new, not all ready", "app app!", "", nil, "pass", "1 of 2 pods run it and are ready"},
		{"all new, the rollout not over", "app app", "the rollout is paused", nil, "pass", "(the rollout is paused)"},

		// nothing of it
		{"no pods", "", "", nil, "unknown not-deployed", "no container at all was found"},
		{"no pods, and why", "", "the service is draining", nil, "unknown not-deployed", "the service is draining"},
		{"other images only", "busybox:1|" + ofOlder + " ghcr.io/other/app:v1|", "", nil, "unknown not-deployed", "the images there are ghcr.io/other/app:v1, busybox:1"},
		{"a reference nobody can pull", repo + ":v2:v3| -|", "", nil, "unknown not-deployed", ""},
		{"a name that only begins the same", repo + "-worker:v2|" + repo + "-worker@" + ofOlder, "", nil, "unknown not-deployed", ""},
		{"a sidecar beside it", "app mesh:1|mesh@" + ofOlder, "", nil, "pass", "; 1 container of other images not looked at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := pods(tt.pods)
			st.Unsettled = tt.unsettled
			checkFindings(t, deployment([]deployedImage{anImage(tt.change)}, st, true, true), tt.want, tt.says)
		})
	}
}

func TestDeclared(t *testing.T) {
	const repo = "ghcr.io/acme/app"
	for _, tt := range []struct {
		name   string
		images string
		change func(*deployedImage)
		behind bool
		want   string
		says   string
	}{
		{"by digest", repo + "@" + ofIndex, nil, false, "pass", "1 of 1 containers declare it, matched by index digest"},
		{"by a platform's digest", repo + "@" + ofARM, nil, false, "pass", "manifest of linux/arm64"},
		{"by tag and digest: the digest counts", repo + ":v1@" + ofIndex, nil, false, "pass", ""},
		{"by tag and another digest", repo + ":v2@" + ofOlder, nil, false, "fail digest", "it is declared with another digest (" + ofOlder + ")"},
		{"by tag", repo + ":v2", nil, false, "pass, note", "declared by tag: the tag can move between this check and each pull; deploy " + repo + "@" + ofIndex},
		{"by tag, what to write", repo + ":v2", nil, false, "pass, note", repo + ":v2@" + ofIndex},
		{"by another tag", repo + ":v1", nil, false, "fail digest", "another tag than the one that was verified (tag v1)"},
		{"without a tag", repo, nil, false, "fail digest", "(tag latest)"},
		{"latest", repo, func(d *deployedImage) { d.tag = "latest" }, false, "pass, note", ""},
		{"by tag, a digest was verified", repo + ":v2", func(d *deployedImage) { d.tag = "" }, false, "unknown unproved", "only a digest was verified"},
		{"by a tag that was moved", repo + ":v2", func(d *deployedImage) { d.names, d.moved = false, ofOlder }, false, "fail digest", "the tag names " + ofOlder},
		{"by a tag that was moved, behind the deploy", repo + ":v2", func(d *deployedImage) { d.names, d.moved = false, ofOlder }, true, "unknown unproved", "what it named when it was pulled is not known"},
		{"by a tag that is not proved", repo + ":v2", func(d *deployedImage) { d.names = false }, false, "unknown unproved", "not proved to be the one that was built"},
		{"by an image ID", repo + "@" + ofAMDConfig, nil, false, "fail digest", "nothing can be pulled"},
		{"by a digest that can't be read", repo + "@sha512:abc", nil, false, "unknown unproved", "can't be read"},
		{"one of two is another", repo + ":v2 " + repo + ":v1", nil, false, "fail digest", "1 of 2 containers are of another image"},
		{"one is not clear", repo + "@" + ofIndex + " " + repo + "@x", nil, false, "unknown unproved", "1 of 2 containers"},
		{"under another name, by digest", "mirror.acme.dev/app@" + ofIndex, nil, false, "pass", ""},
		{"under another name, by tag", "mirror.acme.dev/app:v2", nil, false, "fail not-deployed", "the images there are mirror.acme.dev/app:v2"},
		{"nothing, before the deploy", "", nil, false, "fail not-deployed", "no container at all was found"},
		{"nothing, behind it", "", nil, true, "unknown not-deployed", ""},
		{"others", "nginx:1 redis:7", nil, false, "fail not-deployed", "no container of this image was found among 2 containers"},
		{"a sidecar by tag is no finding", repo + "@" + ofIndex + " nginx", nil, false, "pass", "1 container of other images not looked at"},
		{"with a port", "ghcr.io:443/acme/app@" + ofIndex, nil, false, "pass", ""},
		{"in capitals", "GHCR.io/acme/app:v1", nil, false, "fail digest", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := deployed.State{From: "manifests in deploy"}
			for i, image := range strings.Fields(tt.images) {
				st.Containers = append(st.Containers, deployed.Container{Where: fmt.Sprintf("Deployment/d%d, container app", i), Image: image})
			}
			checkFindings(t, deployment([]deployedImage{anImage(tt.change)}, st, false, tt.behind), tt.want, tt.says)
		})
	}
}

// What Helm has installed is not settled where a newer revision failed.
func TestDeclaredAndUnsettled(t *testing.T) {
	for _, image := range []string{"ghcr.io/acme/app:v1", "ghcr.io/acme/app@" + ofIndex} {
		st := deployed.State{From: "helm release app", Unsettled: "revision 8 of the release is failed", Containers: []deployed.Container{{Where: "x", Image: image}}}
		checkFindings(t, deployment([]deployedImage{anImage(nil)}, st, false, true), "unknown rolling", "revision 8 of the release is failed")
	}
}

// Two names of Docker Hub's images are one repository.
func TestParsePlace(t *testing.T) {
	for in, want := range map[string]place{
		"nginx":                             {"index.docker.io/library/nginx", "latest", ""},
		"docker.io/nginx:1":                 {"index.docker.io/library/nginx", "1", ""},
		"docker.io/library/nginx@" + ofAMD:  {"index.docker.io/library/nginx", "", ofAMD},
		"index.docker.io/library/nginx":     {"index.docker.io/library/nginx", "latest", ""},
		"acme/app:v1":                       {"index.docker.io/acme/app", "v1", ""},
		"localhost:5000/app":                {"localhost:5000/app", "latest", ""},
		"localhost:5000/app:v1@" + ofAMD:    {"localhost:5000/app", "v1", ofAMD},
		"GHCR.IO:443/acme/app:v1":           {"ghcr.io/acme/app", "v1", ""},
		"ghcr.io/ACME/app:v1":               {"", "v1", ""}, // no runtime pulls it
		"":                                  {"", "latest", ""},
		"ghcr.io/acme/app:v1:v2":            {"", "v2", ""},
		"{{ .Values.image }}":               {"", "latest", ""},
		"ghcr.io/acme/app:v1@sha512:abcdef": {"ghcr.io/acme/app", "v1", "sha512:abcdef"},
	} {
		if got := parsePlace(in); got != want {
			t.Errorf("%q: got %+v, want %+v", in, got, want)
		}
	}
}

// Two images of one repository: each container is that of the image which it matches, not a wrong one of the other.
func TestTwoImagesOfOneRepository(t *testing.T) {
	app := anImage(nil)
	job := anImage(func(d *deployedImage) {
		d.text, d.tag, d.made, d.pinned = "ghcr.io/acme/app:v2-migrate", "v2-migrate", ofJob, "ghcr.io/acme/app@"+ofJob
		d.set = map[string]known{ofJob: {"manifest digest", false}}
	})
	images := []deployedImage{app, job}
	declared := func(refs ...string) deployed.State {
		st := deployed.State{From: "manifests"}
		for _, r := range refs {
			st.Containers = append(st.Containers, deployed.Container{Where: r, Image: r})
		}
		return st
	}
	for _, tt := range []struct {
		name string
		st   deployed.State
		live bool
		want string
	}{
		{"each by its tag", declared(app.text, job.text), false, "pass, note, pass, note"},
		{"each by its digest", declared(app.pinned, job.pinned), false, "pass, pass"},
		{"one with a digest of nobody", declared(app.pinned, job.text+"@"+ofOlder), false, "pass, fail digest"},
		{"one of nobody's tag", declared(app.pinned, job.text, "ghcr.io/acme/app:v1"), false, "fail digest, fail digest"},
		{"each runs", pods("app ghcr.io/acme/app:v2-migrate|ghcr.io/acme/app@" + ofJob), true, "pass, pass"},
		{"one runs another", pods("app ghcr.io/acme/app:v2-migrate|ghcr.io/acme/app@" + ofOlder), true, "pass, fail digest"},
		{"one is not there", pods("app app"), true, "pass, unknown not-deployed"},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFindings(t, deployment(images, tt.st, tt.live, tt.live), tt.want, "") })
	}
}

// Of several sources, each speaks for the images that it has; an image is missing where none has it.
func TestSeveralSources(t *testing.T) {
	app := anImage(nil)
	worker := anImage(func(d *deployedImage) {
		d.text, d.base, d.repo, d.pinned = "ghcr.io/acme/worker:v2", "ghcr.io/acme/worker", "ghcr.io/acme/worker", "ghcr.io/acme/worker@"+ofJob
		d.set = map[string]known{ofJob: {"manifest digest", false}}
	})
	images := []deployedImage{app, worker}
	ofWorker := reading{pods("ghcr.io/acme/worker:v2|ghcr.io/acme/worker@" + ofJob), true}
	ofApp := reading{pods("app"), true}
	release := reading{deployed.State{From: "helm release app", Containers: []deployed.Container{{Where: "x", Image: app.pinned}}}, false}
	for _, tt := range []struct {
		name string
		rs   []reading
		want string
	}{
		{"one each", []reading{ofApp, ofWorker}, "pass, pass"},
		{"two for one", []reading{ofApp, ofWorker, release}, "pass, pass, pass"},
		{"none for one", []reading{ofApp, release}, "pass, pass, unknown not-deployed"},
		{"one is wrong", []reading{{pods("old"), true}, release, ofWorker}, "fail digest, pass, pass"},
		{"no source", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFindings(t, deployments(images, tt.rs, true), tt.want, "") })
	}
}

// A pod with several containers of the image counts once, and its worst counts.
func TestContainersOfOnePod(t *testing.T) {
	st := pods("app app old")
	for i := range st.Containers {
		st.Containers[i].Unit = "p1"
	}
	checkFindings(t, deployment([]deployedImage{anImage(nil)}, st, true, true), "fail digest", "1 of 1 pods")
}

// What is told has an end, and says that it has.
func TestManyPods(t *testing.T) {
	var words []string
	for i := range 300 {
		words = append(words, fmt.Sprintf("ghcr.io/acme/app:v1|ghcr.io/acme/app@sha256:%064x", i%40))
	}
	st := pods(strings.Join(words, " "))
	for range 30 {
		st.LeftOut = append(st.LeftOut, "pod x: it is being deleted")
	}
	fs := deployment([]deployedImage{anImage(nil)}, st, true, true)
	checkFindings(t, fs, "fail digest", "and 30 kinds more")
	if n := len(dump(fs)); n > 15_000 {
		t.Errorf("the finding has %d bytes", n)
	}
}

// The digests of what was verified, from a registry: what is in the set, what the tag is worth.
func TestDeployedImage(t *testing.T) {
	w := fake.New(t)
	multi, one, other := fake.Index(t, "multi", "linux/amd64", "linux/arm64"), fake.Image(t, "one", "linux/amd64"), fake.Image(t, "other", "linux/amd64")
	index, single, wrong := w.Push(":multi", multi), w.Push(":one", one), w.Push(":moved", other)
	amd, arm := fake.ChildOf(t, multi, 0), fake.ChildOf(t, multi, 1)
	amdDigest, armDigest := fake.DigestOf(t, amd), fake.DigestOf(t, arm)
	all := []string{index, amdDigest, armDigest, fake.ConfigOf(t, amd), fake.ConfigOf(t, arm)}
	for _, tt := range []struct {
		name      string
		ref       string
		built     string
		platforms []string
		in, out   []string
		names     bool
		moved     string
		pinned    string
		partial   bool
	}{
		{"an index", ":multi", index, nil, all, []string{fake.DigestOf(t, fake.ChildOf(t, multi, 2))}, true, "", index, false},
		{"an index for one platform", ":multi", index, []string{"linux/amd64"}, all, nil, true, "", index, false},
		{"one platform was built", ":multi", amdDigest, []string{"linux/amd64"}, []string{index, amdDigest, fake.ConfigOf(t, amd)},
			[]string{armDigest, fake.ConfigOf(t, arm)}, true, "", index, false},
		{"one platform was built, nobody said which", ":multi", amdDigest, nil, []string{amdDigest}, []string{index, armDigest}, false, "", amdDigest, true},
		{"a platform of the index is deployed", "@" + armDigest, index, nil, []string{index, armDigest, fake.ConfigOf(t, arm)}, nil, true, "", armDigest, false},
		{"an image", ":one", single, nil, []string{single, fake.ConfigOf(t, one)}, nil, true, "", single, false},
		{"an image ID", ":one", fake.ConfigOf(t, one), nil, []string{single, fake.ConfigOf(t, one)}, nil, true, "", single, false},
		{"the tag was moved", ":moved", index, nil, all, []string{wrong}, false, wrong, index, false},
		{"the tag beside the digest was moved", ":moved@" + single, single, nil, []string{single}, []string{wrong}, false, wrong, single, false},
		{"the wrong digest beside a tag", ":one@" + wrong, single, nil, []string{single}, []string{wrong}, false, "", single, false},
		{"not there", ":gone", index, nil, []string{index}, nil, false, "", index, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := check{work: &work{client: quick()}, image: Image{Image: w.Ref(tt.ref), Platforms: tt.platforms}, built: wanted(t, tt.built)}
			if err := k.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			d := k.deployedImage()
			for _, digest := range tt.in {
				if _, ok := d.set[digest]; !ok {
					t.Errorf("%s is not in the set %v", digest, d.set)
				}
			}
			for _, digest := range tt.out {
				if n, ok := d.set[digest]; ok {
					t.Errorf("%s is in the set as %s", digest, n.what)
				}
			}
			if d.names != tt.names || d.moved != tt.moved || d.pinned != w.Ref("@"+tt.pinned) || d.partial != tt.partial {
				t.Errorf("names %t, moved %q, pinned %q, partial %t", d.names, d.moved, d.pinned, d.partial)
			}
			if want := parsePlace(w.Ref(tt.ref)).repo; d.repo != want {
				t.Errorf("repository %q, want %q", d.repo, want)
			}
		})
	}
}

// A converted image keeps its configs: what was built and what is served go by all their digests.
func TestDeployedImageOfABuildThatIsKnownWell(t *testing.T) {
	w := fake.New(t)
	multi := fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	index := w.Push(":multi", multi)
	b := wanted(t, ofIndex)
	b.Children = map[string]string{"linux/amd64": ofAMD}
	b.Configs = map[string]string{"linux/amd64": fake.ConfigOf(t, fake.ChildOf(t, multi, 0)), "": fake.ConfigOf(t, fake.ChildOf(t, multi, 1))}
	for _, kind := range []built.Kind{built.OfManifest, built.OfConfig} {
		b.Kind = kind
		k := check{work: &work{client: quick()}, image: Image{Image: w.Ref(":multi")}, built: b}
		if err := k.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := k.deployedImage()
		if n, ok := d.set[ofIndex]; !ok || n.config != (kind == built.OfConfig) {
			t.Errorf("%s: the built digest is %+v", kind, n)
		}
		if _, ok := d.set[index]; ok != (kind == built.OfManifest) {
			t.Errorf("%s: the served index is in the set: %t", kind, ok)
		}
		if n := d.set[ofAMD]; n.what != "manifest of linux/amd64" {
			t.Errorf("%s: the child is %+v", kind, n)
		}
		if (d.pinned == "") != (kind == built.OfConfig) {
			t.Errorf("%s: pinned %q", kind, d.pinned)
		}
	}
}

// deployment says of every image whether it is what one source declares or runs; see deployments.
func deployment(images []deployedImage, st deployed.State, live, behind bool) []verdict.Finding {
	return deployments(images, []reading{{st, live}}, behind)
}
