package format

import (
	"maps"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

var composeName = lazyregexp.New(`^(?:docker-)?compose(?:[.\-_].*)?\.ya?ml$`)

// isCompose says whether a document is a Compose file: by the file's name, else by having nothing in it but what the Compose
// specification knows, and a service with an image or a build.
func isCompose(base string, n *diff.Node) bool {
	services := n.Fields["services"]
	if services == nil || !services.IsMap || len(services.Fields) == 0 {
		return false
	}
	runs := false
	for _, s := range services.Fields {
		if !s.IsMap && s.Type != "null" {
			return false
		}
		runs = runs || isText(s.Fields["image"]) || s.Fields["build"] != nil
	}
	if composeName.MatchString(base) {
		return true
	}
	if !runs || !only(n, composeRoot) {
		return false
	}
	for _, s := range services.Fields {
		if !only(s, composeService) {
			return false
		}
	}
	return true
}

// only says whether a mapping has no other fields than those, and extensions.
func only(n *diff.Node, known map[string]bool) bool {
	for k := range n.Fields {
		if !known[k] && !strings.HasPrefix(k, "x-") {
			return false
		}
	}
	return true
}

var (
	composeRoot    = words(`version name services networks volumes secrets configs include models`)
	composeService = words(`annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
		cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy develop
		device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends external_links extra_hosts
		gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit mem_reservation
		mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start
		pre_stop privileged profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size stdin_open
		stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from
		working_dir`)
)

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// composeForms are the fields of a service that can be written in several ways, each with what gives it one form. It gives the node as it
// is where it is in no form that it knows.
var composeForms = map[string]func(*input, *diff.Node) (*diff.Node, error){
	"environment": (*input).assignments, "labels": (*input).assignments, "annotations": (*input).assignments, "sysctls": (*input).assignments,
	"build": (*input).composeBuild, "deploy": (*input).composeDeploy, "ports": (*input).composePorts, "volumes": (*input).composeMounts,
	"depends_on": (*input).composeNames, "networks": (*input).composeNames, "env_file": (*input).composeEnvFiles, "healthcheck": (*input).composeCheck,
}

// compose gives a Compose file with the services' fields in one form each.
func (in *input) compose(n *diff.Node) (*diff.Node, error) {
	services := mapping(n.Fields["services"])
	of := n.Fields["services"].Fields
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out, err := in.forms(of[name], composeForms)
		if err != nil {
			return nil, err
		}
		services.Fields[name] = out
	}
	return with(n, "services", services), nil
}

// forms gives a mapping with some of its fields in another form.
func (in *input) forms(n *diff.Node, forms map[string]func(*input, *diff.Node) (*diff.Node, error)) (*diff.Node, error) {
	out := n
	for _, field := range slices.Sorted(maps.Keys(forms)) {
		f := n.Fields[field]
		if f == nil {
			continue
		}
		v, err := forms[field](in, f)
		if err != nil {
			return nil, err
		}
		if v != f {
			out = with(out, field, v)
		}
	}
	return out, nil
}

// assignments gives a list of KEY=value, and a mapping, as a mapping of texts. A KEY alone has no value: it is taken from outside.
func (in *input) assignments(n *diff.Node) (*diff.Node, error) {
	if !n.IsMap && !n.IsList {
		return n, nil
	}
	out := mapping(n)
	for k, v := range n.Fields {
		if v.IsMap || v.IsList {
			return n, nil
		}
		if v.Type != "null" && v.Type != "string" {
			text := *v
			text.Type = "string"
			v = &text
		}
		out.Fields[k] = v
	}
	for _, item := range n.Items {
		if !isText(item) {
			return n, nil
		}
		key, value, ok := strings.Cut(item.Value, "=")
		if first := out.Fields[key]; first != nil {
			return nil, in.twice(key, first, item.Line, item.Column)
		}
		v := scalar(item, value)
		if !ok {
			v.Type = "null"
		} else if in.mayHold(v, key) {
			in.embed(v, key, nil)
		}
		out.Fields[in.key(key)] = v
	}
	return out, nil
}

// composeBuild gives a build that is a path alone as one with a context.
func (in *input) composeBuild(n *diff.Node) (*diff.Node, error) {
	if isText(n) {
		out := mapping(n)
		out.Fields["context"] = n
		return out, nil
	}
	return in.forms(n, map[string]func(*input, *diff.Node) (*diff.Node, error){"args": (*input).assignments, "labels": (*input).assignments})
}

func (in *input) composeDeploy(n *diff.Node) (*diff.Node, error) {
	return in.forms(n, map[string]func(*input, *diff.Node) (*diff.Node, error){"labels": (*input).assignments})
}

// composeNames gives a list of names as a mapping, where nothing, {} and the default condition of depends_on are the same.
func (in *input) composeNames(n *diff.Node) (*diff.Node, error) {
	if !n.IsMap && !n.IsList {
		return n, nil
	}
	out := mapping(n)
	for k, v := range n.Fields {
		if v.Type == "null" && !v.IsMap || v.IsMap && len(v.Fields) == 1 && text(v, "condition") == "service_started" {
			v = mapping(v)
		}
		out.Fields[k] = v
	}
	for _, item := range n.Items {
		if !isText(item) {
			return n, nil
		}
		if first := out.Fields[item.Value]; first != nil {
			return nil, in.twice(item.Value, first, item.Line, item.Column)
		}
		out.Fields[item.Value] = mapping(item)
	}
	return out, nil
}

// composeEnvFiles gives one file, a list of files and the long form as a list of the long form. A later file wins: the order stays.
func (in *input) composeEnvFiles(n *diff.Node) (*diff.Node, error) {
	items := n.Items
	if isText(n) {
		items = []*diff.Node{n}
	} else if !n.IsList {
		return n, nil
	}
	out := &diff.Node{IsList: true, Line: n.Line, Column: n.Column}
	for _, item := range items {
		if isText(item) {
			long := mapping(item)
			long.Fields["path"] = item
			item = long
		} else if isTrue(item.Fields["required"]) {
			item = with(item, "required", nil)
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// composeCheck gives a health check's command line as the list that it stands for.
func (in *input) composeCheck(n *diff.Node) (*diff.Node, error) {
	test := n.Fields["test"]
	if !isText(test) {
		return n, nil
	}
	return with(n, "test", &diff.Node{IsList: true, Items: []*diff.Node{scalar(test, "CMD-SHELL"), test}, Line: test.Line, Column: test.Column}), nil
}
