package realtest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// RegistryServer is a real docker-registry (distribution 2.8), which has no referrers API.
type RegistryServer struct {
	Addr string // 127.0.0.1:port: the host part of a reference
	log  *bytes.Buffer
}

// Registry starts a docker-registry on a free loopback port and waits until it answers. Where user is not empty it asks for basic
// authentication. It ends with the test.
func Registry(t testing.TB, user, password string) *RegistryServer {
	t.Helper()
	bin := Need(t, "docker-registry")
	dir := t.TempDir()
	r := &RegistryServer{Addr: "127.0.0.1:" + freePort(t), log: &bytes.Buffer{}}
	config := fmt.Sprintf("version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: %q\n  delete:\n    enabled: true\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "data"), r.Addr)
	if user != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		passwd := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(passwd, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		config += fmt.Sprintf("auth:\n  htpasswd:\n    realm: test\n    path: %q\n", passwd)
	}
	path := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", path)
	cmd.Stdout, cmd.Stderr = r.log, r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	r.wait(t, done)
	return r
}

// wait returns when the registry speaks HTTP: with authentication it answers 401, which is an answer too.
func (r *RegistryServer) wait(t testing.TB, done <-chan struct{}) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + r.Addr + "/v2/")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-done:
			t.Fatalf("docker-registry ended:\n%s", r.log)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("docker-registry did not answer: %v", err)
		}
	}
}
