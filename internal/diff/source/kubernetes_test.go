package source

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// cluster is a Kubernetes API whose replies are given by path, and a way to it. A list that is not given is empty.
type cluster struct {
	env     Env
	replies map[string]string
	status  map[string]int
	asked   []string
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{replies: map[string]string{}, status: map[string]int{}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts: [{name: test, context: {cluster: c, namespace: shop}}]\nclusters: [{name: c, cluster: {server: %q}}]\n", s.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = Env{Getenv: func(name string) string { return map[string]string{"KUBECONFIG": path}[name] }}
	return c
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Path
	if sel := r.URL.Query().Get("labelSelector"); sel != "" {
		key += "?" + sel
	}
	c.asked = append(c.asked, key)
	body, ok := c.replies[key]
	switch {
	case c.status[key] != 0:
		w.WriteHeader(c.status[key])
	case !ok && strings.Contains(key, "/namespaces/"):
		body = `{"kind":"List","items":[]}`
	case !ok:
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	fmt.Fprint(w, body)
}

func list(items ...string) string {
	return `{"kind":"XList","items":[` + strings.Join(items, ",") + `]}`
}

func (c *cluster) snapshot(t testing.TB, o KubernetesOptions) (diff.Tree, error) {
	t.Helper()
	return snapshotOf(t, "kubernetes", o, c.env)
}

const (
	core  = "/api/v1/namespaces/shop/"
	apps  = "/apis/apps/v1/namespaces/shop/"
	owned = `"ownerReferences":[{"kind":"CronJob","name":"nightly","uid":"1","controller":true}]`
)

func TestKubernetesSnapshot(t *testing.T) {
	c := newCluster(t)
	c.replies[apps+"deployments"] = list(`{"metadata":{"name":"web","namespace":"shop","uid":"1","managedFields":[{}]},"spec":{"replicas":3},"status":{"replicas":3}}`)
	c.replies[apps+"statefulsets"] = list(`{"metadata":{"name":"db","namespace":"shop"},"spec":{"volumeClaimTemplates":[{"metadata":{"name":"data"}}]}}`)
	c.replies[core+"configmaps"] = list(`{"metadata":{"name":"kube-root-ca.crt"},"data":{"ca.crt":"x"}}`, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"app"},"data":{"a.json":"{\"b\": 1}"}}`,
		`{"metadata":{"name":"mesh-ca"}}`, `{"metadata":{"name":"old","deletionTimestamp":"2026-11-20T08:00:00Z"}}`)
	c.replies[core+"secrets?owner!=helm"] = list(`{"type":"Opaque","metadata":{"name":"db"},"data":{"password":"aHVudGVyMg=="}}`, `{"type":"kubernetes.io/service-account-token","metadata":{"name":"t"}}`)
	c.replies[core+"secrets?owner=helm"] = list(`{"metadata":{"name":"sh.helm.release.v1.web.v1"}}`, `{"metadata":{"name":"sh.helm.release.v1.web.v2"}}`)
	c.replies["/apis/batch/v1/namespaces/shop/jobs"] = list(`{"metadata":{"name":"nightly-1",`+owned+`}}`, `{"metadata":{"name":"nightly-2",`+owned+`}}`, `{"metadata":{"name":"migrate"}}`)
	c.replies[core+"serviceaccounts"] = list(`{"metadata":{"name":"default"}}`, `{"metadata":{"name":"web"}}`)
	c.replies[core+"persistentvolumeclaims"] = list(`{"metadata":{"name":"data-db-0"}}`, `{"metadata":{"name":"data-db-10"}}`, `{"metadata":{"name":"data-db-x"}}`)
	c.status["/apis/policy/v1/namespaces/shop/poddisruptionbudgets"] = 404
	c.replies["/apis/policy/v1/namespaces/shop/poddisruptionbudgets"] = `{"kind":"Status","apiVersion":"v1","reason":"NotFound","details":{}}`
	tree, err := c.snapshot(t, KubernetesOptions{Exclude: []string{"ConfigMap/*-ca"}})
	if err != nil {
		t.Fatal(err)
	}
	k := "@kubectl -n shop get "
	want := "ConfigMap/app" + k + "configmaps/app Deployment/web" + k + "deployments.apps/web Job/migrate" + k + "jobs.batch/migrate Secret/db" + k + "secrets/db ServiceAccount/web" + k +
		"serviceaccounts/web StatefulSet/db" + k + "statefulsets.apps/db PersistentVolumeClaim/data-db-x" + k + "persistentvolumeclaims/data-db-x"
	if got := names(tree); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	skipped := `configmaps: 1 excluded
configmaps: 1 that Kubernetes makes in every namespace
configmaps: 1 that are being deleted
jobs.batch: 2 made by a CronJob
persistentvolumeclaims: 2 made by a StatefulSet
poddisruptionbudgets.policy: the cluster does not know policy/v1
secrets: 1 that hold a token of the cluster
secrets: 2 in which Helm keeps its releases
serviceaccounts: 1 that Kubernetes makes in every namespace`
	if got := strings.Join(tree.Skipped, "\n"); got != skipped {
		t.Errorf("got\n%s\nwant\n%s", got, skipped)
	}
	for _, o := range tree.Objects {
		if o.APIVersion == "" || o.Root.Line != 0 || o.Root.Fields["kind"].Line != 0 || o.Root.Fields["metadata"].Fields["name"].Column != 0 {
			t.Errorf("%s: got %+v, want a version and no places", o.Name, o)
		}
	}
	if e := tree.Objects[0].Root.Fields["data"].Fields["a.json"].Embedded; e == nil || e.Fields["b"].Value != "1" || e.Line != 0 {
		t.Errorf("got %+v, want the document in the text", e)
	}
	if !strings.HasPrefix(tree.Name, "namespace shop of http://127.0.0.1") || !strings.Contains(tree.Name, "context test") {
		t.Errorf("got the name %s", tree.Name)
	}
}

// What was applied and what the cluster has is the same, but for what somebody changed.
func TestKubernetesAgainstManifests(t *testing.T) {
	c := newCluster(t)
	c.replies[apps+"deployments"] = list(`{"metadata":{"name":"web","namespace":"shop","uid":"1","generation":7,"annotations":{"deployment.kubernetes.io/revision":"3"}},
		"spec":{"replicas":3,"progressDeadlineSeconds":600,"revisionHistoryLimit":10,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
		"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"creationTimestamp":null,"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"acme/web:1",
		"resources":{"limits":{"cpu":"1"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
		"restartPolicy":"Always","dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{"replicas":3}}`)
	c.replies[core+"secrets?owner!=helm"] = list(`{"type":"Opaque","metadata":{"name":"db","namespace":"shop"},"data":{"password":"aHVudGVyMg=="}}`)
	root := t.TempDir()
	write(t, root, map[string]string{"d/a.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: acme/web:1, resources: {limits: {cpu: 1000m}}}]}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData: {password: hunter2}
`})
	live, err := c.snapshot(t, KubernetesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	declared, err := newPath(t, root, "d").Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := diff.Options{Today: day}.Compare(live, declared)
	for _, ch := range r.Changes {
		if ch.Path != "spec.replicas" {
			t.Errorf("got %s: %s, want the replicas alone", ch.Where(), ch.What())
		}
	}
	if len(r.Changes) != 1 {
		t.Errorf("got %d changes, want 1", len(r.Changes))
	}
	if strings.Contains(fmt.Sprintf("%+v", r), "hunter2") {
		t.Error("the result holds the secret")
	}
}

func TestKubernetesKinds(t *testing.T) {
	c := newCluster(t)
	c.replies["/apis"] = `{"kind":"APIGroupList","groups":[{"name":"argoproj.io","versions":[{"version":"v1alpha1"}],"preferredVersion":{"version":"v1alpha1"}}]}`
	c.replies["/apis/argoproj.io/v1alpha1"] = `{"kind":"APIResourceList","resources":[{"name":"rollouts","kind":"Rollout","namespaced":true},{"name":"clusters","kind":"Cluster","namespaced":false}]}`
	c.replies["/api/v1"] = `{"kind":"APIResourceList","resources":[{"name":"pods","kind":"Pod","namespaced":true}]}`
	c.replies["/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts"] = list(`{"metadata":{"name":"web"}}`)
	c.replies[core+"pods"] = list(`{"metadata":{"name":"alone"}}`)
	c.replies[core+"configmaps"] = list(`{"metadata":{"name":"app"}}`)
	no := false
	for _, tt := range []struct {
		o    KubernetesOptions
		want string
	}{
		{KubernetesOptions{Kinds: []string{"Rollout.argoproj.io"}}, "Rollout/web"},
		{KubernetesOptions{Kinds: []string{"Pod", "configmaps", "ConfigMap"}}, "ConfigMap/app Pod/alone"},
		{KubernetesOptions{Kinds: []string{"Rollout.argoproj.io", "default"}, Secrets: &no}, "ConfigMap/app Rollout/web"},
		{KubernetesOptions{Kinds: []string{"Deployment.apps", "ConfigMap"}}, "ConfigMap/app"},
	} {
		tree, err := c.snapshot(t, tt.o)
		var got []string
		for _, o := range tree.Objects {
			got = append(got, o.Kind+"/"+o.Name)
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%v: got %s (%v), want %s", tt.o.Kinds, got, err, tt.want)
		}
	}
	c.asked = nil
	if tree, err := c.snapshot(t, KubernetesOptions{Secrets: &no}); err != nil || strings.Contains(strings.Join(c.asked, " "), "secrets") || !strings.Contains(strings.Join(tree.Skipped, " "), "secrets: false") {
		t.Errorf("got %v (%v), want no Secret read and that told", tree.Skipped, err)
	}
	for kind, want := range map[string]string{
		"Cluster.argoproj.io": "its objects are in no namespace", "Nothing.argoproj.io": "the cluster has no kind Nothing", "X.nowhere.io": "no group nowhere.io",
		"Rollout": "a kind of another group is written KIND.GROUP",
	} {
		if _, err := c.snapshot(t, KubernetesOptions{Kinds: []string{kind}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", kind, err, want)
		}
	}
}

func TestKubernetesRefuses(t *testing.T) {
	forbidden := `{"kind":"Status","apiVersion":"v1","reason":"Forbidden","message":"no"}`
	for name, c := range map[string]struct {
		change func(*cluster)
		want   string
	}{
		"nothing":      {func(*cluster) {}, "there is no object of the kinds that are read: check the namespace"},
		"all left out": {func(c *cluster) { c.replies[core+"serviceaccounts"] = list(`{"metadata":{"name":"default"}}`) }, "(left out: serviceaccounts: 1 that Kubernetes"},
		"no right":     {func(c *cluster) { c.status[core+"services"], c.replies[core+"services"] = 403, forbidden }, "or name under kinds what may be read"},
		"no secrets": {func(c *cluster) {
			c.status[core+"secrets?owner=helm"], c.replies[core+"secrets?owner=helm"] = 403, forbidden
		}, "or leave Secrets out with secrets: false"},
		"an outage": {func(c *cluster) { c.status[core+"services"] = 400 }, "list services in namespace shop: HTTP 400"},
		"no object": {func(c *cluster) { c.replies[core+"services"] = list(`{"metadata":{}}`) }, "something that is no object"},
		"no list":   {func(c *cluster) { c.replies[core+"services"] = `{}` }, "a reply that is no list"},
		"asked by name": {func(c *cluster) {
			c.status[core+"services"] = 404
			c.replies[core+"services"] = `{"kind":"Status","apiVersion":"v1","reason":"NotFound","details":{}}`
		}, "does not know services"},
		"too many values": {func(c *cluster) {
			c.replies[core+"configmaps"] = list(`{"metadata":{"name":"x"},"data":{"a":[` + strings.Repeat("1,", 200) + `1]}}`)
		}, "more values than a configuration has"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t)
			c.change(k)
			o := KubernetesOptions{}
			if name == "asked by name" {
				o.Kinds = []string{"Service"}
			}
			src, err := build("kubernetes", o)
			if err != nil {
				t.Fatal(err)
			}
			s := src.(*kubernetesSource)
			s.limits.nodes = 100
			s.Use(k.env)
			if _, err := s.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for _, o := range []KubernetesOptions{{Selector: "=="}, {Kinds: []string{""}}, {Kinds: []string{"a/b"}}, {Kinds: []string{"Rollout.Argo"}}, {Exclude: []string{"x"}}, {Exclude: []string{"[/x"}}} {
		if _, err := build("kubernetes", o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}
