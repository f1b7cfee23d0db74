//go:build unix

package record

import (
	"os"
	"syscall"
)

// lockFile takes the file for this process. The lock goes with the process, so that a killed run leaves none behind.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
