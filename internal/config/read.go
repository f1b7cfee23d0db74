package config

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// What a configuration may hold at most. A generous one has 500 nodes in 10 levels.
const (
	maxFile  = 1 << 20
	maxNodes = 20_000 // aliases count as often as they are used
	maxDepth = 64
	maxKey   = 256      // bytes: paths are made of keys
	maxText  = 64 << 10 // bytes of a scalar once its variables are put in
)

// read turns the bytes of a file into nodes; nil after a problem that leaves nothing to look at, or for an empty file.
func read(c *collector, data []byte) *node {
	if len(data) > maxFile {
		c.addAt(1, 1, "a configuration is a few kilobytes", "the file is larger than 1 MiB")
		return nil
	}
	if !checkText(c, data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		syntaxProblem(c, data, err)
		return nil
	}
	if err := dec.Decode(&next); err == nil {
		c.addAt(next.Line, max(next.Column, 1), "use environments: for what differs between environments", "got a second YAML document, want one")
	} else if !errors.Is(err, io.EOF) {
		syntaxProblem(c, data, err)
		return nil
	}
	r := reader{c: c, open: map[*yaml.Node]bool{}}
	root := r.node(doc.Content[0], "", 0)
	if r.stopped {
		return nil
	}
	return root
}

// checkText refuses what is not plain UTF-8, each with its own words, before YAML's reader guesses an encoding.
func checkText(c *collector, data []byte) bool {
	for mark, name := range map[string]string{"\xef\xbb\xbf": "a byte order mark", "\xff\xfe": "UTF-16", "\xfe\xff": "UTF-16"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			c.addAt(1, 1, "save it as UTF-8 without byte order mark", "the file begins with %s, want plain UTF-8", name)
			return false
		}
	}
	line, col := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == 0:
			c.addAt(line, col, "save it as UTF-8", "the file holds a zero byte: it is UTF-16 or not text")
			return false
		case r == utf8.RuneError && size == 1:
			c.addAt(line, col, "save it as UTF-8", "byte 0x%02x is not valid UTF-8", data[i])
			return false
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfeff:
			c.addAt(line, col, "remove it", "the file holds the control character %U", r)
			return false
		}
		i += size
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return true
}

