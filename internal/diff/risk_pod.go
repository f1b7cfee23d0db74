package diff

import "strings"

// handlers are what a probe asks.
var handlers = []string{"httpGet", "tcpSocket", "exec", "grpc"}

// probesIdentical tells a readiness probe that asks what the liveness probe asks, in the same way.
func probesIdentical(w *survey, x both) {
	up := w.parent(1)
	if !sameProbe(fieldOf(up.b, "livenessProbe"), x.b) || sameProbe(fieldOf(up.a, "livenessProbe"), x.a) {
		return
	}
	st := worse
	if up.a == nil {
		st = fresh
	}
	w.notef(riskIdentical, medium, x, st, "the same as livenessProbe", "a check of its own")
}

func sameProbe(a, b *Node) bool {
	if !isMapping(a) || !isMapping(b) {
		return false
	}
	for _, h := range handlers {
		if a.Fields[h] != nil {
			return canonical(a) == canonical(b)
		}
	}
	return false
}

// resourceAmounts compares limits or requests.
func resourceAmounts(w *survey, x both) {
	if !strings.HasSuffix(strings.ToLower(w.key(1)), "resources") {
		return
	}
	if x.a == nil || len(x.a.Fields) == 0 {
		return
	}
	if x.b == nil || len(x.b.Fields) == 0 {
		w.note(riskNoResources, x, worse)
		return
	}
	claim := w.c.target.Kind == "PersistentVolumeClaim" || w.under("volumeClaimTemplates") || w.under("volumeClaimTemplate")
	for k := range x.a.Fields {
		v := x.get(k)
		w.push(k, v)
		switch {
		case v.b == nil && k == "cpu" && w.key(1) == "limits":
			w.notef(riskNoResources, low, v, worse, "", "") // many leave it out on purpose
		case v.b == nil:
			w.note(riskNoResources, v, worse)
		case lower(v) && claim:
			w.note(riskStorage, v, worse)
		case muchLower(v):
			w.note(riskResources, v, worse)
		}
		w.pop()
	}
}

// taskAmount compares what a task of ECS and a service of docker compose may use; their keys mean something else elsewhere.
func taskAmount(w *survey, x both) {
	if f := w.c.target.Root.Format; f != "ecs" && f != "compose" || w.key(1) == "limits" || w.key(1) == "reservations" {
		return
	}
	switch {
	case isText(x.a) && x.b == nil:
		w.note(riskNoResources, x, worse)
	case lower(x):
		w.note(riskResources, x, worse)
	}
}

// containerLimits tells a new container without limits.
func containerLimits(w *survey, x both) {
	if w.key(2) != "containers" || w.key(1) != "" || !w.c.kubernetes {
		return
	}
	up := w.parent(1)
	if up.a != nil || up.b == nil || isMapping(fieldOf(up.b.Fields["resources"], "limits")) {
		return
	}
	image := w.steps[len(w.steps)-1]
	w.pop()
	w.notef(riskNoResources, low, up, fresh, "no limits", "limits")
	w.steps = append(w.steps, image)
}

// capabilities compares what a container may do beside the ordinary.
func capabilities(w *survey, x both) {
	if containsText(fieldOf(x.a, "drop"), "ALL") && !containsText(fieldOf(x.b, "drop"), "ALL") {
		drop := x.get("drop")
		w.push("drop", drop)
		w.note(riskPrivileged, drop, worse)
		w.pop()
	}
	add := x.get("add")
	if !hasItems(add.b) {
		return
	}
	for _, c := range add.b.Items {
		if !c.scalar() || c.Value == "NET_BIND_SERVICE" || containsText(add.a, c.Value) {
			continue
		}
		st := worse
		if w.parent(1).a == nil {
			st = fresh
		}
		w.push("add", add)
		w.notef(riskPrivileged, high, add, st, "added "+w.c.mask.name(c.Value), "")
		w.pop()
	}
}

// image is a reference in its parts.
type image struct{ registry, repository, tag, digest string }

func parseImage(ref string) image {
	var i image
	ref, i.digest, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		ref, i.tag = ref[:colon], ref[colon+1:]
	}
	i.registry, i.repository = splitRegistry(ref)
	return i
}

// splitRegistry splits as the container tools do: a first part with a dot or a port is a host.
func splitRegistry(repository string) (registry, rest string) {
	first, rest, ok := strings.Cut(repository, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, rest
	}
	return "docker.io", repository
}

// imageRef looks at an image that is written in one text.
func imageRef(w *survey, x both) {
	if !isText(x.b) || strings.ContainsAny(x.b.Value, " \n{$") || w.key(1) == "flags" {
		return
	}
	b, a := parseImage(x.b.Value), image{}
	if isText(x.a) {
		a = parseImage(x.a.Value)
	}
	moving := func(i image) bool { return i.digest == "" && (i.tag == "latest" || i.tag == "" && w.c.kubernetes) }
	switch {
	case moving(b) && isText(x.a) && moving(a):
	case moving(b) && !isText(x.a):
		w.note(riskImagePin, x, fresh)
	case moving(b), a.digest != "" && b.digest == "":
		w.note(riskImagePin, x, worse)
	}
	if isText(x.a) && a.registry != b.registry {
		w.note(riskRegistry, x, worse)
	}
}

// imageTag looks at an image that a chart's values write in parts.
func imageTag(w *survey, x both) {
	if !isScalar(x.b) || x.b.Value != "latest" || !isImage(w.parent(1).b, w.key(1)) {
		return
	}
	switch {
	case isScalar(x.a) && x.a.Value == "latest":
	case x.a == nil:
		w.note(riskImagePin, x, fresh)
	default:
		w.note(riskImagePin, x, worse)
	}
}

func imageRegistry(w *survey, x both) {
	if isText(x.a) && isText(x.b) && x.a.Value != x.b.Value && isImage(w.parent(1).b, w.key(1)) {
		w.note(riskRegistry, x, worse)
	}
}

func isImage(n *Node, key string) bool {
	return isMapping(n) && (n.Fields["repository"] != nil || strings.HasSuffix(strings.ToLower(key), "image"))
}

// podTemplate is where a workload says what its pods are.
type podTemplate struct {
	spec   *Node // the pods' spec, nil where the object has none
	labels *Node // of the pods
	path   []string
}

// podPaths lead to the spec of the pods, and to what has their labels.
var podPaths = [][]string{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"template", "spec"}}

func podTemplateIn(o *Object) podTemplate {
	switch {
	case !isKubernetes(o):
		return podTemplate{}
	case o.Kind == "Pod":
		return podTemplateAt(o.Root, []string{"spec"})
	}
	for _, path := range podPaths {
		n := o.Root
		for _, k := range path[:len(path)-1] {
			n = fieldOf(n, k)
		}
		if t := podTemplateAt(n, path); t.spec != nil {
			return t
		}
	}
	return podTemplate{}
}

func podTemplateAt(n *Node, path []string) podTemplate {
	spec := fieldOf(n, "spec")
	if fieldOf(spec, "containers") == nil {
		return podTemplate{}
	}
	return podTemplate{spec: spec, labels: fieldOf(fieldOf(n, "metadata"), "labels"), path: path}
}
