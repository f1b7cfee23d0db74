package diff

import (
	"slices"
	"strings"
)

// What the API server fills in where an object has nothing is the same as nothing there. This holds for the kinds of Kubernetes itself;
// what a custom resource has for a default isn't known here. The table is in fillings.go.

// builtinGroups are the groups of the API whose defaults are known here; the core group has no name.
var builtinGroups = set(`apps batch autoscaling policy extensions networking.k8s.io rbac.authorization.k8s.io storage.k8s.io scheduling.k8s.io
	admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io coordination.k8s.io node.k8s.io discovery.k8s.io certificates.k8s.io`)

// isBuiltin says whether an object is of a kind of Kubernetes itself.
func isBuiltin(o *Object) bool { return isKubernetes(o) && (group(o) == "" || builtinGroups[group(o)]) }

var (
	// filledMappings are filled in with all that is in them.
	filledMappings = set("strategy rollingUpdate updateStrategy persistentVolumeClaimRetentionPolicy conversion")
	// emptyMappings say nothing where there is nothing in them. In other places an empty mapping does: emptyDir: {}, podSelector: {}.
	emptyMappings = set(`annotations labels data stringData binaryData resources limits requests securityContext affinity nodeAffinity podAffinity
		podAntiAffinity nodeSelector strategy rollingUpdate updateStrategy matchLabels capabilities metadata status`)
	// emptyTexts say nothing where they are empty. In other places an empty text does: storageClassName: "" asks for no class.
	emptyTexts = set(`namespace hostname subdomain nodeName priorityClassName serviceAccountName serviceAccount clusterIP loadBalancerIP subPath
		subPathExpr hostIP workingDir externalName generateName runtimeClassName`)
	// opaque are fields whose content means nothing to Kubernetes, or nothing by the names in it.
	opaque = set("data stringData binaryData annotations labels matchLabels nodeSelector")
)

// asAbsent says whether a field that one side alone has says the same as none: an empty value, or the default. parent is the mapping
// that it stands in; the path is the field's.
func (c *comparer) asAbsent(parent *Node, key string, n *Node) bool {
	switch {
	case !c.builtin:
		return false
	case within(c.path[:len(c.path)-1], opaque):
		return c.kind == "Namespace" && key == "kubernetes.io/metadata.name"
	case n.Type == "null":
		return true
	case n.IsList:
		return len(n.Items) == 0 || c.isFilledList(parent, key, n)
	case n.IsMap && len(n.Fields) == 0:
		return emptyMappings[key] || c.inWebhook(key)
	case n.IsMap:
		return (filledMappings[key] || emptyMappings[key] || c.kind == "Namespace" && key == "spec") && c.filledThroughout(n)
	case n.Value == "":
		return emptyTexts[key] || c.isDerivedFilling(parent, key, n)
	}
	return c.isFilling(key, n) || c.isDerivedFilling(parent, key, n)
}

// inWebhook says whether the selector is that of a webhook: an empty one selects all there, as none does.
func (c *comparer) inWebhook(key string) bool {
	return (key == "namespaceSelector" || key == "objectSelector") && strings.HasSuffix(c.kind, "WebhookConfiguration")
}

func (c *comparer) filledThroughout(n *Node) bool {
	for k, f := range n.Fields {
		c.push(field(k))
		filled := c.asAbsent(n, k, f)
		c.pop()
		if !filled {
			return false
		}
	}
	return true
}

func (c *comparer) isFilling(key string, n *Node) bool {
	for _, f := range fillings()[key] {
		if (f.kind == "" || f.kind == c.kind) && c.stands(f.place) && canonicalScalar(n) == f.value {
			return true
		}
	}
	return false
}

// stands says whether the mapping around the path's field is in the place.
func (c *comparer) stands(place string) bool {
	above := c.fieldAt(1)
	switch place {
	case "pod":
		return above == "spec" && (c.fieldAt(2) == "template" || c.kind == "Pod" && c.fieldAt(2) == "")
	case "container":
		return containerLists[above]
	case "probe":
		return probeFields[above]
	}
	return above == place
}

// isDerivedFilling is for defaults that depend on what else is there.
func (c *comparer) isDerivedFilling(parent *Node, key string, n *Node) bool {
	switch key {
	case "targetPort":
		return c.kind == "Service" && n.Value == parent.text("port")
	case "imagePullPolicy":
		return c.stands("container") && n.Value == pullPolicy(parent.text("image"))
	case "serviceAccount": // the old name of serviceAccountName
		return n.Value == parent.text("serviceAccountName")
	case "clusterIP": // given by the cluster
		return c.kind == "Service" && n.Value != "None"
	case "replicas":
		return n.Value == "1" && (c.kind == "Deployment" || c.kind == "StatefulSet") && len(c.path) == 2 && !c.autoscaled
	case "apiGroup":
		return c.fieldAt(1) == "subjects" && n.Value == subjectGroup(parent.text("kind"))
	}
	return false
}

func subjectGroup(kind string) string {
	if kind == "ServiceAccount" {
		return ""
	}
	return "rbac.authorization.k8s.io"
}

// pullPolicy gives the default of an image: Always for the tag latest, which is meant where there is neither tag nor digest.
func pullPolicy(image string) string {
	rest, _, pinned := strings.Cut(image, "@")
	_, tag, tagged := strings.Cut(rest[strings.LastIndexByte(rest, '/')+1:], ":")
	if tag == "latest" || !tagged && !pinned {
		return "Always"
	}
	return "IfNotPresent"
}

// isFilledList is for lists that the API server makes from what else is there.
func (c *comparer) isFilledList(parent *Node, key string, n *Node) bool {
	texts := make([]string, len(n.Items))
	for i, item := range n.Items {
		texts[i] = item.Value
	}
	slices.Sort(texts)
	switch {
	case c.kind == "Service" && key == "ipFamilies":
		return slices.Equal(texts, []string{"IPv4"})
	case c.kind == "Service" && key == "clusterIPs":
		return !slices.Contains(texts, "None")
	case c.kind == "NetworkPolicy" && key == "policyTypes":
		return slices.Equal(texts, policyTypes(parent))
	case c.kind == "Namespace" && key == "finalizers":
		return c.fieldAt(1) == "spec" && slices.Equal(texts, []string{"kubernetes"})
	}
	return false
}

// policyTypes gives what a NetworkPolicy is for where it does not say so: always for Ingress, for Egress where it has rules for it.
func policyTypes(spec *Node) []string {
	if e := spec.Fields["egress"]; e != nil && len(e.Items) > 0 {
		return []string{"Egress", "Ingress"}
	}
	return []string{"Ingress"}
}
