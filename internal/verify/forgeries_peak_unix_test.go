//go:build unix

package verify

import (
	"os"
	"runtime"
	"syscall"
)

// peakOf is the peak of a process's memory in bytes (getrusage: KiB on Linux, bytes on Darwin).
func peakOf(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin":
		return u.Maxrss
	}
	return u.Maxrss << 10
}
