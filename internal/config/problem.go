package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// The caps on what is reported: a broken file of 1 MiB must not become a log of 100 MiB.
const (
	maxProblems = 1000 // kept
	maxPrinted  = 50   // shown by Error.Error
	maxShown    = 80   // bytes of a key or a value inside a message
)

// Problem is one mistake in the configuration, or one warning.
type Problem struct {
	File      string // the file, or the flag ("--window") that gave the value
	Line, Col int    // from 1, columns in characters; 0 for a flag
	Path      string // bake.metrics[2].limit, "" for the file itself
	Message   string // what was got and what was wanted
	Hint      string // what to do, "" if Message says it all
}

// String is the problem on one line: FILE:LINE:COL: PATH: MESSAGE; HINT.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Error holds every mistake of a configuration, sorted by position.
type Error struct {
	Problems []Problem
	// Dropped counts the problems beyond the first 1000, which are not kept.
	Dropped int
}

// Error prints one line per problem, the first 50.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxPrinted {
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	if n := len(e.Problems) + e.Dropped; n > maxPrinted {
		fmt.Fprintf(&b, "\nand %d more problems", n-maxPrinted)
	}
	return b.String()
}

// collector gathers problems. The same problem at the same place is kept once: the base of a file with overlays is looked at twice.
type collector struct {
	file     string
	problems []Problem
	warnings []Problem
	seen     map[Problem]bool
	dropped  int

	count int            // of all reports, the repeated ones too
	exact map[string]int // path -> the number of the first report at it
	below map[string]int // path -> the number of the first report below it
}

func newCollector(file string) *collector {
	return &collector{file: clean.Text(file), seen: map[Problem]bool{}, exact: map[string]int{}, below: map[string]int{}}
}

// add reports a problem at a node.
func (c *collector) add(n *node, path, hint, format string, args ...any) {
	c.put(c.problem(n, path, hint, fmt.Sprintf(format, args...)))
}

// addAt reports a problem at a place in the file that is no node.
func (c *collector) addAt(line, col int, hint, format string, args ...any) {
	c.add(&node{line: line, col: col}, "", hint, format, args...)
}

func (c *collector) warn(n *node, path, hint, format string, args ...any) {
	c.warnings = append(c.warnings, c.problem(n, path, hint, fmt.Sprintf(format, args...)))
}

func (c *collector) problem(n *node, path, hint, message string) Problem {
	p := Problem{File: c.file, Path: path, Message: clean.Text(message), Hint: clean.Text(hint)}
	switch {
	case n == nil:
	case n.flag != "":
		p.File = clean.Text(n.flag)
	default:
		p.Line, p.Col = n.line, n.col
	}
	return p
}

func (c *collector) put(p Problem) {
	c.mark(p.Path)
	id := p
	id.Path = "" // an overlay's node has one path in the overlay and one in the merged tree
	if c.seen[id] {
		return
	}
	if len(c.problems) == maxProblems {
		c.dropped++
		return
	}
	c.seen[id] = true
	c.problems = append(c.problems, p)
}

// mark keeps the paths that were reported, as long as somebody may read of them.
func (c *collector) mark(path string) {
	if c.count++; c.count > 10*maxProblems {
		return
	}
	keep := func(m map[string]int, path string) {
		if _, ok := m[path]; !ok {
			m[path] = c.count - 1
		}
	}
	keep(c.exact, path)
	for i := range path {
		if path[i] == '.' || path[i] == '[' {
			keep(c.below, path[:i])
		}
	}
	if path != "" {
		keep(c.below, "")
	}
}

// reported says whether one of the first n reports is at path, or below it if below is set.
func (c *collector) reported(n int, path string, below bool) bool {
	if first, ok := c.exact[path]; ok && first < n {
		return true
	}
	first, ok := c.below[path]
	return below && ok && first < n
}

// err is everything that was reported, or nil.
func (c *collector) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	tidy(c.problems)
	return &Error{Problems: c.problems, Dropped: c.dropped}
}

// tidy makes the paths, which hold keys of the file, fit to print, and sorts by position: flags (line 0) before the file.
func tidy(ps []Problem) {
	for i, p := range ps {
		ps[i].Path = clean.Cut(p.Path, 2*maxShown)
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), strings.Compare(a.File, b.File))
	})
}

// quote shows a text from the file.
func quote(s string) string { return fmt.Sprintf("%q", clean.Cut(s, maxShown)) }
