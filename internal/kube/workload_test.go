package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestParseWorkload(t *testing.T) {
	for in, want := range map[string]string{
		"deployment/checkout": "deployments.apps checkout", "Deploy/a": "deployments.apps a", "sts/a": "statefulsets.apps a", "ds/a": "daemonsets.apps a",
		"rollout/a": "rollouts.argoproj.io a", "job/a": "jobs.batch a", "rs/a": "replicasets.apps a",
		"a": "", "deployment/": "", "service/a": "", "deployment/a/b": "", "deployment/a b": "", "/a": "", "": "",
	} {
		r, name, err := ParseWorkload(in)
		got := ""
		if err == nil {
			got = r.String() + " " + name
		}
		if got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestCheckSelector(t *testing.T) {
	for in, ok := range map[string]bool{"app=x": true, "app in (a, b),tier!=cache": true, "!x": true, "": false, " ": false, "app in": false, "a==b==c": false} {
		if err := CheckSelector(in); (err == nil) != ok {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

// A role may lack the right to look at the ReplicaSet that a pod belongs to. Then it is not known whose pod it is.
func TestPodsOfWithoutTheRight(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/deployments/x"):
			fmt.Fprint(w, `{"kind":"Deployment","metadata":{"name":"x","namespace":"shop","uid":"w","generation":2},
				"spec":{"selector":{"matchLabels":{"app":"x"},"matchExpressions":[{"key":"tier","operator":"In","values":["web"]}]}},"status":{"observedGeneration":2,"replicas":1,"updatedReplicas":1}}`)
		case strings.HasSuffix(r.URL.Path, "/pods"):
			if got := r.URL.Query().Get("labelSelector"); got != "app=x,tier in (web)" {
				t.Errorf("selector %q", got)
			}
			fmt.Fprint(w, podList("", `{"metadata":{"name":"a","namespace":"shop","ownerReferences":[{"kind":"ReplicaSet","name":"odd","uid":"rs","controller":true}]}}`))
		default:
			w.WriteHeader(403)
			fmt.Fprint(w, statusReply(403, "Forbidden", "no", `{}`))
		}
	})
	k := c.client(t, nil)
	wl, err := k.Workload(t.Context(), Deployments, "", "x")
	if err != nil || wl.Unsettled != "" {
		t.Fatalf("got %+v, %v", wl, err)
	}
	own, others, err := k.PodsOf(t.Context(), wl)
	var e *Error
	if !errors.As(err, &e) || !IsForbidden(err) || !strings.Contains(err.Error(), "kubectl auth can-i get replicasets.apps/odd -n shop") || own != nil || others != nil {
		t.Errorf("got %v, %v, %v", own, others, err)
	}
}
