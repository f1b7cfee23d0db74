// Package kube is the one way to a Kubernetes API: it finds the cluster and the credential in the job's environment, and reads. It never
// writes to a cluster.
//
// Finding the cluster and logging in (kubeconfig files, certificates, tokens that rotate, programs that make tokens) is client-go's work;
// the requests go through httpx like all others, so that retries, time-outs, caps and the rules for redirects are the same.
package kube

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Options is where the cluster is. The zero value with a Getenv is what kubectl would use in the same job.
type Options struct {
	// Kubeconfig holds paths as the variable KUBECONFIG does; empty: that variable. A kubeconfig may name programs to run, so that it must
	// never come from bakegate's configuration, which a pull request can edit.
	Kubeconfig string
	Context    string // of the kubeconfig; empty: its current one
	Namespace  string // where a call names none; empty: the context's or the service account's, else "default"
	// Getenv is the job's environment: KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT. nil: an empty one.
	Getenv  func(string) string
	Timeout time.Duration // of one request, a credential program included; default 15s
	Limit   time.Duration // of one call with all its tries and pages; default 1m

	limits         limits
	serviceAccount string // folder of a pod's service account
}

// limits bound what one call reads.
type limits struct {
	page  int   // objects in one reply
	items int   // objects in all replies of a list
	body  int64 // bytes of one reply
	total int64 // bytes of all replies of a list
}

var defaultLimits = limits{page: 250, items: 5000, body: 32 << 20, total: 128 << 20}

// Client reads one cluster. It is safe for concurrent use.
type Client struct {
	options   Options
	web       *httpx.Client
	namespace string
	server    string
	login     string
	secrets   []httpx.Secret // what a server must not give back to a message
}

// New finds the cluster as kubectl does: the files of KUBECONFIG, else ~/.kube/config, else the service account of the pod that the job
// runs in. It reads these files and asks no server. The error says where was looked, without any secret.
//
// kubectl's order counts: a runner in a pod has a service account for its own cluster, and `aws eks update-kubeconfig` or its like then
// writes ~/.kube/config for the one that is deployed to. Pods of the wrong cluster must not prove a deploy.
func New(o Options) (*Client, error) {
	quiet()
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	o.Timeout, o.Limit = or(o.Timeout, 15*time.Second), or(o.Limit, time.Minute)
	if o.limits == (limits{}) {
		o.limits = defaultLimits
	}
	if o.serviceAccount == "" {
		o.serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	}
	place, err := o.find()
	if err != nil {
		return nil, err
	}
	return o.client(place)
}

func or(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// client connects client-go's transport and httpx.
func (o Options) client(p place) (*Client, error) {
	if p.config.ExecProvider != nil {
		p.config.ExecProvider.StdinUnavailable = true // nobody sits at a pipeline
		p.config.ExecProvider.StdinUnavailableMessage = "bakegate runs in a pipeline"
	}
	transport, err := rest.TransportFor(p.config)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", p.login, clean.Cut(withoutQuotes(err.Error()), 300))
	}
	base, _, err := rest.DefaultServerUrlFor(p.config)
	if err != nil {
		return nil, fmt.Errorf("%s: the server's address can't be read: %s", p.login, clean.Cut(withoutQuotes(err.Error()), 300))
	}
	// client-go sends no credential over plain http, so that it can be allowed here.
	remote := httpx.Remote{URL: strings.TrimSuffix(base.String(), "/"), Timeout: o.Timeout, Insecure: base.Scheme == "http"}
	web, err := httpx.New(remote, httpx.WithNetwork(bounded{transport}), httpx.WithMaxBody(o.limits.body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.login, err)
	}
	c := &Client{options: o, web: web, namespace: clean.Cut(p.namespace, 63), server: web.URL(), login: p.login}
	for _, s := range []string{p.config.BearerToken, p.config.Password} {
		if s = strings.TrimSpace(s); len(s) >= 8 {
			c.secrets = append(c.secrets, httpx.NewSecret(s))
		}
	}
	return c, nil
}

// Namespace is where a call looks that names none.
func (c *Client) Namespace() string { return c.namespace }

// Server says which cluster it is, for people: its address and how it was found.
func (c *Client) Server() string { return c.server + " (" + c.login + ")" }

// safe sanitises a text from outside and takes the credentials out of it, before and behind the sanitising: characters that it removes
// could stand in the middle of one.
func (c *Client) safe(text string, limit int) string { return c.hide(clean.Cut(c.hide(text), limit)) }

func (c *Client) hide(text string) string {
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s.Reveal(), s.String())
	}
	return text
}

// quiet keeps client-go from writing to standard error by itself: its lines are not sanitised, and may quote what a program printed.
var quiet = sync.OnceFunc(func() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
})

// bounded ends a request with its context. client-go waits without a limit for a program that makes credentials.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	type reply struct {
		resp *http.Response
		err  error
	}
	done := make(chan reply, 1)
	go func() {
		resp, err := b.RoundTripper.RoundTrip(req)
		done <- reply{resp, credentials(err)}
	}()
	select {
	case r := <-done:
		return r.resp, r.err
	case <-req.Context().Done():
		go func() {
			if r := <-done; r.resp != nil {
				_ = r.resp.Body.Close()
			}
		}()
		return nil, req.Context().Err()
	}
}

// Resource names a kind of objects as the API does: {"apps", "v1", "deployments"}.
type Resource struct{ Group, Version, Name string } // Group is "" for the core group; Name is the plural

// String writes a resource as `kubectl auth can-i` takes it: deployments.apps.
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// The resources that bakegate reads by itself.
var (
	Pods         = Resource{"", "v1", "pods"}
	Secrets      = Resource{"", "v1", "secrets"}
	Deployments  = Resource{"apps", "v1", "deployments"}
	StatefulSets = Resource{"apps", "v1", "statefulsets"}
	DaemonSets   = Resource{"apps", "v1", "daemonsets"}
	ReplicaSets  = Resource{"apps", "v1", "replicasets"}
	Jobs         = Resource{"batch", "v1", "jobs"}
	Rollouts     = Resource{"argoproj.io", "v1alpha1", "rollouts"} // Argo Rollouts
)

// segment refuses what can't be a name in a path: it would change which path is asked.
func segment(what, s string) error {
	bad := s == "" || len(s) > 253 || s == "." || s == ".." || slices.ContainsFunc([]rune(s), func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("/%?#\\", r)
	})
	if bad {
		return fmt.Errorf("got %q as the %s, want a name of Kubernetes", clean.Cut(s, 100), what)
	}
	return nil
}
