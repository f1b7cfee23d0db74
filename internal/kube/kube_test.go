package kube

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const token = "t0ken-of-the-pipeline"

// cluster is a server that speaks the API, and a kubeconfig that leads to it.
type cluster struct {
	*httptest.Server
	config string // path of the kubeconfig
}

func serve(t testing.TB, h http.HandlerFunc) cluster {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return cluster{s, write(t, "config", kubeconfig(t, s, "token: "+token))}
}

// kubeconfig leads to a server, with the certificate it has, as the user who is given.
func kubeconfig(t testing.TB, s *httptest.Server, user string) string {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	b, err := json.Marshal(ca)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: c, user: u, namespace: shop}}
- {name: broken, context: {cluster: gone, user: u}}
- {name: nobody, context: {cluster: c, user: gone}}
clusters:
- {name: c, cluster: {server: %q, certificate-authority-data: %s}}
users:
- name: u
  user:
    %s
`, s.URL, b, user)
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func getenv(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func (c cluster) client(t testing.TB, change func(*Options)) *Client {
	t.Helper()
	o := Options{Getenv: getenv("KUBECONFIG", c.config), Timeout: 5 * time.Second, Limit: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	k, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pod(name string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"labels":{"app":"x"}},"spec":{"containers":[{"name":"app","image":"a"}]},
		"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"app","imageID":"i"}]}}`, name)
}

func podList(next string, pods ...string) string {
	return fmt.Sprintf(`{"kind":"PodList","apiVersion":"v1","metadata":{"continue":%q},"items":[%s]}`, next, strings.Join(pods, ","))
}

