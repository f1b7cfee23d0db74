package deployed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/kube"
)

// What runtimes write into a status.
func TestParseImageID(t *testing.T) {
	bare := digestA[len("sha256:"):]
	for _, tt := range []struct{ in, repo, digest string }{
		{"docker-pullable://ghcr.io/acme/app@" + digestA, "ghcr.io/acme/app", digestA},
		{"docker://" + digestA, "", digestA},
		{"ghcr.io/acme/app@" + digestA, "ghcr.io/acme/app", digestA},
		{"docker.io/library/nginx@" + digestA, "docker.io/library/nginx", digestA},
		{"localhost:5000/app@" + digestA, "localhost:5000/app", digestA},
		{"ghcr.io/acme/app:v1@" + digestA, "ghcr.io/acme/app:v1", digestA},
		{digestA, "", digestA},
		{bare, "", digestA},
		{"", "", ""},
		{"docker://nginx:latest", "", ""},
		{"ghcr.io/acme/app:v1", "", ""},
		{"ghcr.io/acme/app@sha512:" + strings.Repeat("a", 128), "", ""},
		{strings.ToUpper(digestA), "", ""},
		{"sha256:" + bare[1:], "", ""},
		{digestA + "\n", "", ""},
		{"a\x1b[31m@" + digestA, "a[31m", digestA},
	} {
		if repo, digest := parseImageID(tt.in); repo != tt.repo || digest != tt.digest {
			t.Errorf("%q: got %q %q, want %q %q", tt.in, repo, digest, tt.repo, tt.digest)
		}
	}
}

func FuzzImageID(f *testing.F) {
	for _, s := range []string{"docker-pullable://a@" + digestA, digestA, "", "a@b@" + digestA, "://@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		repo, digest := parseImageID(id)
		if digest != "" && (len(digest) != len(digestA) || !strings.Contains(id, strings.TrimPrefix(digest, "sha256:"))) {
			t.Errorf("%q: got the digest %q", id, digest)
		}
		if digest == "" && repo != "" {
			t.Errorf("%q: got the repository %q without a digest", id, repo)
		}
	})
}

// api is a cluster whose replies are given by path, and a way to it.
type api struct {
	env     Env
	replies map[string]string
	asked   []string
}

func newAPI(t testing.TB) *api {
	t.Helper()
	a := &api{replies: map[string]string{}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts: [{name: test, context: {cluster: c, namespace: shop}}]\nclusters: [{name: c, cluster: {server: %q}}]\n", s.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a.env = Env{Getenv: func(name string) string { return map[string]string{"KUBECONFIG": path}[name] }}
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Path
	if sel := r.URL.Query().Get("labelSelector"); sel != "" {
		key += "?" + sel
	}
	a.asked = append(a.asked, key)
	body, ok := a.replies[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		body = fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","reason":"NotFound","message":"not found","details":{"name":%q}}`, filepath.Base(r.URL.Path))
	}
	fmt.Fprint(w, body)
}

func (a *api) read(t testing.TB, kind string, options any) (State, error) {
	t.Helper()
	s := source(t, kind, options)
	s.(Wants).Use(a.env)
	return s.Read(t.Context())
}

// aPod is a pod with one container, ready and running; change makes it another.
func aPod(t testing.TB, name, image, imageID string, change func(*kube.Pod)) kube.Pod {
	t.Helper()
	var p kube.Pod
	p.Metadata.Name = name
	p.Metadata.Owners = []kube.Owner{{Kind: "ReplicaSet", Name: "checkout-abc", UID: "rs", Controller: true}}
	p.Metadata.Labels = map[string]string{"pod-template-hash": "abc"}
	p.Spec.Main = []kube.ContainerSpec{{Name: "app", Image: image}}
	p.Status.Phase = "Running"
	p.Status.Conditions = []kube.Condition{{Type: "Initialized", Status: "True"}, {Type: "Ready", Status: "True"}}
	p.Status.Main = []kube.ContainerStatus{{Name: "app", ImageID: imageID}}
	if change != nil {
		change(&p)
	}
	return p
}

func podList(t testing.TB, pods ...kube.Pod) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"kind": "PodList", "apiVersion": "v1", "items": pods})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const podsPath = "/api/v1/namespaces/shop/pods"

