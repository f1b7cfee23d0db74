package diff

import "strings"

// selection is a selector of pods, and the names of ports that they must have.
type selection struct {
	at     *cursor
	labels *Node // label and value, all of which a pod must have
	ports  []*cursor
}

// selectionsOf gives what an object selects. An empty selector selects all, or nothing, and is not looked at; nor is one with expressions.
func selectionsOf(o *Object) []selection {
	switch o.Kind {
	case "Service", "PodDisruptionBudget", "NetworkPolicy":
	default:
		return nil
	}
	spec := (&cursor{node: o.Root}).field("spec")
	switch o.Kind {
	case "Service":
		s := selection{at: spec.field("selector"), labels: fieldOf(spec.value(), "selector")}
		spec.field("ports").each(func(p *cursor) {
			if t := p.field("targetPort"); isText(t.value()) && !digits(t.node.Value) {
				s.ports = append(s.ports, t)
			}
		})
		return usable(s)
	case "PodDisruptionBudget":
		return usable(labelSelector(spec.field("selector")))
	case "NetworkPolicy":
		return usable(labelSelector(spec.field("podSelector")))
	}
	return nil
}

func labelSelector(at *cursor) selection {
	if hasItems(fieldOf(at.value(), "matchExpressions")) {
		return selection{}
	}
	return selection{at: at, labels: fieldOf(at.value(), "matchLabels")}
}

func usable(s selection) []selection {
	if !isMapping(s.labels) {
		return nil
	}
	for _, v := range s.labels.Fields {
		if !v.scalar() || strings.ContainsAny(v.Value, "${") {
			return nil
		}
	}
	return []selection{s}
}

// givenLabels are those that the cluster gives to a pod.
var givenLabels = set(`statefulset.kubernetes.io/pod-name apps.kubernetes.io/pod-index controller-revision-hash pod-template-hash
	pod-template-generation job-name controller-uid batch.kubernetes.io/job-name batch.kubernetes.io/controller-uid
	batch.kubernetes.io/job-completion-index rollouts-pod-template-hash`)

// selects says whether pods with these labels are selected, as far as their template says.
func (s selection) selects(labels *Node) bool {
	for k, v := range s.labels.Fields {
		if givenLabels[k] {
			continue
		}
		if l := fieldOf(labels, k); l == nil || l.Value != v.Value {
			return false
		}
	}
	return true
}

// selected gives what a selection selects in a namespace.
func (v *inventory) selected(namespace string, s selection) []podTemplate {
	var out []podTemplate
	for _, t := range v.candidates(namespace, s) {
		if s.selects(t.labels) {
			out = append(out, t)
		}
	}
	return out
}

// candidates gives the fewest pods among which those of a selection are: the ones with its rarest label.
func (v *inventory) candidates(namespace string, s selection) []podTemplate {
	least := v.pods[namespace]
	for k, l := range s.labels.Fields {
		if pods := v.labelled[podLabel{namespace, k, l.Value}]; !givenLabels[k] && len(pods) < len(least) {
			least = pods
		}
	}
	return least
}

// selectedBefore says whether the selectors of an object of previous found pods.
func selectedBefore(o *Object, previous *inventory) bool {
	if o == nil {
		return false
	}
	for _, was := range selectionsOf(o) {
		if len(previous.selected(o.Namespace, was)) > 0 {
			return true
		}
	}
	return false
}

// hasPods says whether the state has pods in the namespace, and all that are there.
func (v *inventory) hasPods(namespace string) bool {
	return !v.open && len(v.pods[namespace]) > 0 && !v.operated(namespace)
}

// operated says whether pods of the namespace may be made by an operator, with labels that nobody sees here.
func (v *inventory) operated(namespace string) bool {
	for _, kind := range [...]string{"Canary", "Cluster", "Kafka", "Elasticsearch", "Postgresql", "Prometheus", "HelmRelease", "Application"} {
		if v.kinds[nameKey{kind: kind, namespace: namespace}] > 0 {
			return true
		}
	}
	return false
}

// portless gives the named ports of a Service that no container of its pods has.
func portless(s selection, pods []podTemplate) []*cursor {
	if len(pods) == 0 {
		return nil
	}
	var out []*cursor
	for _, at := range s.ports {
		found := false
		for _, t := range pods {
			found = found || hasNamedPort(t.spec, at.node.Value)
		}
		if !found {
			out = append(out, at)
		}
	}
	return out
}

func hasNamedPort(spec *Node, name string) bool {
	for _, list := range [...]string{"containers", "initContainers"} {
		cs := fieldOf(spec, list)
		if cs == nil {
			continue
		}
		for _, c := range cs.Items {
			ports := fieldOf(c, "ports")
			if ports == nil {
				continue
			}
			for _, p := range ports.Items {
				if p.text("name") == name {
					return true
				}
			}
		}
	}
	return false
}
