package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// childGrace is how long the deploy command has to end after it was told to: the whole run must be done in 5 s after a cancel.
const childGrace = 2500 * time.Millisecond

// runChild runs the user's deploy command, with an environment that holds none of the configuration's secrets. Its output goes to the
// log as it is. When ctx ends, the command's whole process group is told to stop, then killed.
func runChild(ctx context.Context, argv, env []string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = out, out
	ownGroup(cmd)
	cmd.WaitDelay = childGrace
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, endGroup(cmd))
	}
	if err == nil {
		return nil
	}
	name := clean.Cut(argv[0], 200)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the deploy command %s failed: %s", name, exit.ProcessState)
	}
	return fmt.Errorf("the deploy command %s could not be run: %w", name, err)
}