func statusReply(code int, reason, message, details string) string {
	quoted, _ := json.Marshal(message) // a string always has a JSON form
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%s,"reason":%q,"details":%s,"code":%d}`, quoted, reason, details, code)
}

func TestListPages(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Authorization"))
		if r.URL.Query().Get("continue") == "" {
			fmt.Fprint(w, podList("p2", pod("a"), pod("b")))
			return
		}
		fmt.Fprint(w, podList("", pod("c")))
	})
	pods, err := c.client(t, nil).Pods(t.Context(), "", "app=x,tier in (web)")
	if err != nil {
		t.Fatal(err)
	}
	if len(pods) != 3 || pods[2].Metadata.Name != "c" || !pods[0].Ready() || pods[0].Status.Main[0].ImageID != "i" {
		t.Errorf("got %+v", pods)
	}
	want := []string{
		"/api/v1/namespaces/shop/pods?labelSelector=app%3Dx%2Ctier+in+%28web%29&limit=250 Bearer " + token,
		"/api/v1/namespaces/shop/pods?continue=p2&labelSelector=app%3Dx%2Ctier+in+%28web%29&limit=250 Bearer " + token,
	}
	if strings.Join(asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
}

// The place in a list expires when the cluster compacts its history. The list is read again, whole: no pod twice, none missing.
func TestListExpires(t *testing.T) {
	for name, tt := range map[string]struct {
		expires int // how often
		want    string
	}{"once": {1, "a b"}, "always": {9, "expired"}} {
		t.Run(name, func(t *testing.T) {
			n := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("continue") == "" {
					fmt.Fprint(w, podList("p2", pod("a")))
					return
				}
				if n++; n <= tt.expires {
					w.WriteHeader(http.StatusGone)
					fmt.Fprint(w, statusReply(410, "Expired", "The provided continue parameter is too old", `{}`))
					return
				}
				fmt.Fprint(w, podList("", pod("b")))
			})
			pods, err := c.client(t, nil).Pods(t.Context(), "", "")
			var got []string
			for _, p := range pods {
				got = append(got, p.Metadata.Name)
			}
			var e *Error
			if errors.As(err, &e) {
				got = append(got, string(e.Kind))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, %v; want %s", got, err, tt.want)
			}
		})
	}
}

// What a cluster, or what stands in its place, may answer.
func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		code int
		body string
		kind Kind
		says []string
	}{
		"401": {401, statusReply(401, "Unauthorized", "Unauthorized", `{}`), Unauthorized, []string{"log in to the cluster again", "HTTP 401"}},
		"403": {403, statusReply(403, "Forbidden", `pods is forbidden: User "system:serviceaccount:ci:runner" cannot list resource "pods"`, `{"kind":"pods"}`), Forbidden,
			[]string{"kubectl auth can-i list pods -n shop", "verb list on pods", "system:serviceaccount:ci:runner"}},
		"404 of the API":   {404, statusReply(404, "NotFound", "the server could not find the requested resource", `{}`), Unknown, []string{"does not know pods in version v1"}},
		"404 of a proxy":   {404, "<html>not here</html>", Invalid, []string{"does a proxy or a login page answer"}},
		"404 in text":      {404, "404 page not found\n", Invalid, nil},
		"a login page":     {200, "<!doctype html><title>Log in</title>", Invalid, []string{"no list"}},
		"another object":   {200, `{"kind":"Status","apiVersion":"v1"}`, Invalid, nil},
		"no kind":          {200, `{"items":[{"metadata":{"name":"` + token + `"}}]}`, Invalid, nil},
		"half a reply":     {200, podList("", pod("a"))[:50], Invalid, nil},
		"409":              {409, statusReply(409, "Conflict", "no", `{}`), Invalid, []string{"HTTP 409 Conflict: no"}},
		"escape sequences": {409, statusReply(409, "Conflict", "\x1b[31m::error::\n"+token, `{}`), Invalid, []string{"[31m::error:: [secret]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.body)
			})
			pods, err := c.client(t, nil).Pods(t.Context(), "", "")
			var e *Error
			if !errors.As(err, &e) || e.Kind != tt.kind || len(pods) != 0 {
				t.Fatalf("got %v, %v; want the kind %s", pods, err, tt.kind)
			}
			for _, s := range append(tt.says, c.URL, "context here of KUBECONFIG", "list pods in namespace shop") {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", err, e), token) {
				t.Errorf("the token is in %+v", err)
			}
		})
	}
}

func TestGet(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/apis/apps/v1/namespaces/shop/deployments/checkout":
			fmt.Fprint(w, `{"kind":"Deployment","metadata":{"name":"checkout"},"spec":{"replicas":3}}`)
		case "/apis/apps/v1/namespaces/shop/deployments/other":
			fmt.Fprint(w, `{"kind":"Deployment","metadata":{"name":"checkout"}}`)
		case "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout":
			w.WriteHeader(404)
			fmt.Fprint(w, statusReply(404, "NotFound", "the server could not find the requested resource", `{}`))
		default:
			w.WriteHeader(404)
			fmt.Fprint(w, statusReply(404, "NotFound", `deployments.apps "gone" not found`, `{"name":"gone","group":"apps","kind":"deployments"}`))
		}
	})
	k := c.client(t, nil)
	b, err := k.Get(t.Context(), Deployments, "", "checkout")
	if err != nil || !strings.Contains(string(b), `"replicas":3`) {
		t.Errorf("got %s, %v", b, err)
	}
	for _, tt := range []struct {
		r    Resource
		name string
		want string
	}{
		{Deployments, "gone", "check its name, the namespace and the context"},
		{Deployments, "other", "another object"},
		{Deployments, "../../secrets/x", "want a name of Kubernetes"},
		{Deployments, "", "want a name of Kubernetes"},
		{Deployments, "a?b", "want a name of Kubernetes"},
		{Rollouts, "checkout", "the cluster does not know rollouts.argoproj.io in version v1alpha1"},
	} {
		_, err := k.Get(t.Context(), tt.r, "", tt.name)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: got %v, want %q", tt.r, tt.name, err, tt.want)
		}
		if got := IsNotFound(err); got != (tt.name == "gone") {
			t.Errorf("%s %s: IsNotFound is %t for %v", tt.r, tt.name, got, err)
		}
	}
	if _, err := k.Get(t.Context(), Deployments, "a/b", "x"); err == nil || !strings.Contains(err.Error(), "namespace") {
		t.Errorf("a namespace that is a path: %v", err)
	}
}

// Bounds are errors: what was read until then is not taken for the whole.
func TestBounds(t *testing.T) {
	small := limits{page: 2, items: 3, body: 4 << 20, total: 6 << 20}
	big := func(n int) string { return strings.Repeat(" ", n) }
	for name, tt := range map[string]struct {
		reply func(page int) string
		want  string
	}{
		"a huge reply":          {func(int) string { return podList("", pod("a")) + big(5<<20) }, "a reply of more than 4 MiB"},
		"many huge replies":     {func(int) string { return podList("more", pod("a")) + big(3<<20) }, "more than 6 MiB"},
		"many objects":          {func(int) string { return podList("more", pod("a"), pod("b")) }, "more than 3 objects"},
		"pages without an end":  {func(int) string { return podList("more") }, "more than 1000 pages"},
		"all in spite of limit": {func(int) string { return podList("", pod("a"), pod("b"), pod("c"), pod("d")) }, "more than 3 objects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				n++
				fmt.Fprint(w, tt.reply(n))
			})
			pods, err := c.client(t, func(o *Options) { o.limits = small }).Pods(t.Context(), "", "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || pods != nil {
				t.Errorf("got %d pods, %v; want %q", len(pods), err, tt.want)
			}
		})
	}
}

func TestOutages(t *testing.T) {
	var calls atomic.Int32
	busy := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, podList("", pod("a")))
	})
	if pods, err := busy.client(t, nil).Pods(t.Context(), "", ""); err != nil || len(pods) != 1 {
		t.Errorf("after one 503: got %d pods, %v", len(pods), err)
	}
	hung := make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { <-hung })
	defer close(hung)
	down := serve(t, nil)
	down.Close()
	for name, tt := range map[string]struct {
		c    cluster
		kind Kind
	}{"slow": {slow, Timeout}, "down": {down, Unreachable}} {
		k := tt.c.client(t, func(o *Options) { o.Timeout, o.Limit = 100*time.Millisecond, 300*time.Millisecond })
		_, err := k.Pods(t.Context(), "", "")
		var e *Error
		if !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), "an outage on the way to the cluster") {
			t.Errorf("%s: got %v, want %s", name, err, tt.kind)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slow.client(t, nil).Pods(ctx, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// A redirect would carry the token to whoever it names.
func TestRedirect(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "")
	}))
	defer other.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
	})
	if _, err := c.client(t, nil).Pods(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "redirect refused") {
		t.Errorf("got %v", err)
	}
	if leaked.Load() {
		t.Error("the token went to another server")
	}
}

func TestSecret(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/odd"):
			fmt.Fprint(w, `{"kind":"Secret","metadata":{"name":"odd"},"data":{"a":"hunter2!"}}`)
		case strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList"):
			fmt.Fprint(w, `{"kind":"PartialObjectMetadataList","metadata":{},"items":[{"metadata":{"name":"v1","labels":{"version":"1"}}}]}`)
		default:
			fmt.Fprint(w, `{"kind":"Secret","metadata":{"name":"pull"},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"aHVudGVyMg=="}}`)
		}
	})
	k := c.client(t, nil)
	s, err := k.Secret(t.Context(), "", "pull")
	if err != nil || s.Type != "kubernetes.io/dockerconfigjson" || s.Data[".dockerconfigjson"].Reveal() != "hunter2" {
		t.Errorf("got %v, %v", s, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", s, s, s, s.Data); strings.Contains(text, "hunter2") {
		t.Errorf("the value is printed: %s", text)
	}
	if _, err := k.Secret(t.Context(), "", "odd"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value that is no base64: got %v", err)
	}
	all, err := k.Metadata(t.Context(), Secrets, "", "owner=helm")
	if err != nil || len(all) != 1 || all[0].Labels["version"] != "1" {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestClientShowsNoToken(t *testing.T) {
	k := serve(t, nil).client(t, nil)
	if text := fmt.Sprintf("%v %+v %#v", *k, *k, *k); strings.Contains(text, token) {
		t.Errorf("the token is printed: %s", text)
	}
}
