package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/files"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// permit refuses to run a command unless the person who starts bakegate allowed it: who can edit the configuration in a pull request could
// choose what runs, and with what.
func (e Env) permit(what string) error {
	if e.AllowCommands {
		return nil
	}
	return fmt.Errorf("it runs %s, which is off by default, because a pull request can edit the configuration: start bakegate with --allow-commands, "+
		"or render before this step and give the result as path", what)
}

// program finds a program in the job's PATH. Folders that are relative are left out: they would be the checkout's.
func (e Env) program(name string) (string, error) {
	list := ""
	if e.Getenv != nil {
		list = e.Getenv("PATH")
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

// command is a program that prints a state.
type command struct {
	program string
	args    []string
	env     []string // all of it
	dir     string
	limit   int64 // bytes that it may print
	timeout time.Duration
}

// maxStderr bounds what is kept of a program's complaints, in bytes.
const maxStderr = 64 << 10

// run gives what the program printed. It ends with the context, or when its time is over or it prints too much.
func (c command) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = c.env, c.dir, 2*time.Second
	out := &capped{limit: c.limit, full: cancel}
	complaints := &capped{limit: maxStderr}
	cmd.Stdout, cmd.Stderr = out, complaints
	name := filepath.Base(c.program)
	err := cmd.Run()
	switch {
	case out.over:
		return nil, fmt.Errorf("%s printed more than %d bytes", name, c.limit)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s did not end within %s: %w", name, c.timeout, ctx.Err())
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s failed (%w): %s", name, err, complaint(complaints.buf.String()))
	}
	return out.buf.Bytes(), nil
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
	return clean.Cut(orWord(line, "it said nothing"), 400)
}

// templateName is a file of a chart, which a message may name.
var templateName = lazyregexp.New(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\.(yaml|yml|tpl|txt|json)$`)

// linkCheck refuses links that leave a folder, for a program that follows them.
type linkCheck struct {
	ctx  context.Context
	root *os.Root
	left int // files that may still be looked at
	name string
}

func (l *linkCheck) folder(rel string, depth int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	d, err := l.root.Open(rel)
	if err != nil {
		return fmt.Errorf("%s: %w", clean.Text(rel), pathError(err))
	}
	defer d.Close()
	entries, err := d.ReadDir(l.left + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", clean.Text(rel), pathError(err))
	}
	if l.left -= len(entries); l.left < 0 || depth > 50 {
		return fmt.Errorf("%s: it has more files or folders than a chart", l.name)
	}
	for _, e := range entries {
		p := filepath.Join(rel, e.Name())
		err = nil
		switch {
		case e.IsDir():
			err = l.folder(p, depth+1)
		case e.Type()&fs.ModeSymlink != 0:
			err = l.link(p)
		case !e.Type().IsRegular():
			err = fmt.Errorf("%s: want a file, got a %s", clean.Text(p), files.KindOf(e.Type()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// link refuses a link that leads out of the root, and one to a folder: what is behind it was not looked at.
func (l *linkCheck) link(p string) error {
	fi, err := l.root.Stat(p)
	switch {
	case err != nil:
		return fmt.Errorf("%s: the link leaves the configuration's folder, or points to nothing: replace it with the file", clean.Text(p))
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s: the link leads to a folder: replace it with the folder", clean.Text(p))
	}
	return nil
}
