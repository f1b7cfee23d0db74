package diff

// Noise is what the cluster writes into an object: it differs always and says nothing of its configuration.

var metadataNoise = set("managedFields creationTimestamp generation resourceVersion uid selfLink")

// lastApplied holds a copy of the whole object, with its secrets.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// written are annotations that controllers write: which revision it is, which volume it got, which release of Helm has it.
var written = set(lastApplied + ` deployment.kubernetes.io/revision deprecated.daemonset.template.generation pv.kubernetes.io/bind-completed
	pv.kubernetes.io/bound-by-controller volume.beta.kubernetes.io/storage-provisioner volume.kubernetes.io/storage-provisioner
	volume.kubernetes.io/selected-node meta.helm.sh/release-name meta.helm.sh/release-namespace`)

// noise says whether a field of a Kubernetes object is noise. path is that of the mapping it stands in.
func noise(path []segment, key string, n *Node) bool {
	last := ""
	if len(path) > 0 && path[len(path)-1].kind == fieldSegment {
		last = path[len(path)-1].key
	}
	switch {
	case len(path) == 0:
		return key == "status" || key == "metadata" && onlyNoise(append(path, field(key)), n)
	case last == "metadata":
		if key == "creationTimestamp" && n.Type == "null" {
			return true // generators write it into templates too
		}
		return len(path) == 1 && metadataNoise[key] || key == "annotations" && onlyNoise(append(path, field(key)), n)
	case last == "annotations":
		return written[key]
	}
	return false
}

// onlyNoise says whether a mapping has nothing but noise, so that it is as good as not there.
func onlyNoise(path []segment, n *Node) bool {
	if !n.IsMap || len(n.Fields) == 0 {
		return false
	}
	for k, f := range n.Fields {
		if !noise(path, k, f) {
			return false
		}
	}
	return true
}
