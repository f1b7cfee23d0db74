package diff

import (
	"slices"
	"strings"
)

// asking is what a policy is asked: an object that is to be made or changed.
type asking struct {
	vars   map[string]any
	denies bool
}

// request gives what a policy would be asked about the target's object, nil where it is not about it.
func (a *admission) request(p *policy, pair pair) (*asking, error) {
	o := pair.target
	operation, err := a.matches(p.constraints, o, pair.previous != nil)
	if operation == "" || err != nil {
		return nil, err
	}
	denies, bound, err := a.bound(p, o, pair.previous != nil)
	if err != nil || !bound {
		return nil, err
	}
	old := pair.previous
	if operation == "CREATE" {
		old = nil
	}
	version := o.APIVersion[strings.LastIndexByte(o.APIVersion, '/')+1:]
	vars := map[string]any{
		"object": func() any { return a.values.object(o) }, "oldObject": func() any { return a.values.object(old) },
		"namespaceObject": func() any { return a.values.object(a.spaces[o.Namespace]) },
		"request": map[string]any{"operation": operation, "name": o.Name, "namespace": o.Namespace, "dryRun": false,
			"kind":     map[string]any{"group": group(o), "version": version, "kind": o.Kind},
			"resource": map[string]any{"group": group(o), "version": version, "resource": resourceOf(o.Kind)}},
	}
	vars["variables"] = a.variables(p, vars)
	return &asking{vars, denies}, nil
}

// variables evaluates the variables of a policy in their order. One that can't be evaluated is left out: who asks for it gets an error.
func (a *admission) variables(p *policy, vars map[string]any) map[string]any {
	out := map[string]any{}
	vars["variables"] = out
	for _, v := range p.variables {
		if value, _, err := v.program.Eval(vars); err == nil {
			out[v.name] = value
		}
	}
	return out
}

// bound says whether a binding makes the policy count for an object, and whether it refuses. Without any binding in sight the policy
// only warns.
func (a *admission) bound(p *policy, o *Object, exists bool) (denies, bound bool, err error) {
	if len(p.bindings) == 0 {
		return false, true, nil
	}
	for _, b := range p.bindings {
		operation := "any"
		if m := fieldOf(b, "matchResources"); m != nil {
			if operation, err = a.matches(m, o, exists); err != nil {
				return false, false, err
			}
		}
		if operation != "" {
			bound = true
			denies = denies || containsText(fieldOf(b, "validationActions"), "Deny")
		}
	}
	return denies, bound, nil
}

// matches says with which operation an object is one of those that the constraints name, "" where it is none.
func (a *admission) matches(m *Node, o *Object, exists bool) (operation string, err error) {
	rules := fieldOf(m, "resourceRules")
	if rules != nil {
		operation = resourceRules(rules, o, exists)
	} else if m != nil {
		operation = "any"
	}
	if operation == "" || resourceRules(fieldOf(m, "excludeResourceRules"), o, exists) != "" {
		return "", nil
	}
	if !selectorMatches(fieldOf(m, "objectSelector"), fieldOf(fieldOf(o.Root, "metadata"), "labels")) {
		return "", nil
	}
	ok, err := a.inNamespace(fieldOf(m, "namespaceSelector"), o)
	if !ok || err != nil {
		return "", err
	}
	return operation, nil
}

// inNamespace says whether a selector takes the namespace of an object. Its labels are known where the namespace is in the target.
func (a *admission) inNamespace(selector *Node, o *Object) (bool, error) {
	if selector == nil || len(selector.Fields) == 0 || o.Namespace == "" {
		return true, nil
	}
	const name = "kubernetes.io/metadata.name"
	labels := &Node{IsMap: true, Fields: map[string]*Node{name: {Value: o.Namespace, Type: "string"}}}
	if ns := a.spaces[o.Namespace]; ns != nil {
		if l := fieldOf(fieldOf(ns.Root, "metadata"), "labels"); l != nil {
			for k, v := range l.Fields {
				labels.Fields[k] = v
			}
		}
	} else if asksFor(selector, func(key string) bool { return key != name }) {
		return false, errUnsupported
	}
	return selectorMatches(selector, labels), nil
}

// asksFor says whether a selector looks at a label of which is says so.
func asksFor(selector *Node, is func(key string) bool) bool {
	if labels := fieldOf(selector, "matchLabels"); labels != nil {
		for k := range labels.Fields {
			if is(k) {
				return true
			}
		}
	}
	if es := fieldOf(selector, "matchExpressions"); es != nil {
		return slices.ContainsFunc(es.Items, func(e *Node) bool { return is(e.text("key")) })
	}
	return false
}

// selectorMatches is a label selector of Kubernetes; an empty one takes everything.
func selectorMatches(selector, labels *Node) bool {
	if want := fieldOf(selector, "matchLabels"); want != nil {
		for k, v := range want.Fields {
			if l := fieldOf(labels, k); l == nil || l.Value != v.Value {
				return false
			}
		}
	}
	if es := fieldOf(selector, "matchExpressions"); es != nil {
		for _, e := range es.Items {
			if !expressionMatches(e, fieldOf(labels, e.text("key"))) {
				return false
			}
		}
	}
	return true
}

func expressionMatches(e, label *Node) bool {
	in := label != nil && containsText(fieldOf(e, "values"), label.Value)
	switch e.text("operator") {
	case "In":
		return in
	case "NotIn":
		return !in
	case "Exists":
		return label != nil
	case "DoesNotExist":
		return label == nil
	}
	return false
}

// resourceRules gives the operation with which one of the rules takes an object: an update where previous has it, else its creation.
func resourceRules(rules *Node, o *Object, exists bool) string {
	if rules == nil {
		return ""
	}
	takes := func(list *Node, text string) bool { return containsText(list, "*") || containsText(list, text) }
	for _, r := range rules.Items {
		resources := fieldOf(r, "resources")
		if !takes(fieldOf(r, "apiGroups"), group(o)) || !takes(resources, resourceOf(o.Kind)) && !containsText(resources, "*/*") {
			continue
		}
		if names := fieldOf(r, "resourceNames"); hasItems(names) && !containsText(names, o.Name) {
			continue
		}
		switch operations := fieldOf(r, "operations"); {
		case exists && takes(operations, "UPDATE"):
			return "UPDATE"
		case takes(operations, "CREATE"):
			return "CREATE"
		}
	}
	return ""
}

// resourceOf gives the resource of a kind, as the API writes it.
func resourceOf(kind string) string {
	k := strings.ToLower(kind)
	switch {
	case k == "endpoints":
		return k
	case strings.HasSuffix(k, "s") || strings.HasSuffix(k, "x") || strings.HasSuffix(k, "ch"):
		return k + "es"
	case len(k) > 1 && strings.HasSuffix(k, "y") && !strings.ContainsRune("aeiou", rune(k[len(k)-2])):
		return strings.TrimSuffix(k, "y") + "ies"
	}
	return k + "s"
}
