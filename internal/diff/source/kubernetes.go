package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/kube"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// KubernetesOptions is the block `kubernetes:`: the objects of a namespace as the cluster has them now. Which cluster it is comes from the
// job's environment alone. Written as a scalar it is Namespace.
type KubernetesOptions struct {
	Namespace string `yaml:"namespace"` // default: the kubeconfig's, or the pod's own
	Selector  string `yaml:"selector"`  // of labels, e.g. app.kubernetes.io/part-of=checkout; default: all objects
	// Kinds are the kinds that are read, KIND or KIND.GROUP; "default" stands for those that are read where none are named.
	Kinds   []string `yaml:"kinds"`
	Context string   `yaml:"context"` // of the kubeconfig; default: its current one
	Secrets *bool    `yaml:"secrets"` // false leaves Secrets out, whose reading needs a right of its own; default: true
	Exclude []string `yaml:"exclude"` // objects that are not read, as globs of KIND/NAME: ConfigMap/*-ca
}

// UnmarshalText reads the scalar form.
func (o *KubernetesOptions) UnmarshalText(b []byte) error {
	o.Namespace = string(b)
	return nil
}

type kubernetesSource struct {
	KubernetesOptions
	env    Env
	limits limits
}

var kindForm = lazyregexp.New(`^[A-Za-z][A-Za-z0-9]{0,62}(\.[a-z0-9][a-z0-9.-]{0,252})?$`)

func buildKubernetes(decode func(any) error) (Source, error) {
	s := &kubernetesSource{limits: defaultLimits}
	if err := decode(&s.KubernetesOptions); err != nil {
		return nil, err
	}
	if s.Selector != "" {
		if err := kube.CheckSelector(s.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
	}
	for i, k := range s.Kinds {
		if !kindForm.MatchString(k) {
			return nil, fmt.Errorf("kinds[%d]: got %q, want KIND or KIND.GROUP, e.g. ConfigMap, Rollout.argoproj.io, or default", i, clean.Cut(k, 100))
		}
	}
	for i, g := range s.Exclude {
		if _, err := path.Match(g, ""); err != nil || !strings.Contains(g, "/") {
			return nil, fmt.Errorf("exclude[%d]: got %q, want a glob of KIND/NAME, e.g. ConfigMap/*-ca", i, clean.Cut(g, 100))
		}
	}
	return s, nil
}

// Use implements Wants.
func (s *kubernetesSource) Use(e Env) { s.env = e }

// Snapshot lists the objects kind by kind. What controllers make of other objects is left out, and counted.
func (s *kubernetesSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text("namespace " + orWord(s.Namespace, "of the kubeconfig"))}
	c, err := kube.New(kube.Options{Context: s.Context, Namespace: s.Namespace, Getenv: s.env.Getenv})
	if err != nil {
		return t, err
	}
	t.Name = clean.Text(fmt.Sprintf("namespace %s of %s", c.Namespace(), c.Server()))
	n := &namespace{source: s, client: c, nodes: format.NewBudget(s.limits.nodes, s.limits.depth), left: map[string]int{}}
	kinds, err := n.kinds(ctx)
	if err != nil {
		return t, err
	}
	for _, k := range kinds {
		if err := n.list(ctx, k); err != nil {
			return t, err
		}
	}
	t.Objects, t.Skipped = n.objects, n.leftOut()
	if len(t.Objects) == 0 {
		return t, fmt.Errorf("%s: there is no object of the kinds that are read%s: check the namespace, the context and the selector", t.Name, n.butLeftOut())
	}
	return t, nil
}

// namespace is what one snapshot has read.
type namespace struct {
	source  *kubernetesSource
	client  *kube.Client
	nodes   *format.Budget
	objects []diff.Object
	claims  []*regexp.Regexp // names of the volumes that StatefulSets have made
	left    map[string]int   // what was left out, and how often
	said    []string         // which kinds were not read
}

func (n *namespace) leaveOut(k kubeKind, why string) { n.left[k.resource.String()+": "+why]++ }

