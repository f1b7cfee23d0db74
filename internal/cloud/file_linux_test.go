package cloud_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud"
)

// Reading a pipe that nobody writes to would never end.
func TestReadFilePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.ReadFile("SETTING", pipe); err == nil || !strings.HasSuffix(err.Error(), "it is not a regular file") {
		t.Errorf("got %v", err)
	}
}
