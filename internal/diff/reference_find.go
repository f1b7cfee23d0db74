package diff

// What objects of Kubernetes name: k8s.io/api core/v1, networking/v1, autoscaling/v2, policy/v1, rbac/v1.

// object collects what an object names; t is where its pods are.
func (r *referrer) object(o *Object, t podTemplate) {
	root := &cursor{node: o.Root}
	spec := root.field("spec")
	switch o.Kind {
	case "Ingress":
		r.ingress(spec)
	case "HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler":
		r.scaleTarget(spec)
	case "RoleBinding", "ClusterRoleBinding":
		r.binding(root)
	case "HTTPRoute", "GRPCRoute":
		spec.field("rules").each(func(rule *cursor) {
			rule.field("backendRefs").each(func(b *cursor) {
				if k := b.text("kind"); (k == "" || k == "Service") && b.text("namespace") == "" {
					r.service(b.field("name"), b.text("port"))
				}
			})
		})
	case "StatefulSet":
		r.name(spec.field("serviceName"), "Service", "", true)
	}
	if t.spec != nil {
		r.pod(root.down(t.path...))
	}
}

func (r *referrer) pod(spec *cursor) {
	for _, list := range [...]string{"initContainers", "containers", "ephemeralContainers"} {
		spec.field(list).each(r.container)
	}
	spec.field("volumes").each(r.volume)
	spec.field("imagePullSecrets").each(func(s *cursor) { r.name(s.field("name"), "Secret", "", true) })
	if sa := spec.field("serviceAccountName"); isText(sa.value()) && sa.node.Value != "default" {
		r.add(sa, "ServiceAccount", "")
	}
}

func (r *referrer) container(c *cursor) {
	c.field("envFrom").each(func(e *cursor) {
		r.source(e.field("configMapRef"), "ConfigMap")
		r.source(e.field("secretRef"), "Secret")
	})
	c.field("env").each(func(e *cursor) {
		from := e.field("valueFrom")
		r.source(from.field("configMapKeyRef"), "ConfigMap")
		r.source(from.field("secretKeyRef"), "Secret")
	})
}

// source is a reference of an environment, to an object or to a key in it.
func (r *referrer) source(at *cursor, kind string) {
	if at != nil && !isTrue(at.node.Fields["optional"]) {
		r.add(at.field("name"), kind, at.text("key"))
	}
}

func (r *referrer) volume(v *cursor) {
	r.files(v.field("configMap"), "name", "ConfigMap")
	r.files(v.field("secret"), "secretName", "Secret")
	r.add(v.down("persistentVolumeClaim", "claimName"), "PersistentVolumeClaim", "")
	v.down("projected", "sources").each(func(s *cursor) {
		r.files(s.field("configMap"), "name", "ConfigMap")
		r.files(s.field("secret"), "name", "Secret")
	})
}

// files is a reference of a volume: to an object, and to those of its keys that become files.
func (r *referrer) files(at *cursor, nameKey, kind string) {
	if at == nil || isTrue(at.node.Fields["optional"]) {
		return
	}
	name := at.field(nameKey)
	r.add(name, kind, "")
	at.field("items").each(func(i *cursor) {
		if key := i.field("key"); isText(key.value()) && isText(name.value()) {
			r.refs = append(r.refs, mention{at: key, kind: kind, name: name.node.Value, key: key.node.Value})
		}
	})
}

// service is a reference to a Service, and to a port of it by number or name.
func (r *referrer) service(name *cursor, port string) {
	r.add(name, "Service", "")
	if port != "" {
		r.add(name, "Service", port)
	}
}

func (r *referrer) ingress(spec *cursor) {
	backend := func(b *cursor) {
		if s := b.field("service"); s != nil {
			port := s.field("port")
			r.service(s.field("name"), port.text("number")+port.text("name"))
		}
		if b.text("serviceName") != "" { // extensions/v1beta1
			r.service(b.field("serviceName"), b.text("servicePort"))
		}
	}
	backend(spec.field("defaultBackend"))
	spec.field("rules").each(func(rule *cursor) {
		rule.down("http", "paths").each(func(p *cursor) { backend(p.field("backend")) })
	})
}

func (r *referrer) scaleTarget(spec *cursor) {
	at := spec.field("scaleTargetRef")
	if at == nil {
		at = spec.field("targetRef")
	}
	kind := at.text("kind")
	if kind == "" {
		kind = "Deployment"
	}
	r.add(at.field("name"), kind, "")
}

func (r *referrer) binding(root *cursor) {
	if ref := root.field("roleRef"); ref.text("kind") == "Role" {
		r.add(ref.field("name"), "Role", "")
	}
	root.field("subjects").each(func(s *cursor) {
		if s.text("kind") == "ServiceAccount" && s.text("name") != "default" && s.text("namespace") == "" {
			r.add(s.field("name"), "ServiceAccount", "")
		}
	})
}