// leftOut lists what was left out: "jobs.batch: 12 made by a CronJob".
func (n *namespace) leftOut() []string {
	out := slices.Clone(n.said)
	for what, count := range n.left {
		kind, why, _ := strings.Cut(what, ": ")
		out = append(out, clean.Text(fmt.Sprintf("%s: %d %s", kind, count, why)))
	}
	slices.Sort(out)
	return out
}

func (n *namespace) butLeftOut() string {
	if out := n.leftOut(); len(out) > 0 {
		return " (left out: " + strings.Join(out, "; ") + ")"
	}
	return ""
}

// list reads the objects of one kind. A kind of ours that the cluster does not know can't be in it.
func (n *namespace) list(ctx context.Context, k kubeKind) error {
	selector := n.source.Selector
	if k.resource == kube.Secrets {
		if err := n.helm(ctx, k); err != nil {
			return n.cure(k, err)
		}
		selector = strings.TrimPrefix(selector+",owner!=helm", ",")
	}
	items, err := n.client.List(ctx, k.resource, "", selector)
	var e *kube.Error
	if errors.As(err, &e) && e.Kind == kube.Unknown && !k.asked {
		n.said = append(n.said, k.resource.String()+": the cluster does not know "+k.resource.APIVersion())
		return nil
	}
	if err != nil {
		return n.cure(k, err)
	}
	for _, item := range items {
		if err := n.add(k, item); err != nil {
			return fmt.Errorf("%s in namespace %s: %w", k.resource, n.client.Namespace(), err)
		}
	}
	return nil
}

// helm counts the Secrets in which Helm keeps its releases, without reading them: they are large.
func (n *namespace) helm(ctx context.Context, k kubeKind) error {
	all, err := n.client.Metadata(ctx, k.resource, "", strings.TrimPrefix(n.source.Selector+",owner=helm", ","))
	for range all {
		n.leaveOut(k, "in which Helm keeps its releases")
	}
	return err
}

// cure says what to do where a right is missing.
func (n *namespace) cure(k kubeKind, err error) error {
	switch {
	case !kube.IsForbidden(err):
		return err
	case k.resource == kube.Secrets:
		return fmt.Errorf("%w; or leave Secrets out with secrets: false", err)
	}
	return fmt.Errorf("%w; or name under kinds what may be read", err)
}

// add takes one object. Those of a list have no kind of their own.
func (n *namespace) add(k kubeKind, raw json.RawMessage) error {
	var head struct {
		Type     string
		Metadata kube.Metadata
		Spec     struct {
			VolumeClaimTemplates []struct{ Metadata struct{ Name string } }
		}
	}
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &fields) != nil || json.Unmarshal(raw, &head) != nil || head.Metadata.Name == "" {
		return errors.New("the cluster gave something that is no object")
	}
	name := clean.Cut(head.Metadata.Name, 253)
	for _, t := range head.Spec.VolumeClaimTemplates {
		if k.resource == kube.StatefulSets {
			n.claims = append(n.claims, regexp.MustCompile("^"+regexp.QuoteMeta(t.Metadata.Name+"-"+head.Metadata.Name)+"-[0-9]+$"))
		}
	}
	if why := n.derived(k, head.Metadata, head.Type); why != "" {
		n.leaveOut(k, why)
		return nil
	}
	fields["kind"], _ = json.Marshal(k.kind) // texts always have a JSON form
	fields["apiVersion"], _ = json.Marshal(k.resource.APIVersion())
	text, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	place := fmt.Sprintf("kubectl -n %s get %s/%s", n.client.Namespace(), k.resource, name)
	objects, err := format.Parse(format.File{Name: place, Object: name + ".json", Data: text}, n.nodes)
	if err != nil {
		return err
	}
	for _, o := range objects {
		unplaced(o.Root)
	}
	n.objects = append(n.objects, objects...)
	return nil
}

// unplaced takes the places out of values: of a text that no reader has, the lines say nothing.
func unplaced(n *diff.Node) {
	n.Line, n.Column = 0, 0
	for _, f := range n.Fields {
		unplaced(f)
	}
	for _, i := range n.Items {
		unplaced(i)
	}
	if n.Embedded != nil {
		unplaced(n.Embedded)
	}
}