func TestPodsBySelector(t *testing.T) {
	a := newAPI(t)
	notReady := func(p *kube.Pod) { p.Status.Conditions[1].Status = "False" }
	phase := func(s string) func(*kube.Pod) { return func(p *kube.Pod) { notReady(p); p.Status.Phase = s } }
	a.replies[podsPath+"?app=checkout"] = podList(t,
		aPod(t, "a", "acme/app:v1", "docker-pullable://acme/app@"+digestA, nil),
		aPod(t, "b", "acme/app@"+digestA, digestB, nil),
		aPod(t, "pending", "acme/app:v1", "", func(p *kube.Pod) { phase("Pending")(p); p.Status.Main = nil }),
		aPod(t, "going", "acme/app:v1", "acme/app@"+digestB, func(p *kube.Pod) { p.Metadata.Deleted = &p.Metadata.Created }),
		aPod(t, "evicted", "acme/app:v1", "", phase("Failed")),
		aPod(t, "done", "acme/app:v1", "acme/app@"+digestB, phase("Succeeded")),
		aPod(t, "many", "acme/app:v1", "acme/app@"+digestA, func(p *kube.Pod) {
			p.Spec.Init = []kube.ContainerSpec{{Name: "migrate", Image: "acme/app:v1"}, {Name: "mesh", Image: "mesh:1", RestartPolicy: "Always"}}
			p.Status.Init = []kube.ContainerStatus{{Name: "mesh", ImageID: "mesh@" + digestB}, {Name: "migrate", ImageID: "acme/app@" + digestA}}
			p.Spec.Ephemeral = []kube.ContainerSpec{{Name: "debug", Image: "busybox"}}
		}),
		aPod(t, "odd\x1b[0m", "acme/app:v1\n", "", func(p *kube.Pod) { p.Status.Conditions = nil }),
	)
	st, err := a.read(t, "kubernetes", KubernetesOptions{Selector: "app=checkout"})
	if err != nil {
		t.Fatal(err)
	}
	want := `pod a, container app acme/app:v1 runs acme/app@sha256:aaaa ready
pod b, container app acme/app@` + digestA + ` runs @sha256:bbbb ready
pod pending, container app acme/app:v1
pod many, init container migrate acme/app:v1 runs acme/app@sha256:aaaa init ready
pod many, init container mesh mesh:1 runs mesh@sha256:bbbb ready
pod many, container app acme/app:v1 runs acme/app@sha256:aaaa ready
pod many, ephemeral container debug busybox ready
pod odd[0m, container app acme/app:v1`
	if got := brief(st); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := strings.Join(st.LeftOut, "; "); got != "pod going: it is being deleted; pod evicted: it has ended (Failed); pod done: it has ended (Succeeded)" {
		t.Errorf("left out: %s", got)
	}
	if st.Unit != "pod" || !strings.HasPrefix(st.From, "pods with app=checkout in namespace shop of http://127.0.0.1:") || !strings.Contains(st.From, "context test") {
		t.Errorf("from %q of %q", st.From, st.Unit)
	}
}

func aWorkload(kind, spec, status string) string {
	return fmt.Sprintf(`{"kind":%q,"apiVersion":"v1","metadata":{"name":"checkout","namespace":"shop","uid":"w","generation":4},"spec":{"selector":{"matchLabels":{"app":"x"}}%s},"status":{%s}}`,
		kind, spec, status)
}