var (
	yamlLine      = lazyregexp.New(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	unknownAnchor = lazyregexp.New(`^unknown anchor '(.*)' referenced$`)
	// The YAML reader's parser, unlike its scanner, counts lines from 0 and names the line where the block begins that it could not read.
	parserError = lazyregexp.New(`^did not find expected (key|node content|'-' indicator|',' or '\]'|',' or '\}'|<document start>)`)
)

// syntaxProblem gives the error of the YAML reader, which knows a line at most, a place.
func syntaxProblem(c *collector, data []byte, err error) {
	text, _, _ := strings.Cut(err.Error(), "\n")
	m := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(m[1])
	hint := ""
	if parserError.MatchString(m[2]) {
		line, hint = line+1, "the mistake is in the block that begins here, or right before it"
	}
	lines := strings.Split(string(data), "\n")
	line = min(max(line, 1), len(lines))
	if l, col := tabIndent(lines, line); col > 0 && strings.Contains(m[2], "cannot start any token") {
		c.addAt(l, col, "use spaces", "a tab indents this line, and YAML does not allow that")
		return
	}
	col := len(indentation(lines[line-1])) + 1
	if a := unknownAnchor.FindStringSubmatch(m[2]); a != nil {
		line, col = find(lines, "*"+a[1])
	}
	c.addAt(line, col, hint, "not valid YAML: %s", m[2])
}

// tabIndent looks around a line for one that is indented by a tab.
func tabIndent(lines []string, line int) (l, col int) {
	for l := max(line-1, 1); l <= min(line+1, len(lines)); l++ {
		if at := strings.IndexByte(indentation(lines[l-1]), '\t'); at >= 0 {
			return l, at + 1
		}
	}
	return 0, 0
}

func find(lines []string, text string) (line, col int) {
	for i, l := range lines {
		if at := strings.Index(l, text); at >= 0 {
			return i + 1, utf8.RuneCountInString(l[:at]) + 1
		}
	}
	return 1, 1
}

func indentation(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// reader resolves aliases and merge keys, within bounds.
type reader struct {
	c       *collector
	count   int
	open    map[*yaml.Node]bool // anchors on the way down: one that holds itself never ends
	stopped bool
}

func (r *reader) stop(y *yaml.Node, path, hint, format string, args ...any) *node {
	if !r.stopped {
		r.c.add(position(y), path, hint, format, args...)
	}
	r.stopped = true
	return position(y)
}

func position(y *yaml.Node) *node { return &node{line: y.Line, col: y.Column} }

func (r *reader) node(y *yaml.Node, path string, depth int) *node {
	if r.count++; r.count > maxNodes {
		return r.stop(y, path, "", "the file has more than %d values once its aliases are put in", maxNodes)
	}
	if depth > maxDepth {
		return r.stop(y, path, "", "the file is nested deeper than %d levels", maxDepth)
	}
	if r.stopped {
		return position(y)
	}
	if y.Kind == yaml.AliasNode {
		return r.alias(y, path, depth)
	}
	if y.Style&yaml.TaggedStyle != 0 {
		r.c.add(position(y), path, "remove it", "YAML tag %s is not supported", quote(y.Tag))
	}
	n := position(y)
	switch y.Kind {
	case yaml.MappingNode:
		n.shape = mapping
		r.mapping(n, y, path, depth)
	case yaml.SequenceNode:
		n.shape = list
		for i, item := range y.Content {
			n.items = append(n.items, r.node(item, index(path, i), depth+1))
		}
	default:
		n.value, n.null = y.Value, y.ShortTag() == "!!null"
	}
	return n
}

func (r *reader) alias(y *yaml.Node, path string, depth int) *node {
	if r.open[y.Alias] {
		return r.stop(y, path, "", "alias *%s holds itself", y.Value)
	}
	r.open[y.Alias] = true
	defer delete(r.open, y.Alias)
	return r.node(y.Alias, path, depth+1)
}

func (r *reader) mapping(n *node, y *yaml.Node, path string, depth int) {
	var merged []*node
	lines := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, r.merges(value, path, depth)...)
			continue
		}
		k := r.key(key, path)
		if k == nil {
			continue
		}
		if first, ok := lines[k.value]; ok {
			r.c.add(k, path, "", "key %s is there already, in line %d", quote(k.value), first)
			continue
		}
		lines[k.value] = k.line
		n.entries = append(n.entries, entry{k, r.node(value, join(path, k.value), depth+1)})
	}
	for _, m := range merged { // the mapping's own keys win over merged ones, an earlier merge over a later one
		for _, e := range m.entries {
			if _, ok := lines[e.key.value]; !ok {
				lines[e.key.value] = e.key.line
				n.entries = append(n.entries, e)
			}
		}
	}
}

func (r *reader) key(y *yaml.Node, path string) *node {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind != yaml.ScalarNode || y.Value == "" {
		r.c.add(position(y), path, "", "a key must be a text that is not empty")
		return nil
	}
	k := position(y)
	if len(y.Value) > maxKey {
		r.c.add(k, path, "", "key %s is longer than %d bytes", quote(y.Value), maxKey)
		return nil
	}
	k.value = y.Value
	return k
}

// merges are the mappings that a merge key brings.
func (r *reader) merges(y *yaml.Node, path string, depth int) []*node {
	v := r.node(y, path, depth+1)
	from := []*node{v}
	if v.shape == list {
		from = v.items
	}
	for _, m := range from {
		if m.shape != mapping && !r.stopped {
			r.c.add(m, path, "", "merge key <<: got %s, want a mapping or a list of mappings", m.describe())
			return nil
		}
	}
	return from
}
