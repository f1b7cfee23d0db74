package deployed

import (
	"context"
	"errors"
	"fmt"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/kube"
)

// KubernetesOptions is the block `kubernetes:`: pods that run. Which cluster it is comes from the job's environment alone.
type KubernetesOptions struct {
	Namespace string `yaml:"namespace"` // default: the kubeconfig's, or the pod's own
	Workload  string `yaml:"workload"`  // KIND/NAME, e.g. deployment/checkout: its pods
	Selector  string `yaml:"selector"`  // or a label selector, e.g. app=checkout
	Context   string `yaml:"context"`   // of the kubeconfig; default: its current one
}

type kubernetes struct {
	KubernetesOptions
	env      Env
	resource kube.Resource // of the workload
	name     string
}

func buildKubernetes(decode func(any) error) (Source, error) {
	var s kubernetes
	if err := decode(&s.KubernetesOptions); err != nil {
		return nil, err
	}
	if (s.Workload == "") == (s.Selector == "") {
		return nil, errors.New("want one of workload (e.g. deployment/checkout) and selector (e.g. app=checkout)")
	}
	if s.Selector != "" {
		if err := kube.CheckSelector(s.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
		return &s, nil
	}
	var err error
	if s.resource, s.name, err = kube.ParseWorkload(s.Workload); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
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
	st := State{Unit: "pod"}
	var pods []kube.Pod
	if s.Selector != "" {
		st.From = "pods with " + clean.Cut(s.Selector, 300)
		pods, err = c.Pods(ctx, "", s.Selector)
	} else {
		st.From = "pods of " + s.Workload
		pods, err = s.ofWorkload(ctx, c, &st)
	}
	if err != nil {
		return State{}, err
	}
	st.From += fmt.Sprintf(" in namespace %s of %s", c.Namespace(), c.Server())
	for _, p := range pods {
		s.pod(&st, p)
	}
	return st, nil
}

func (s *kubernetes) ofWorkload(ctx context.Context, c *kube.Client, st *State) ([]kube.Pod, error) {
	w, err := c.Workload(ctx, s.resource, "", s.name)
	if err != nil {
		return nil, err
	}
	st.Unsettled = w.Unsettled
	own, others, err := c.PodsOf(ctx, w)
	for _, p := range others {
		o := p.Metadata.Controller()
		st.leaveOut(fmt.Sprintf("pod %s: it has the labels of %s, but belongs to %s", p.Metadata.Name, s.Workload, orWord(o.Kind+"/"+o.Name, "nobody")))
	}
	return own, err
}

// pod takes the containers of a pod. One that is being deleted, or that has ended, runs nothing any more; only a job's are there to end.
func (s *kubernetes) pod(st *State, p kube.Pod) {
	ended := p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"
	job := s.resource == kube.Jobs
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
