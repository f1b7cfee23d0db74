// Package command runs a program of the job's where the person who starts bakegate allows it. What it prints is bounded, and what it
// complains of is told without the values that it quotes.
package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// Permit refuses to run a command unless the person who starts bakegate allowed it: who can edit the configuration in a pull request could
// choose what runs, and with what.
func Permit(allowed bool, what string) error {
	if allowed {
		return nil
	}
	return fmt.Errorf("it runs %s, which is off by default, because a pull request can edit the configuration: start bakegate with --allow-commands, "+
		"or run it before this step and give bakegate what it made", what)
}

// Program finds a program in the job's PATH. Folders that are relative are left out: they would be the checkout's.
func Program(getenv func(string) string, name string) (string, error) {
	list := ""
	if getenv != nil {
		list = getenv("PATH")
	}
	for _, dir := range filepath.SplitList(list) {
		if !filepath.IsAbs(dir) {
			continue
		}
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("the program %s is not in PATH", name)
}

// Command is a program that prints something.
type Command struct {
	Program string
	Args    []string
	Env     []string // all of it
	Dir     string
	Limit   int64 // bytes that it may print
	Timeout time.Duration
}

// Failed says that a program ended by itself with another code than 0. Some have printed all that they should all the same.
type Failed struct {
	Exit int
	Out  []byte
	says string
}

func (f *Failed) Error() string { return f.says }

// ErrTooMuch says that a program printed more than it may.
var ErrTooMuch = errors.New("too much output")

// maxStderr bounds what is kept of a program's complaints, in bytes.
const maxStderr = 64 << 10

// Run gives what the program printed. It ends with the context, or when its time is over or it prints too much.
func (c Command) Run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Program, c.Args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = c.Env, c.Dir, 2*time.Second
	out := &capped{limit: c.Limit, full: cancel}
	complaints := &capped{limit: maxStderr}
	cmd.Stdout, cmd.Stderr = out, complaints
	name := filepath.Base(c.Program)
	err := cmd.Run()
	switch {
	case out.over:
		return nil, fmt.Errorf("%s printed more than %d bytes: %w", name, c.Limit, ErrTooMuch)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s did not end within %s: %w", name, c.Timeout, ctx.Err())
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, failure(err, name, out.buf.Bytes(), complaints.buf.String())
	}
	return out.buf.Bytes(), nil
}

func failure(err error, name string, out []byte, complaints string) error {
	says := fmt.Sprintf("%s failed (%v): %s", name, err, complaint(complaints))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return &Failed{Exit: exit.ExitCode(), Out: out, says: says}
	}
	return errors.New(says)
}

// capped keeps so many bytes and throws the rest away.
type capped struct {
	buf   bytes.Buffer
	limit int64
	over  bool
	full  func() // called when there is more
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.limit - int64(c.buf.Len()); int64(len(p)) > room {
		c.buf.Write(p[:max(0, room)])
		if c.over = true; c.full != nil {
			c.full()
		}
		return len(p), nil
	}
	return c.buf.Write(p)
}

// quotedText is what a program quotes, which may be a value.
var quotedText = lazyregexp.New("(?s)`[^`]*`|'[^']*'|\"[^\"]*\"")

// complaint gives the line of standard error that says what is wrong, without what it quotes of values.
func complaint(text string) string {
	line := ""
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && (line == "" || strings.HasPrefix(l, "Error:")) {
			line = l
		}
	}
	line = quotedText.ReplaceAllStringFunc(line, func(q string) string {
		if templateName.MatchString(q[1 : len(q)-1]) {
			return q
		}
		return "…"
	})
	return clean.Cut(cmp.Or(line, "it said nothing"), 400)
}

// templateName is a file of a chart, which a message may name.
var templateName = lazyregexp.New(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\.(yaml|yml|tpl|txt|json)$`)
