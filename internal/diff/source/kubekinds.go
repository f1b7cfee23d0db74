package source

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/kube"
)

// kubeKind is a kind of objects that is read.
type kubeKind struct {
	kind     string
	resource kube.Resource
	asked    bool // by name, so that the cluster must know it
}

// defaultKinds is what people write into manifests. What a cluster makes of that (ReplicaSets, Pods, EndpointSlices, Leases, Events) is not
// asked for. The versions are those since Kubernetes 1.23.
var defaultKinds = []kubeKind{
	{kind: "ConfigMap", resource: kube.Resource{Version: "v1", Name: "configmaps"}},
	{kind: "CronJob", resource: kube.Resource{Group: "batch", Version: "v1", Name: "cronjobs"}},
	{kind: "DaemonSet", resource: kube.DaemonSets},
	{kind: "Deployment", resource: kube.Deployments},
	{kind: "HorizontalPodAutoscaler", resource: kube.Resource{Group: "autoscaling", Version: "v2", Name: "horizontalpodautoscalers"}},
	{kind: "Ingress", resource: kube.Resource{Group: "networking.k8s.io", Version: "v1", Name: "ingresses"}},
	{kind: "Job", resource: kube.Jobs},
	{kind: "NetworkPolicy", resource: kube.Resource{Group: "networking.k8s.io", Version: "v1", Name: "networkpolicies"}},
	{kind: "PodDisruptionBudget", resource: kube.Resource{Group: "policy", Version: "v1", Name: "poddisruptionbudgets"}},
	{kind: "Role", resource: kube.Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Name: "roles"}},
	{kind: "RoleBinding", resource: kube.Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Name: "rolebindings"}},
	{kind: "Secret", resource: kube.Secrets},
	{kind: "Service", resource: kube.Resource{Version: "v1", Name: "services"}},
	{kind: "ServiceAccount", resource: kube.Resource{Version: "v1", Name: "serviceaccounts"}},
	{kind: "StatefulSet", resource: kube.StatefulSets},
	// Behind StatefulSet, which makes some of them.
	{kind: "PersistentVolumeClaim", resource: kube.Resource{Version: "v1", Name: "persistentvolumeclaims"}},
}

// kinds says what is read, in the order of defaultKinds and then of the options.
func (n *namespace) kinds(ctx context.Context) ([]kubeKind, error) {
	o := n.source.KubernetesOptions
	var out, found []kubeKind
	for _, name := range o.Kinds {
		k, ok := ofOurs(name)
		if !ok && name != "default" {
			d, err := n.discover(ctx, name)
			if err != nil {
				return nil, err
			}
			found = append(found, d)
		} else if ok {
			out = append(out, k)
		}
	}
	if len(o.Kinds) == 0 || slices.Contains(o.Kinds, "default") {
		out = append(out, defaultKinds...)
	}
	slices.SortStableFunc(out, func(a, b kubeKind) int {
		return slices.IndexFunc(defaultKinds, a.same) - slices.IndexFunc(defaultKinds, b.same)
	})
	out = slices.CompactFunc(append(out, found...), func(a, b kubeKind) bool { return a.same(b) })
	if o.Secrets != nil && !*o.Secrets {
		out = slices.DeleteFunc(out, func(k kubeKind) bool { return k.resource == kube.Secrets })
		n.said = append(n.said, "secrets: left out by secrets: false")
	}
	return out, nil
}

func (k kubeKind) same(other kubeKind) bool {
	return k.resource.Group == other.resource.Group && k.resource.Name == other.resource.Name
}

// ofOurs finds a kind whose resource is known here, by KIND, its plural or KIND.GROUP.
func ofOurs(name string) (kubeKind, bool) {
	kind, group, grouped := strings.Cut(name, ".")
	for _, k := range defaultKinds {
		if (strings.EqualFold(kind, k.kind) || strings.EqualFold(kind, k.resource.Name)) && (!grouped || group == k.resource.Group) {
			k.asked = true
			return k, true
		}
	}
	return kubeKind{}, false
}

func (n *namespace) discover(ctx context.Context, name string) (kubeKind, error) {
	kind, group, _ := strings.Cut(name, ".")
	d, err := n.client.Discover(ctx, kind, group)
	switch {
	case err != nil && group == "":
		return kubeKind{}, fmt.Errorf("kinds: %s: %w; a kind of another group is written KIND.GROUP, e.g. Rollout.argoproj.io", name, err)
	case err != nil:
		return kubeKind{}, fmt.Errorf("kinds: %s: %w", name, err)
	case !d.Namespaced:
		return kubeKind{}, fmt.Errorf("kinds: %s: its objects are in no namespace, want a kind whose objects are", name)
	}
	return kubeKind{d.Kind, d.Resource, true}, nil
}

// madeByCluster are objects that every namespace has, by KIND/NAME.
var madeByCluster = map[string]string{
	"ConfigMap/kube-root-ca.crt":         "that Kubernetes makes in every namespace",
	"ServiceAccount/default":             "that Kubernetes makes in every namespace",
	"ConfigMap/openshift-service-ca.crt": "that OpenShift makes in every namespace",
	"ServiceAccount/builder":             "that OpenShift makes in every namespace",
	"ServiceAccount/deployer":            "that OpenShift makes in every namespace",
	"ConfigMap/istio-ca-root-cert":       "that Istio makes in every namespace",
	"RoleBinding/system:deployers":       "that OpenShift makes in every namespace",
	"RoleBinding/system:image-builders":  "that OpenShift makes in every namespace",
	"RoleBinding/system:image-pullers":   "that OpenShift makes in every namespace",
}

// tokenTypes are Secrets that the cluster fills.
var tokenTypes = map[string]bool{"kubernetes.io/service-account-token": true, "bootstrap.kubernetes.io/token": true}

// derived says why an object is no configuration of its own, "" where it is one.
func (n *namespace) derived(k kubeKind, m kube.Metadata, secretType string) string {
	id := k.kind + "/" + m.Name
	owner := m.Controller()
	switch {
	case slices.ContainsFunc(n.source.Exclude, func(g string) bool { ok, _ := path.Match(g, id); return ok }):
		return "excluded"
	case owner.Kind != "":
		return "made by a " + clean.Cut(owner.Kind, 63)
	case m.Deleted != nil:
		return "that are being deleted"
	case madeByCluster[id] != "":
		return madeByCluster[id]
	case k.kind == "Secret" && tokenTypes[secretType]:
		return "that hold a token of the cluster"
	case k.kind == "Secret" && secretType == "helm.sh/release.v1":
		return "in which Helm keeps its releases"
	case k.kind == "PersistentVolumeClaim" && slices.ContainsFunc(n.claims, func(r *regexp.Regexp) bool { return r.MatchString(m.Name) }):
		return "made by a StatefulSet"
	}
	return ""
}
