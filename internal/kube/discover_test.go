package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestDiscover(t *testing.T) {
	replies := map[string]string{
		"/apis": `{"kind":"APIGroupList","groups":[{"name":"argoproj.io","versions":[{"version":"v2"},{"version":"v1alpha1"}],"preferredVersion":{"version":"v2"}},
			{"name":"odd","versions":[{"version":"../x"}],"preferredVersion":{"version":"../x"}}]}`,
		"/apis/argoproj.io/v2":       `{"kind":"APIResourceList","resources":[{"name":"things","kind":"Thing","namespaced":false}]}`,
		"/apis/argoproj.io/v1alpha1": `{"kind":"APIResourceList","resources":[{"name":"rollouts/status","kind":"Rollout","namespaced":true},{"name":"rollouts","kind":"Rollout","namespaced":true}]}`,
		"/api/v1":                    `{"kind":"APIResourceList","resources":[{"name":"configmaps","kind":"ConfigMap","namespaced":true}]}`,
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, ok := replies[r.URL.Path]
		if !ok {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
	}).client(t, nil)
	for _, tt := range []struct{ kind, group, want string }{
		{"Rollout", "argoproj.io", "rollouts.argoproj.io argoproj.io/v1alpha1 Rollout true"},
		{"rollouts", "argoproj.io", "rollouts.argoproj.io argoproj.io/v1alpha1 Rollout true"},
		{"Thing", "argoproj.io", "things.argoproj.io argoproj.io/v2 Thing false"},
		{"configmap", "", "configmaps v1 ConfigMap true"},
	} {
		d, err := c.Discover(t.Context(), tt.kind, tt.group)
		if got := fmt.Sprint(d.Resource, " ", d.Resource.APIVersion(), " ", d.Kind, " ", d.Namespaced); err != nil || got != tt.want {
			t.Errorf("%s.%s: got %s (%v), want %s", tt.kind, tt.group, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ kind, group, want string }{
		{"Nothing", "argoproj.io", "the cluster has no kind Nothing there"},
		{"X", "nowhere.io", "the cluster has no group nowhere.io in its API"},
		{"X", "odd", `got "../x" as the group or version of an API`},
	} {
		if _, err := c.Discover(t.Context(), tt.kind, tt.group); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s.%s: got %v, want %s", tt.kind, tt.group, err, tt.want)
		}
	}
	replies["/apis"] = "<html>"
	if _, err := c.Discover(t.Context(), "X", "y"); !is(err, Invalid) {
		t.Errorf("got %v, want that it is no Kubernetes API", err)
	}
	delete(replies, "/apis")
	if _, err := c.Discover(t.Context(), "X", "y"); !is(err, Invalid) || !strings.Contains(err.Error(), "discover /apis") {
		t.Errorf("got %v, want that it is no Kubernetes API", err)
	}
}
