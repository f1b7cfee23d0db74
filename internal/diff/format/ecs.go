package format

import (
	"cmp"
	"slices"

	"github.com/bakegate/bakegate/internal/diff"
)

// isECS says whether a document is an ECS task definition: the one that is registered, or what describe-task-definition gives.
func isECS(_ string, n *diff.Node) bool {
	d := taskDefinition(n).Fields["containerDefinitions"]
	return d != nil && d.IsList && len(d.Items) > 0 && !slices.ContainsFunc(d.Items, func(c *diff.Node) bool { return !isText(c.Fields["name"]) })
}

func taskDefinition(n *diff.Node) *diff.Node {
	if d := n.Fields["taskDefinition"]; d != nil && d.IsMap {
		return d
	}
	return n
}

// registered is what ECS adds to a task definition (TaskDefinition in its API reference); nothing of it is configured.
var registered = []string{
	"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy", "deregisteredAt",
}

// unorderedECS are the lists whose order means nothing, by the fields that their items are known by.
var unorderedECS = map[string][]string{
	"containerDefinitions": {"name"}, "environment": {"name"}, "secrets": {"name"}, "portMappings": {"containerPort", "protocol", "hostPort"},
	"mountPoints": {"containerPath"}, "volumesFrom": {"sourceContainer"}, "dependsOn": {"containerName"}, "ulimits": {"name"},
	"systemControls": {"namespace"}, "extraHosts": {"hostname"}, "tags": {"key"}, "volumes": {"name"}, "inferenceAccelerators": {"deviceName"},
	"resourceRequirements": {"type"}, "secretOptions": {"name"}, "requiresCompatibilities": {""},
}

// ecs gives the task definition as it would be registered: without what ECS adds, and with its defaults, so that the file and the
// registered one are the same.
func (in *input) ecs(n *diff.Node) (*diff.Node, error) {
	out := taskDefinition(n)
	if tags := n.Fields["tags"]; out != n && tags != nil {
		out = with(out, "tags", tags)
	}
	for _, f := range registered {
		out = with(out, f, nil)
	}
	mode := text(out, "networkMode")
	out = task{samePort: mode == "awsvpc" || mode == "host"}.mapping(out)
	for _, c := range out.Fields["containerDefinitions"].Items {
		container(c)
	}
	return out, nil
}

// task is what has to be known of a task definition as a whole.
type task struct {
	samePort bool // the container's port is the host's; else a port that is left out is any
}

// mapping gives a mapping without empty fields and defaults, and with the lists in one order whose order means nothing.
func (t task) mapping(n *diff.Node) *diff.Node {
	out := mapping(n)
	for k, v := range n.Fields {
		switch {
		case v.IsMap && len(v.Fields) > 0:
			out.Fields[k] = t.mapping(v)
		case v.IsList && len(v.Items) > 0:
			out.Fields[k] = t.list(v, unorderedECS[k])
		case !v.IsMap && !v.IsList && v.Type != "null":
			out.Fields[k] = v
		}
	}
	t.port(out)
	return out
}

// port writes out the defaults of a port mapping.
func (t task) port(n *diff.Node) {
	port := text(n, "containerPort")
	if port == "" {
		return
	}
	if n.Fields["protocol"] == nil {
		n.Fields["protocol"] = scalar(n, "tcp")
	}
	if h := text(n, "hostPort"); h == "0" || t.samePort && h == port {
		delete(n.Fields, "hostPort")
	}
}

// list gives a list in the order of its keys; "" is the item itself.
func (t task) list(n *diff.Node, keys []string) *diff.Node {
	out := *n
	out.Items = make([]*diff.Node, len(n.Items))
	for i, item := range n.Items {
		if item.IsMap {
			item = t.mapping(item)
		}
		out.Items[i] = item
	}
	value := func(n *diff.Node, key string) string {
		if key == "" {
			return n.Value
		}
		return text(n, key)
	}
	slices.SortStableFunc(out.Items, func(x, y *diff.Node) int {
		order := 0
		for _, k := range keys {
			order = cmp.Or(order, cmp.Compare(value(x, k), value(y, k)))
		}
		return order
	})
	return &out
}

// container writes out the defaults of a container.
func container(n *diff.Node) {
	if n.Fields["essential"] == nil {
		n.Fields["essential"] = &diff.Node{Type: "bool", Value: "true", Line: n.Line, Column: n.Column}
	}
	if text(n, "cpu") == "0" {
		delete(n.Fields, "cpu")
	}
}
