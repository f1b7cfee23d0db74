package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bakegate/bakegate/internal/clean"
)

// workloads are the kinds that make pods, by the names that kubectl takes for them.
var workloads = map[string]Resource{
	"deployment": Deployments, "deploy": Deployments, "deployments": Deployments,
	"statefulset": StatefulSets, "sts": StatefulSets, "statefulsets": StatefulSets,
	"daemonset": DaemonSets, "ds": DaemonSets, "daemonsets": DaemonSets,
	"replicaset": ReplicaSets, "rs": ReplicaSets, "replicasets": ReplicaSets,
	"rollout": Rollouts, "rollouts": Rollouts, "ro": Rollouts,
	"job": Jobs, "jobs": Jobs,
}

// ParseWorkload reads KIND/NAME, e.g. deployment/checkout.
func ParseWorkload(s string) (r Resource, name string, err error) {
	kind, name, _ := strings.Cut(s, "/")
	r, ok := workloads[strings.ToLower(kind)]
	if !ok || name == "" || segment("name", name) != nil {
		return r, "", fmt.Errorf("got %q, want KIND/NAME, e.g. deployment/checkout, with a KIND of: deployment, statefulset, daemonset, replicaset, rollout, job",
			clean.Cut(s, 100))
	}
	return r, name, nil
}

// CheckSelector says whether a text is a label selector, without asking a cluster.
func CheckSelector(s string) error {
	sel, err := labels.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("got %q, want a label selector, e.g. app=checkout,tier!=cache: %s", clean.Cut(s, 200), clean.Cut(err.Error(), 200))
	case sel.Empty():
		return errors.New("got an empty label selector, which selects every pod: want e.g. app=checkout")
	}
	return nil
}

// Workload is what makes pods: a Deployment, a StatefulSet, a DaemonSet, a ReplicaSet, a Rollout of Argo, a Job.
type Workload struct {
	Resource Resource
	Metadata Metadata
	Selector string // of its pods
	// Unsettled is why its pods may be others soon; "" where the rollout of the newest change is over.
	Unsettled string
}

// workload is the part of these kinds that is read. Each has some of the fields.
type workload struct {
	Metadata Metadata
	Spec     struct {
		Replicas       *int
		Selector       *metav1.LabelSelector
		UpdateStrategy struct {
			RollingUpdate struct{ Partition int }
		}
	}
	Status struct {
		ObservedGeneration json.RawMessage // a number; Rollouts have a text
		Replicas           int
		UpdatedReplicas    int
		Desired            int `json:"desiredNumberScheduled"` // of a DaemonSet
		Updated            int `json:"updatedNumberScheduled"`
		Phase              string
	}
}

// Workload reads a workload and how far its rollout is.
func (c *Client) Workload(ctx context.Context, r Resource, namespace, name string) (Workload, error) {
	q, err := c.query(r, namespace, name, "")
	if err != nil {
		return Workload{}, err
	}
	body, err := c.Get(ctx, r, namespace, name)
	if err != nil {
		return Workload{}, err
	}
	var w workload
	if err := json.Unmarshal(body, &w); err != nil {
		return Workload{}, c.invalid(q, "a reply that is no workload", nil)
	}
	if w.Metadata.UID == "" {
		return Workload{}, c.invalid(q, "a workload without a uid", nil)
	}
	sel, err := metav1.LabelSelectorAsSelector(w.Spec.Selector)
	if err != nil || sel.Empty() || w.Spec.Selector == nil {
		return Workload{}, c.invalid(q, "a workload without a selector of its own: give selector instead", err)
	}
	return Workload{Resource: r, Metadata: w.Metadata, Selector: sel.String(), Unsettled: w.unsettled(r)}, nil
}

// unsettled follows `kubectl rollout status`, as far as it is about which version the pods have, not whether they are ready.
func (w workload) unsettled(r Resource) string {
	want := 1
	if w.Spec.Replicas != nil {
		want = *w.Spec.Replicas
	}
	updated := w.Status.UpdatedReplicas
	switch r {
	case Deployments:
		if old := w.Status.Replicas - updated; updated >= want && old > 0 && !w.unseen() {
			return fmt.Sprintf("pods of an older version are not gone yet: %d", old)
		}
	case StatefulSets:
		want -= w.Spec.UpdateStrategy.RollingUpdate.Partition
	case DaemonSets:
		want, updated = w.Status.Desired, w.Status.Updated
	case Rollouts:
		if w.Status.Phase != "Healthy" && w.Status.Phase != "Degraded" && w.Status.Phase != "" {
			return "the rollout is " + clean.Cut(strings.ToLower(w.Status.Phase), 60)
		}
		want = 0
	default:
		return ""
	}
	switch {
	case w.unseen():
		return "the cluster has not acted on the newest change yet"
	case updated < want:
		return fmt.Sprintf("the rollout is not over: %d of %d pods are of the newest version", max(updated, 0), want)
	}
	return ""
}

// unseen says that the controller has not looked at the newest change. A text that is no number (of a Rollout) says nothing.
func (w workload) unseen() bool {
	seen, err := strconv.ParseInt(strings.Trim(string(w.Status.ObservedGeneration), `"`), 10, 64)
	if err != nil {
		return len(w.Status.ObservedGeneration) == 0 || string(w.Status.ObservedGeneration) == "null"
	}
	return seen < w.Metadata.Generation
}

// PodsOf reads the pods that a workload made. Others that its selector selects, because they have the same labels, are given apart.
func (c *Client) PodsOf(ctx context.Context, w Workload) (own, others []Pod, err error) {
	pods, err := c.Pods(ctx, w.Metadata.Namespace, w.Selector)
	if err != nil {
		return nil, nil, err
	}
	sets := map[string]bool{} // ReplicaSet -> it is the workload's
	for _, p := range pods {
		o := p.Metadata.Controller()
		is := o.UID == w.Metadata.UID
		if !is && o.Kind == "ReplicaSet" && slices.Contains([]Resource{Deployments, Rollouts}, w.Resource) {
			if is, err = c.owns(ctx, w, p, o, sets); err != nil {
				return nil, nil, err
			}
		}
		if is {
			own = append(own, p)
		} else {
			others = append(others, p)
		}
	}
	return own, others, nil
}

// owns says whether a ReplicaSet is the workload's. Its name is made of the workload's and the hash on the pod; only one that is called
// otherwise is asked for.
func (c *Client) owns(ctx context.Context, w Workload, p Pod, set Owner, known map[string]bool) (bool, error) {
	label := "pod-template-hash"
	if w.Resource == Rollouts { // a Deployment of the same name may stand beside it while a team moves from one to the other
		label = "rollouts-pod-template-hash"
	}
	if hash := p.Metadata.Labels[label]; hash != "" && set.Name == w.Metadata.Name+"-"+hash {
		return true, nil
	}
	if is, ok := known[set.UID]; ok {
		return is, nil
	}
	body, err := c.Get(ctx, ReplicaSets, p.Metadata.Namespace, set.Name)
	switch {
	case IsNotFound(err): // its pods are about to go
		known[set.UID] = false
		return false, nil
	case err != nil:
		return false, err
	}
	var o struct{ Metadata Metadata }
	if err := json.Unmarshal(body, &o); err != nil {
		q, _ := c.query(ReplicaSets, p.Metadata.Namespace, set.Name, "")
		return false, c.invalid(q, "a reply that is no ReplicaSet", nil)
	}
	known[set.UID] = o.Metadata.Controller().UID == w.Metadata.UID
	return known[set.UID], nil
}
