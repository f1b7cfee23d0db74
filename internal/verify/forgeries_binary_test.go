package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The binary that users run, built once. An outcome that only the package has, and the command loses on its way to the exit code, is none.
var theBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bakegate-verify-*")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "bakegate")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "../..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

var binaryDir string

func TestMain(m *testing.M) {
	if path := os.Getenv("BAKEGATE_TEST_PEAK"); path != "" {
		os.Exit(launch(path))
	}
	_ = flag.Set("test.parallel", "8") // many of these wait for another process
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

// launch runs the command in our arguments, not longer than a limit, and writes its peak of memory, in bytes, to a file. This is a process of its own because a child
// starts with the peak of the process that forked it, which here would be that of the tests.
func launch(path string) int {
	limit, err := time.ParseDuration(os.Getenv("BAKEGATE_TEST_LIMIT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := os.WriteFile(path, []byte(strconv.FormatInt(peakOf(cmd.ProcessState), 10)), 0o600); err != nil {
		return 2
	}
	return cmd.ProcessState.ExitCode()
}

// ran is how the binary ended.
type ran struct {
	code   int
	reason string // of the verdict: "blocked/digest"
	text   string // all that was written
}

// command prepares `bakegate verify` in a folder of its own. env is all of its environment but PATH and HOME.
func command(t testing.TB, config string, env ...string) *exec.Cmd {
	t.Helper()
	path, err := theBinary()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "bakegate.yaml"), []byte(config), 0o600))
	cmd := exec.Command(path, "verify", "--format", "json")
	cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// runBinary runs it to its end. However it ends, it must not be by a crash.
func runBinary(t testing.TB, cmd *exec.Cmd) ran {
	t.Helper()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := ran{code: cmd.ProcessState.ExitCode(), text: out.String() + log.String()}
	var doc struct{ Reason string }
	if json.Unmarshal(out.Bytes(), &doc) == nil { // a mistake in the configuration has no verdict
		r.reason = doc.Reason
	}
	if r.code == 2 || r.code < 0 || strings.Contains(r.text, "goroutine ") {
		t.Errorf("it crashed (exit %d):\n%s", r.code, r.text)
	}
	return r
}