// How far a rollout is, in the words of each kind.
func TestWorkloads(t *testing.T) {
	settled := `"observedGeneration":4,"replicas":3,"updatedReplicas":3`
	for _, tt := range []struct {
		name, workload, path, reply, unsettled string
	}{
		{"done", "deployment/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", `,"replicas":3`, settled), ""},
		{"not begun", "deploy/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", `,"replicas":3`, `"observedGeneration":3,"replicas":3,"updatedReplicas":3`), "has not acted on the newest change"},
		{"no status", "deployment/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", `,"replicas":3`, ``), "has not acted on the newest change"},
		{"under way", "deployment/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", `,"replicas":3`, `"observedGeneration":4,"replicas":4,"updatedReplicas":2`), "2 of 3 pods are of the newest version"},
		{"old ones remain", "deployment/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", ``, `"observedGeneration":4,"replicas":2,"updatedReplicas":1`), "pods of an older version are not gone yet: 1"},
		{"scaled to nothing", "deployment/checkout", "apps/v1/namespaces/shop/deployments", aWorkload("Deployment", `,"replicas":0`, `"observedGeneration":4`), ""},
		{"done", "statefulset/checkout", "apps/v1/namespaces/shop/statefulsets", aWorkload("StatefulSet", `,"replicas":3`, settled), ""},
		{"a partition", "sts/checkout", "apps/v1/namespaces/shop/statefulsets", aWorkload("StatefulSet", `,"replicas":3,"updateStrategy":{"rollingUpdate":{"partition":2}}`, `"observedGeneration":4,"replicas":3,"updatedReplicas":1`), ""},
		{"under way", "sts/checkout", "apps/v1/namespaces/shop/statefulsets", aWorkload("StatefulSet", `,"replicas":3`, `"observedGeneration":4,"replicas":3,"updatedReplicas":1`), "1 of 3 pods"},
		{"done", "ds/checkout", "apps/v1/namespaces/shop/daemonsets", aWorkload("DaemonSet", ``, `"observedGeneration":4,"desiredNumberScheduled":2,"updatedNumberScheduled":2`), ""},
		{"under way", "daemonset/checkout", "apps/v1/namespaces/shop/daemonsets", aWorkload("DaemonSet", ``, `"observedGeneration":4,"desiredNumberScheduled":2`), "0 of 2 pods"},
		{"done", "rollout/checkout", "argoproj.io/v1alpha1/namespaces/shop/rollouts", aWorkload("Rollout", ``, `"observedGeneration":"4","phase":"Healthy"`), ""},
		{"paused", "rollout/checkout", "argoproj.io/v1alpha1/namespaces/shop/rollouts", aWorkload("Rollout", ``, `"observedGeneration":"4","phase":"Paused"`), "the rollout is paused"},
		{"not begun", "rollout/checkout", "argoproj.io/v1alpha1/namespaces/shop/rollouts", aWorkload("Rollout", ``, `"observedGeneration":"3","phase":"Healthy"`), "has not acted"},
		{"a generation that is a hash", "rollout/checkout", "argoproj.io/v1alpha1/namespaces/shop/rollouts", aWorkload("Rollout", ``, `"observedGeneration":"78f9c4d","phase":"Healthy"`), ""},
		{"any", "job/checkout", "batch/v1/namespaces/shop/jobs", aWorkload("Job", ``, ``), ""},
		{"any", "rs/checkout", "apps/v1/namespaces/shop/replicasets", aWorkload("ReplicaSet", ``, ``), ""},
	} {
		t.Run(tt.workload+" "+tt.name, func(t *testing.T) {
			a := newAPI(t)
			a.replies["/apis/"+tt.path+"/checkout"] = tt.reply
			a.replies[podsPath+"?app=x"] = podList(t, aPod(t, "a", "acme/app:v1", digestA, func(p *kube.Pod) { p.Metadata.Owners[0].UID = "w" }))
			st, err := a.read(t, "kubernetes", KubernetesOptions{Workload: tt.workload})
			if err != nil {
				t.Fatal(err)
			}
			if (st.Unsettled == "") != (tt.unsettled == "") || !strings.Contains(st.Unsettled, tt.unsettled) {
				t.Errorf("unsettled: got %q, want %q", st.Unsettled, tt.unsettled)
			}
			if len(st.Containers) != 1 || !strings.HasPrefix(st.From, "pods of "+tt.workload) {
				t.Errorf("got %+v", st)
			}
		})
	}
}

