package kube

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

const (
	maxKubeconfig = 4 << 20
	maxToken      = 1 << 20
)

// place is a cluster, and who we are there.
type place struct {
	config    *rest.Config
	namespace string
	login     string // for people: "context prod of /home/ci/.kube/config"
}

// find looks for the cluster in kubectl's order.
func (o Options) find() (place, error) {
	paths, named := o.Kubeconfig, "kubeconfig"
	if paths == "" {
		paths, named = o.Getenv("KUBECONFIG"), "KUBECONFIG"
	}
	if paths != "" {
		return o.kubeconfig(named, filepath.SplitList(paths))
	}
	home := o.home()
	if home != "" {
		p, err := o.kubeconfig("the home directory's kubeconfig", []string{home})
		if !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
	}
	p, err := o.inCluster()
	if errors.Is(err, errNotInCluster) {
		return place{}, fmt.Errorf("no Kubernetes cluster is known to this job: KUBECONFIG is not set, there is no %s, and %w; "+
			"log in before this step (aws eks update-kubeconfig, gcloud container clusters get-credentials, az aks get-credentials) or set KUBECONFIG",
			clean.Cut(orWord(home, "~/.kube/config (HOME is not set)"), 300), err)
	}
	return p, err
}

func (o Options) home() string {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if dir := o.Getenv(name); dir != "" {
			return filepath.Join(dir, ".kube", "config")
		}
	}
	return ""
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// kubeconfig reads kubeconfig files, merged as kubectl does: the first file that names something wins. Of several, some may be missing.
func (o Options) kubeconfig(named string, paths []string) (place, error) {
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == "" })
	var found []string
	for _, p := range paths {
		switch err := checkFile(p); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return place{}, fmt.Errorf("%s: %w", named, err)
		default:
			found = append(found, p)
		}
	}
	where := named + " " + clean.Cut(strings.Join(paths, string(filepath.ListSeparator)), 300)
	if len(found) == 0 {
		return place{}, fmt.Errorf("%s: no such file: %w", where, fs.ErrNotExist)
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: found}
	all, err := rules.Load()
	if err != nil {
		return place{}, fmt.Errorf("%s: this is no kubeconfig: %s", where, clean.Cut(withoutQuotes(err.Error()), 300))
	}
	return o.context(where, *all)
}

// context takes the context that is asked for out of a kubeconfig.
func (o Options) context(where string, all api.Config) (place, error) {
	name := o.Context
	if name == "" {
		name = all.CurrentContext
	}
	if name == "" {
		return place{}, fmt.Errorf("%s: it names no current-context: set context to one of: %s", where, contexts(all))
	}
	if all.Contexts[name] == nil {
		return place{}, fmt.Errorf("%s: it has no context %q, only: %s", where, clean.Cut(name, 200), contexts(all))
	}
	login := "context " + clean.Cut(name, 200) + " of " + where
	c := all.Contexts[name]
	switch {
	case all.Clusters[c.Cluster] == nil || all.Clusters[c.Cluster].Server == "":
		return place{}, fmt.Errorf("%s: its cluster %q is not there, or has no server", login, clean.Cut(c.Cluster, 200))
	case c.AuthInfo != "" && all.AuthInfos[c.AuthInfo] == nil:
		return place{}, fmt.Errorf("%s: its user %q is not there", login, clean.Cut(c.AuthInfo, 200))
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(all, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return place{}, fmt.Errorf("%s: it can't be used: %s", login, clean.Cut(withoutQuotes(err.Error()), 300))
	}
	return place{config, orWord(o.Namespace, orWord(c.Namespace, "default")), login}, nil
}

func contexts(all api.Config) string {
	var names []string
	for n := range all.Contexts {
		names = append(names, n)
	}
	slices.Sort(names)
	return clean.Cut(orWord(strings.Join(names, ", "), "none"), 300)
}

// checkFile bounds a kubeconfig before it is read. A pipe (KUBECONFIG=<(...)) has no size.
func checkFile(path string) error {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a directory, want a kubeconfig file", clean.Cut(path, 300))
	case fi.Mode().IsRegular() && fi.Size() > maxKubeconfig:
		return fmt.Errorf("%s has %d bytes, want a kubeconfig of at most 4 MiB", clean.Cut(path, 300), fi.Size())
	}
	return nil
}

var quoted = lazyregexp.New("\"[^\"]*\"|'[^']*'|`[^`]*`")

// withoutQuotes drops what a parser quotes out of a file, which may be a token. Paths and names are said beside it.
func withoutQuotes(text string) string { return quoted.ReplaceAllString(text, "…") }

var errNotInCluster = errors.New("this is no pod with a service account")

// inCluster is the service account of the pod that the job runs in.
func (o Options) inCluster() (place, error) {
	host, port := o.Getenv("KUBERNETES_SERVICE_HOST"), o.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return place{}, errNotInCluster
	}
	tokenFile, caFile := filepath.Join(o.serviceAccount, "token"), filepath.Join(o.serviceAccount, "ca.crt")
	token, err := readSmall(tokenFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return place{}, fmt.Errorf("%w: it has no token (automountServiceAccountToken: false?)", errNotInCluster)
	case err != nil:
		return place{}, fmt.Errorf("the pod's service account: %w", err)
	}
	if o.Context != "" {
		return place{}, fmt.Errorf("the context %q is asked for, but there is no kubeconfig: set KUBECONFIG", clean.Cut(o.Context, 200))
	}
	namespace, _ := readSmall(filepath.Join(o.serviceAccount, "namespace")) // not everybody mounts it
	config := &rest.Config{Host: "https://" + net.JoinHostPort(host, port), BearerToken: token, BearerTokenFile: tokenFile,
		TLSClientConfig: rest.TLSClientConfig{CAFile: caFile}}
	return place{config, orWord(o.Namespace, orWord(namespace, "default")), "the pod's service account"}, nil
}

func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err == nil && len(b) > maxToken {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return strings.TrimSpace(string(b)), err
}
