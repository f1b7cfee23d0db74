package deployed

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/kube"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// HelmOptions is the block `helm:`: what a release of Helm has installed, as Helm keeps it in the cluster.
type HelmOptions struct {
	Release   string `yaml:"release,required"`
	Namespace string `yaml:"namespace"` // default: the kubeconfig's, or the pod's own
	Revision  int    `yaml:"revision"`  // default: the one that is deployed
	Context   string `yaml:"context"`   // of the kubeconfig; default: its current one
}

// helm reads a release. It is what was installed, not what runs: asked behind the deploy, and read as manifests are.
type helm struct {
	HelmOptions
	env    Env
	limits limits
}

// releaseName is what Helm takes: a DNS name of at most 53 characters.
var releaseName = lazyregexp.New(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

func buildHelm(decode func(any) error) (Source, error) {
	s := helm{limits: defaultLimits}
	if err := decode(&s.HelmOptions); err != nil {
		return nil, err
	}
	switch {
	case !releaseName.MatchString(s.Release) || len(s.Release) > 53:
		return nil, fmt.Errorf("release: got %q, want the name of a release of Helm", clean.Cut(s.Release, 100))
	case s.Revision < 0:
		return nil, fmt.Errorf("revision: got %d, want 1 or more", s.Revision)
	}
	return &s, nil
}

// Use implements Wants.
func (s *helm) Use(e Env) { s.env = e }

// Live implements Source.
func (*helm) Live() bool { return false }

// Behind implements Source.
func (*helm) Behind() bool { return true }

// Read implements Source.
func (s *helm) Read(ctx context.Context) (State, error) {
	c, err := kube.New(kube.Options{Context: s.Context, Namespace: s.Namespace, Getenv: s.env.Getenv})
	if err != nil {
		return State{}, err
	}
	r := newReader(s.limits)
	rev := revision{number: s.Revision}
	if rev.number == 0 {
		if rev, err = s.newest(ctx, c, &r.state); err != nil {
			return State{}, err
		}
	}
	r.state.From = fmt.Sprintf("helm release %s in namespace %s of %s", s.Release, c.Namespace(), c.Server())
	if rev.number == 0 {
		return r.state, nil
	}
	r.state.From = fmt.Sprintf("revision %d of %s", rev.number, r.state.From)
	return r.state, s.read(ctx, c, rev.number, r)
}

// revision is one version of a release.
type revision struct {
	number int
	status string
}

// newest finds the revision that is deployed. One behind it that is not (it failed, or is not over) makes the state unsettled: a part of it
// may be installed.
func (s *helm) newest(ctx context.Context, c *kube.Client, st *State) (revision, error) {
	all, err := c.Metadata(ctx, kube.Secrets, "", "owner=helm,name="+s.Release)
	if err != nil {
		return revision{}, err
	}
	var last, installed revision
	for _, m := range all {
		n, err := strconv.Atoi(m.Labels["version"])
		if err != nil || n <= 0 {
			continue
		}
		r := revision{n, m.Labels["status"]}
		if n > last.number {
			last = r
		}
		if r.status == "deployed" && n > installed.number {
			installed = r
		}
	}
	switch {
	case last.number == 0:
		st.leaveOut("there is no release " + s.Release + " in this namespace (only those that Helm keeps in Secrets are read)")
	case installed != last:
		st.Unsettled = fmt.Sprintf("revision %d of the release is %s", last.number, clean.Cut(last.status, 60))
	}
	return installed, nil
}

// read takes the containers of a revision.
func (s *helm) read(ctx context.Context, c *kube.Client, n int, r *reader) error {
	name := fmt.Sprintf("sh.helm.release.v1.%s.v%d", s.Release, n)
	secret, err := c.Secret(ctx, "", name)
	if err != nil {
		return err
	}
	release, err := decodeRelease([]byte(secret.Data["release"].Reveal()))
	switch {
	case err != nil:
		return fmt.Errorf("secret %s in namespace %s: %w", name, c.Namespace(), err)
	case release.Name != s.Release || release.Version != n:
		return fmt.Errorf("secret %s in namespace %s: it holds another release or revision than its name says", name, c.Namespace())
	case release.Info.Status != "deployed":
		return fmt.Errorf("revision %d of the helm release %s is %s: want the one that is deployed (leave out revision)",
			n, s.Release, clean.Cut(orWord(release.Info.Status, "in no state"), 60))
	}
	return release.manifests(r)
}

// manifests reads the objects of the release, and its hooks: a migration before the upgrade is a part of the deploy. Tests run when somebody
// calls helm test.
func (rel *release) manifests(r *reader) error {
	errs := []error{r.file("helm manifest", []byte(rel.Manifest), false)}
	for _, h := range rel.Hooks {
		name := clean.Cut("helm hook "+h.Name, 100)
		if h.test() {
			r.state.leaveOut(name + ": it is a test")
			continue
		}
		errs = append(errs, r.file(name, []byte(h.Manifest), false))
	}
	return errors.Join(errs...)
}
