package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// cost is what one run of a command took.
type cost struct {
	cpu, wall time.Duration
	memory    float64 // the most it held, in bytes
	lines     int     // that it wrote
}

// measured runs a command to its end. What it takes is the kernel's own account (getrusage).
func measured(ctx context.Context, dir string, args []string) (cost, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	var out, fail bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fail
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // dyff -s ends with 1 where there are differences
		return cost{}, fmt.Errorf("%w: %s", err, bytes.TrimSpace(fail.Bytes()))
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, errors.New("this system does not say what a process took")
	}
	return cost{
		cpu:    cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall:   wall,
		memory: float64(usage.Maxrss) * 1024, // Linux counts in KiB
		lines:  bytes.Count(out.Bytes(), []byte("\n")),
	}, nil
}