// A canary has the labels of what it is a canary of. Its pods are not this workload's.
func TestPodsOfAnother(t *testing.T) {
	owned := func(kind, name, uid, hash string) func(*kube.Pod) {
		return func(p *kube.Pod) {
			p.Metadata.Owners = []kube.Owner{{Kind: "Node", UID: "w"}, {Kind: kind, Name: name, UID: uid, Controller: true}}
			p.Metadata.Labels["pod-template-hash"] = hash
		}
	}
	a := newAPI(t)
	a.replies["/apis/apps/v1/namespaces/shop/deployments/checkout"] = aWorkload("Deployment", `,"replicas":2`, `"observedGeneration":4,"replicas":2,"updatedReplicas":2`)
	a.replies[podsPath+"?app=x"] = podList(t,
		aPod(t, "own", "i:1", "", owned("ReplicaSet", "checkout-abc", "rs1", "abc")),
		aPod(t, "adopted", "i:2", "", owned("ReplicaSet", "older", "rs2", "def")),
		aPod(t, "canary-1", "i:3", "", owned("ReplicaSet", "checkout-canary-abc", "rs3", "abc")),
		aPod(t, "canary-2", "i:3", "", owned("ReplicaSet", "checkout-canary-abc", "rs3", "abc")),
		aPod(t, "orphan", "i:4", "", owned("ReplicaSet", "gone", "rs4", "ghi")),
		aPod(t, "job", "i:5", "", owned("Job", "migrate", "j", "")),
		aPod(t, "by hand", "i:6", "", func(p *kube.Pod) { p.Metadata.Owners = nil }),
	)
	set := func(name, owner string) {
		a.replies["/apis/apps/v1/namespaces/shop/replicasets/"+name] = fmt.Sprintf(
			`{"kind":"ReplicaSet","metadata":{"name":%q,"uid":"x","ownerReferences":[{"kind":"Deployment","uid":%q,"controller":true}]}}`, name, owner)
	}
	// the pods' own namespace is what is asked
	for i, p := range []string{"older", "checkout-canary-abc"} {
		set(p, []string{"w", "canary"}[i])
	}
	st, err := a.read(t, "kubernetes", KubernetesOptions{Workload: "deployment/checkout"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range st.Containers {
		got = append(got, c.Unit)
	}
	if strings.Join(got, " ") != "own adopted" {
		t.Errorf("got the pods of %v", got)
	}
	if text := strings.Join(st.LeftOut, "\n"); !strings.Contains(text, "pod canary-1: it has the labels of deployment/checkout, but belongs to ReplicaSet/checkout-canary-abc") {
		t.Errorf("left out:\n%s", text)
	}
	if n := strings.Count(strings.Join(a.asked, "\n"), "checkout-canary-abc"); n != 1 {
		t.Errorf("the canary's ReplicaSet was asked for %d times:\n%s", n, strings.Join(a.asked, "\n"))
	}
}

func TestSeveralWorkloads(t *testing.T) {
	a := newAPI(t)
	a.replies["/apis/apps/v1/namespaces/shop/deployments/checkout"] = aWorkload("Deployment", ``, `"observedGeneration":3,"replicas":1,"updatedReplicas":1`)
	a.replies["/apis/apps/v1/namespaces/shop/statefulsets/checkout"] = aWorkload("StatefulSet", `,"replicas":2`, `"observedGeneration":4,"replicas":2,"updatedReplicas":1`)
	a.replies[podsPath+"?app=x"] = podList(t, aPod(t, "a", "i:1", digestA, func(p *kube.Pod) { p.Metadata.Owners[0].UID = "w" }))
	st, err := a.read(t, "kubernetes", KubernetesOptions{Workloads: []string{"deployment/checkout", "sts/checkout"}})
	if err != nil || len(st.Containers) != 2 || !strings.HasPrefix(st.From, "pods of deployment/checkout, sts/checkout in namespace shop") {
		t.Fatalf("got %+v, %v", st, err)
	}
	if want := "deployment/checkout: the cluster has not acted on the newest change yet; sts/checkout: the rollout is not over: 1 of 2 pods are of the newest version"; st.Unsettled != want {
		t.Errorf("unsettled: %s", st.Unsettled)
	}
	a.replies[podsPath+"?app=x"] = `{}`
	if st, err := a.read(t, "kubernetes", KubernetesOptions{Workload: "sts/checkout"}); err == nil || len(st.Containers) > 0 {
		t.Errorf("half a state: %+v, %v", st, err)
	}
}

// A job is there to end: its pods count when they have.
func TestPodsOfAJob(t *testing.T) {
	a := newAPI(t)
	a.replies["/apis/batch/v1/namespaces/shop/jobs/checkout"] = aWorkload("Job", ``, ``)
	pod := func(name, phase string) kube.Pod {
		return aPod(t, name, "i:1", digestA, func(p *kube.Pod) {
			p.Metadata.Owners = []kube.Owner{{Kind: "Job", UID: "w", Controller: true}}
			p.Status.Phase, p.Status.Conditions = phase, nil
		})
	}
	a.replies[podsPath+"?app=x"] = podList(t, pod("failed", "Failed"), pod("done", "Succeeded"))
	st, err := a.read(t, "kubernetes", KubernetesOptions{Workload: "job/checkout"})
	if want := "pod failed, container app i:1 runs @sha256:aaaa\npod done, container app i:1 runs @sha256:aaaa ready"; err != nil || brief(st) != want {
		t.Errorf("got\n%s\n%v, want\n%s", brief(st), err, want)
	}
}

func TestKubernetesErrors(t *testing.T) {
	a := newAPI(t)
	a.replies["/apis/apps/v1/namespaces/shop/deployments/bare"] = `{"kind":"Deployment","metadata":{"name":"bare","uid":"w"},"spec":{}}`
	a.replies["/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/ref"] = `{"kind":"Rollout","metadata":{"name":"ref","uid":"w"},"spec":{"workloadRef":{"name":"x"}}}`
	for workload, want := range map[string]string{
		"deployment/gone": "get deployments.apps gone in namespace shop: HTTP 404 Not Found: not found",
		"deployment/bare": "give selector instead",
		"rollout/ref":     "give selector instead",
	} {
		if st, err := a.read(t, "kubernetes", KubernetesOptions{Workload: workload}); err == nil || !strings.Contains(err.Error(), want) || len(st.Containers) > 0 {
			t.Errorf("%s: got %v, %v; want %q", workload, st, err, want)
		}
	}
	s := source(t, "kubernetes", KubernetesOptions{Selector: "a=b"})
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "no Kubernetes cluster is known") {
		t.Errorf("without an environment: %v", err)
	}
}
