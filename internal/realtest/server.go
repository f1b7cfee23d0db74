package realtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Alertmanager starts a real Alertmanager and gives its address. It groups nothing and sends nothing.
func Alertmanager(t testing.TB) (url string) {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		program = Need(t, "alertmanager")
	}
	dir, addr := t.TempDir(), "127.0.0.1:"+freePort(t)
	config := "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n" +
		"inhibit_rules: [{source_matchers: ['alertname=\"Down\"'], target_matchers: ['severity=\"warning\"'], equal: [service]}]\n"
	file(t, filepath.Join(dir, "alertmanager.yml"), config)
	run(t, addr, "/-/ready", program, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--cluster.listen-address=")
	return "http://" + addr
}

func file(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts a server, waits until it answers at addr and path, and ends it with the test.
func run(t testing.TB, addr, path, program string, args ...string) {
	t.Helper()
	log := &bytes.Buffer{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended shows in its log
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error says that it has ended by itself
		<-done
	})
	for end := time.Now().Add(30 * time.Second); !answers("http://" + addr + path); time.Sleep(20 * time.Millisecond) {
		select {
		case <-done:
			t.Fatalf("%s ended:\n%s", filepath.Base(program), log)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not become ready at %s%s", filepath.Base(program), addr, path)
		}
	}
}
