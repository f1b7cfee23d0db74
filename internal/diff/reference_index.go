package diff

// inventory is what a state has, to look names up in.
type inventory struct {
	objects map[nameKey][]*Object
	bare    map[nameKey][]*Object // in any namespace; made once somebody asks
	kinds   map[nameKey]int       // objects of a kind in a namespace; those that make one count
	any     map[string]bool       // kinds
	pods    map[string][]podTemplate
	// labelled are the pods with a label, so that a selector does not ask all.
	labelled map[podLabel][]podTemplate
	// templates are where the pods of the objects are, by the pair.
	templates []podTemplate
	open      bool // the state is a part: it names files that are elsewhere
}

// podLabel is a label of pods in a namespace.
type podLabel struct{ namespace, key, value string }

// nameKey is a kind, a namespace and a name.
type nameKey struct{ kind, namespace, name string }

func newInventory(ps pairing, side func(pair) *Object) *inventory {
	v := &inventory{objects: make(map[nameKey][]*Object, len(ps.pairs)), kinds: map[nameKey]int{}, any: map[string]bool{},
		pods: map[string][]podTemplate{}, labelled: map[podLabel][]podTemplate{}, templates: make([]podTemplate, len(ps.pairs))}
	for i, p := range ps.pairs {
		if o := side(p); o != nil {
			v.templates[i] = podTemplateIn(o)
			v.add(o, v.templates[i])
		}
	}
	return v
}

func (v *inventory) add(o *Object, t podTemplate) {
	if !isKubernetes(o) {
		v.partial(o)
		return
	}
	v.put(o.Kind, o.Namespace, o.Name, o)
	if n := len(o.Name); n > 11 && o.Name[n-11] == '-' { // as long as kustomize's
		if short := withoutHash(o); short != o.Name {
			v.put(o.Kind, o.Namespace, short, o)
		}
	}
	v.made(o)
	if o.Kind == "Kustomization" {
		v.partial(o)
	}
	if t.spec != nil {
		v.pods[o.Namespace] = append(v.pods[o.Namespace], t)
		if isMapping(t.labels) {
			for k, l := range t.labels.Fields {
				at := podLabel{o.Namespace, k, l.Value}
				v.labelled[at] = append(v.labelled[at], t)
			}
		}
	}
}

func (v *inventory) put(kind, namespace, name string, o *Object) {
	k := nameKey{kind, namespace, name}
	v.objects[k] = append(v.objects[k], o)
	v.kinds[nameKey{kind: kind, namespace: namespace}]++
	v.any[kind] = true
}

// made puts in what an object of an operator makes: its name is known, its content is not.
func (v *inventory) made(o *Object) {
	spec := fieldOf(o.Root, "spec")
	name := ""
	switch o.Kind {
	case "SealedSecret", "OnePasswordItem", "SopsSecret":
		name = o.Name
	case "ExternalSecret":
		if name = fieldOf(spec, "target").text("name"); name == "" {
			name = o.Name
		}
	case "Certificate":
		name = spec.text("secretName")
	case "VaultStaticSecret", "VaultDynamicSecret":
		name = fieldOf(spec, "destination").text("name")
	case "SecretProviderClass":
		if list := fieldOf(spec, "secretObjects"); list != nil {
			for _, s := range list.Items {
				v.put("Secret", o.Namespace, s.text("secretName"), nil)
			}
		}
	}
	if name != "" {
		v.put("Secret", o.Namespace, name, nil)
	}
}

// partial looks at a kustomization: what it generates, and whether it takes in what is not in the state.
func (v *inventory) partial(o *Object) {
	for kind, generator := range map[string]string{"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"} {
		list := fieldOf(o.Root, generator)
		if list == nil {
			continue
		}
		for _, g := range list.Items {
			v.put(kind, o.Namespace, g.text("name"), nil)
		}
	}
	for _, k := range [...]string{"resources", "bases", "components"} {
		v.open = v.open || hasItems(fieldOf(o.Root, k)) && (o.Kind == "" || group(o) == "kustomize.config.k8s.io")
	}
}

// builtIn are objects that the cluster makes in every namespace.
var builtIn = map[string]bool{"ConfigMap/kube-root-ca.crt": true, "ConfigMap/istio-ca-root-cert": true, "ServiceAccount/default": true,
	"ConfigMap/openshift-service-ca.crt": true}

// find gives the objects of that name in the namespace. A state in which some objects name their namespace and others don't is one that
// somebody adds the namespace to.
func (v *inventory) find(kind, namespace, name string) []*Object {
	if os := v.objects[nameKey{kind, namespace, name}]; len(os) > 0 {
		return os
	}
	if namespace != "" {
		return v.objects[nameKey{kind, "", name}]
	}
	if v.bare == nil {
		v.bare = map[nameKey][]*Object{}
		for k, os := range v.objects {
			bare := nameKey{k.kind, "", k.name}
			v.bare[bare] = append(v.bare[bare], os...)
		}
	}
	return v.bare[nameKey{kind, "", name}]
}

// has says whether what is named is there, with the key, as far as that can be seen.
func (v *inventory) has(namespace string, r mention) bool {
	os := v.find(r.kind, namespace, r.name)
	if len(os) == 0 {
		return builtIn[r.kind+"/"+r.name]
	}
	if r.key == "" {
		return true
	}
	for _, o := range os {
		if o == nil || hasKey(o, r.key) {
			return true
		}
	}
	return false
}

// hasKey says whether an object has a key in its data, or a port.
func hasKey(o *Object, key string) bool {
	if o.Kind == "Service" {
		return hasPort(o, key)
	}
	seen := false
	for _, f := range [...]string{"data", "stringData", "binaryData"} {
		n := fieldOf(o.Root, f)
		if fieldOf(n, key) != nil {
			return true
		}
		seen = seen || isMapping(n)
	}
	return !seen || o.Kind == "Secret" && o.Root.text("type") == "kubernetes.io/service-account-token"
}

func hasPort(o *Object, port string) bool {
	list := fieldOf(fieldOf(o.Root, "spec"), "ports")
	if !hasItems(list) {
		return true
	}
	for _, p := range list.Items {
		if p.text("name") == port || p.text("port") == port {
			return true
		}
	}
	return false
}

// knows says whether the state is one in which what is named would be: it has others of that kind in the namespace, or the object itself
// without the key.
func (v *inventory) knows(namespace string, r mention) bool {
	if r.key != "" && len(v.find(r.kind, namespace, r.name)) > 0 {
		return true
	}
	return !v.open && r.key == "" && v.kinds[nameKey{kind: r.kind, namespace: namespace}] > 0
}
