package kube

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func config(server, namespace string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {name: c, context: {cluster: c, namespace: %q}}\nclusters:\n- {name: c, cluster: {server: %q}}\n",
		namespace, server)
}

// The cluster is the one that kubectl would take in the same job.
func TestWhichCluster(t *testing.T) {
	account := t.TempDir()
	for name, text := range map[string]string{"token": token, "namespace": "runners\n", "ca.crt": ""} {
		if err := os.WriteFile(filepath.Join(account, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".kube", "config"), []byte(config("https://home", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	named := write(t, "k", config("https://named", "shop"))
	// merged: the first file that names something wins, as with kubectl
	second := write(t, "k2", strings.ReplaceAll(config("https://second", "x"), "current-context: c\n", "")+"---\n")
	absent := filepath.Join(t.TempDir(), "absent")
	pod := []string{"KUBERNETES_SERVICE_HOST", "10.0.0.1", "KUBERNETES_SERVICE_PORT", "443"}
	for _, tt := range []struct {
		name      string
		env       []string
		account   string
		change    Options
		want      string // server and namespace, or what the error says
		wantError bool
	}{
		{"named", append(pod, "KUBECONFIG", named, "HOME", home), account, Options{}, "https://named shop", false},
		{"named by the caller", []string{"KUBECONFIG", absent}, "", Options{Kubeconfig: named}, "https://named shop", false},
		{"home before the pod's own cluster", append(pod, "HOME", home), account, Options{}, "https://home default", false},
		{"home", []string{"HOME", home}, "", Options{Namespace: "other"}, "https://home other", false},
		{"home on Windows", []string{"USERPROFILE", home}, "", Options{}, "https://home default", false},
		{"in a pod", append(pod, "HOME", t.TempDir()), account, Options{}, "https://10.0.0.1:443 runners", false},
		{"in a pod, another namespace", pod, account, Options{Namespace: "shop"}, "https://10.0.0.1:443 shop", false},
		{"several files", []string{"KUBECONFIG", strings.Join([]string{absent, named, second, ""}, string(os.PathListSeparator))}, "", Options{}, "https://named shop", false},
		{"the named file is absent", append(pod, "KUBECONFIG", absent, "HOME", home), account, Options{}, "no such file", true},
		{"nothing", nil, "", Options{}, "no Kubernetes cluster is known to this job", true},
		{"a pod without token", pod, t.TempDir(), Options{}, "automountServiceAccountToken", true},
		{"in a pod there is no context", pod, account, Options{Context: "prod"}, "there is no kubeconfig", true},
		{"no such context", []string{"KUBECONFIG", named}, "", Options{Context: "prod"}, `no context "prod", only: c`, true},
		{"a folder", []string{"KUBECONFIG", home}, "", Options{}, "is a directory", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.change
			o.Getenv, o.serviceAccount = getenv(tt.env...), tt.account
			if o.serviceAccount == "" {
				o.serviceAccount = filepath.Join(home, "nowhere")
			}
			k, err := New(o)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = k.server + " " + k.Namespace()
			}
			if (err != nil) != tt.wantError || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBrokenKubeconfigs(t *testing.T) {
	c := serve(t, nil)
	for name, tt := range map[string]struct{ text, context, want string }{
		"no YAML":                  {"users: [" + token, "", "this is no kubeconfig"},
		"a token where none is":    {"apiVersion: v1\nkind: Config\nusers: " + token, "", "this is no kubeconfig"},
		"empty":                    {"", "", "no current-context"},
		"no cluster":               {kubeconfig(t, c.Server, "token: x"), "broken", `its cluster "gone" is not there`},
		"no user":                  {kubeconfig(t, c.Server, "token: x"), "nobody", `its user "gone" is not there`},
		"no certificate":           {kubeconfig(t, c.Server, "client-certificate: /nowhere/cert"), "", "it can't be used"},
		"a server with a password": {config("https://user:"+token+"@host", ""), "", "holds a user or password"},
		"a program of an old kind": {kubeconfig(t, c.Server, "auth-provider: {name: gcp}"), "", "no Auth Provider found"},
		"a proxy with a password":  {strings.Replace(config("https://h", ""), "{server:", "{proxy-url: 'x://u:"+token+"@h', server:", 1), "", "it can't be used"},
		"large":                    {strings.Repeat("#", maxKubeconfig+1), "", "at most 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{Getenv: getenv("KUBECONFIG", write(t, "k", tt.text)), Context: tt.context})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestServiceAccount(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		fmt.Fprint(w, podList("", pod("a")))
	})
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	for name, b := range map[string][]byte{"token": []byte(token + "\n"), "ca.crt": ca} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(c.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	k, err := New(Options{Getenv: getenv("KUBERNETES_SERVICE_HOST", host, "KUBERNETES_SERVICE_PORT", port), serviceAccount: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Pods(t.Context(), "", ""); err != nil || got != "Bearer "+token {
		t.Errorf("sent %q, %v", got, err)
	}
}

// A kubeconfig names a program that prints a token. It may be missing, fail, hang, or print something else.
func TestProgram(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		fmt.Fprint(w, podList("", pod("a")))
	})
	user := func(script string) string {
		path := filepath.Join(t.TempDir(), "login")
		if script != "" {
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: IfAvailable}", path)
	}
	cred := `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"` + token + `"}}`
	for _, tt := range []struct {
		name, script string
		kind         Kind // "" where it works
		says         string
	}{
		{"prints a token", "echo '" + cred + "'", "", ""},
		{"is not there", "", Credential, "no such file"},
		{"fails", "exit 3", Credential, "exit code 3"},
		{"prints a bare token", "echo " + token, Credential, "what it printed is no ExecCredential"},
		{"prints other JSON", "echo '{\"token\":\"" + token + "\"}'", Credential, "gave no credential"},
		{"hangs", "exec sleep 10", Timeout, "no complete reply in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = ""
			o := Options{Getenv: getenv("KUBECONFIG", write(t, "k", kubeconfig(t, c.Server, user(tt.script)))), Timeout: 3 * time.Second, Limit: time.Second}
			k, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, err = k.Pods(t.Context(), "", "")
			if took := time.Since(begin); took > 9*time.Second {
				t.Errorf("took %s", took)
			}
			if tt.kind == "" {
				if err != nil || got != "Bearer "+token {
					t.Errorf("sent %q, %v", got, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token) {
				t.Errorf("got %v, want %s that says %q", err, tt.kind, tt.says)
			}
		})
	}
}
