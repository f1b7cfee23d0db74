package deployed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/kube"
)

// KubernetesOptions is the block `kubernetes:`: pods that run. Which cluster it is comes from the job's environment alone.
type KubernetesOptions struct {
	Namespace string   `yaml:"namespace"` // default: the kubeconfig's, or the pod's own
	Workload  string   `yaml:"workload"`  // KIND/NAME, e.g. deployment/checkout: its pods
	Workloads []string `yaml:"workloads"` // or several
	Selector  string   `yaml:"selector"`  // or a label selector, e.g. app=checkout
	Context   string   `yaml:"context"`   // of the kubeconfig; default: its current one
}

type kubernetes struct {
	KubernetesOptions
	env       Env
	workloads []workload
}

// workload is KIND/NAME, read.
type workload struct {
	text     string
	resource kube.Resource
	name     string
}

func buildKubernetes(decode func(any) error) (Source, error) {
	var s kubernetes
	if err := decode(&s.KubernetesOptions); err != nil {
		return nil, err
	}
	given := 0
	for _, is := range []bool{s.Workload != "", len(s.Workloads) > 0, s.Selector != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("want one of workload (e.g. deployment/checkout), workloads (a list of them) and selector (e.g. app=checkout)")
	}
	if s.Selector != "" {
		if err := kube.CheckSelector(s.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
		return &s, nil
	}
	if s.Workload != "" {
		s.Workloads = []string{s.Workload}
	}
	for _, text := range s.Workloads {
		r, name, err := kube.ParseWorkload(text)
		if err != nil {
			return nil, fmt.Errorf("workload: %w", err)
		}
		s.workloads = append(s.workloads, workload{text, r, name})
	}
	return &s, nil
}

// Use implements Wants.
func (s *kubernetes) Use(e Env) { s.env = e }

// Live implements Source.
func (*kubernetes) Live() bool { return true }

// Behind implements Source.
func (*kubernetes) Behind() bool { return true }

// Read implements Source.
func (s *kubernetes) Read(ctx context.Context) (State, error) {
	c, err := kube.New(kube.Options{Context: s.Context, Namespace: s.Namespace, Getenv: s.env.Getenv})
	if err != nil {
		return State{}, err
	}
	st := State{Unit: "pod", From: "pods of " + strings.Join(s.Workloads, ", ")}
	if s.Selector != "" {
		st.From = "pods with " + s.Selector
		pods, err := c.Pods(ctx, "", s.Selector)
		if err != nil {
			return State{}, err
		}
		for _, p := range pods {
			st.pod(p, false)
		}
	}
	for _, w := range s.workloads {
		if err := w.read(ctx, c, &st); err != nil {
			return State{}, err
		}
	}
	st.From = fmt.Sprintf("%s in namespace %s of %s", clean.Cut(st.From, 300), c.Namespace(), c.Server())
	return st, nil
}

// read takes the pods of a workload.
func (w workload) read(ctx context.Context, c *kube.Client, st *State) error {
	is, err := c.Workload(ctx, w.resource, "", w.name)
	if err != nil {
		return err
	}
	if is.Unsettled != "" {
		st.Unsettled = clean.Cut(strings.TrimPrefix(st.Unsettled+"; ", "; ")+w.text+": "+is.Unsettled, 300)
	}
	own, others, err := c.PodsOf(ctx, is)
	if err != nil {
		return err
	}
	for _, p := range others {
		o := p.Metadata.Controller()
		st.leaveOut(fmt.Sprintf("pod %s: it has the labels of %s, but belongs to %s", p.Metadata.Name, w.text, strings.Trim(orWord(o.Kind, "nobody")+"/"+o.Name, "/")))
	}
	for _, p := range own {
		st.pod(p, w.resource == kube.Jobs)
	}
	return nil
}

// pod takes the containers of a pod. One that is being deleted, or that has ended, runs nothing any more; only a job's are there to end.
func (st *State) pod(p kube.Pod, job bool) {
	ended := p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"
	switch {
	case p.Metadata.Deleted != nil:
		st.leaveOut(fmt.Sprintf("pod %s: it is being deleted", p.Metadata.Name))
		return
	case ended && !job:
		st.leaveOut(fmt.Sprintf("pod %s: it has ended (%s)", p.Metadata.Name, p.Status.Phase))
		return
	}
	ready := p.Ready() || job && p.Status.Phase == "Succeeded"
	for _, class := range []struct {
		specs    []kube.ContainerSpec
		statuses []kube.ContainerStatus
		init     bool
		word     string
	}{
		{p.Spec.Init, p.Status.Init, true, "init container"},
		{p.Spec.Main, p.Status.Main, false, "container"},
		{p.Spec.Ephemeral, p.Status.Ephemeral, false, "ephemeral container"},
	} {
		for _, spec := range class.specs {
			name := clean.Cut(p.Metadata.Name, 253)
			repo, digest := parseImageID(imageID(class.statuses, spec.Name))
			st.Containers = append(st.Containers, Container{
				Where: fmt.Sprintf("pod %s, %s %s", name, class.word, clean.Cut(spec.Name, 63)), Unit: name,
				Image: image(spec.Image), Digest: digest, Named: repo, Init: class.init && spec.RestartPolicy != "Always", Ready: ready,
			})
		}
	}
}

// imageID is what the status says of a container; "" where it says nothing yet.
func imageID(all []kube.ContainerStatus, name string) string {
	for _, s := range all {
		if s.Name == name {
			return s.ImageID
		}
	}
	return ""
}
