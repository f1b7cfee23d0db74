package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// use says where a scalar stands, which decides what a variable in it may be.
type use uint8

const (
	plain  use = iota
	query      // a query template: $$ and $name are the source's, and a value must not change the query's structure
	secret     // a Secret field
)

// part is a piece of a scalar: literal text, or a variable.
type part struct {
	text     string // literal text, or the default behind :-
	variable string
	optional bool // ${NAME:-default}
}

var variableName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parse splits a scalar at its variables: ${NAME} and ${NAME:-default}. Outside queries $$ is a dollar. Any other $ is itself.
func parse(s string, u use) ([]part, error) {
	var parts []part
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, part{text: text.String()})
			text.Reset()
		}
	}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$$"):
			text.WriteString("$$"[:1+b2i(u == query)])
			s = s[2:]
		case strings.HasPrefix(s, "${"):
			flush()
			p, rest, err := parseVariable(s[2:])
			if err != nil {
				return nil, err
			}
			parts, s = append(parts, p), rest
		default:
			text.WriteByte(s[0])
			s = s[1:]
		}
	}
	flush()
	return parts, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func parseVariable(s string) (p part, rest string, err error) {
	inner, rest, ok := strings.Cut(s, "}")
	if !ok {
		return p, "", errors.New("${ has no closing }")
	}
	p.variable, p.text, p.optional = strings.Cut(inner, ":-")
	if !variableName.MatchString(p.variable) {
		return p, "", fmt.Errorf("%s is no variable: want ${NAME} or ${NAME:-default}", quote("${"+inner+"}"))
	}
	return p, rest, nil
}

func hasVariable(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return p.variable != "" })
}

// variables is the environment and what is known of how the file uses it.
type variables struct {
	getenv  func(string) (string, bool)
	names   []string          // defined ones, for suggestions
	secrets map[string]bool   // used in a Secret field
	values  map[string]string // resolved, to keep them out of messages
	uses    []variableUse
}

type variableUse struct {
	name   string
	node   *node
	path   string
	secret bool
}

// expand gives the text of a scalar with its variables put in. ok is false if a problem was reported, or if the scalar has variables
// and is only looked at, not resolved.
func (d *decoder) expand(n *node, path string, u use) (text string, ok bool) {
	if n.flag != "" {
		return n.value, true
	}
	parts, err := parse(n.value, u)
	if err != nil {
		if u == secret { // the words of the error may be a part of it
			err = errors.New("${ begins no variable: want ${NAME} or ${NAME:-default}")
		}
		d.c.add(n, path, "write $$ for a dollar", "%v", err)
		return "", false
	}
	ok = true
	var b strings.Builder
	for _, p := range parts {
		if p.variable == "" {
			b.WriteString(p.text)
			continue
		}
		d.env.uses = append(d.env.uses, variableUse{p.variable, n, path, u == secret})
		if u == secret {
			d.env.secrets[p.variable] = true
		}
		if d.lint {
			ok = false
			continue
		}
		v, good := d.resolve(n, path, u, p)
		ok = ok && good
		if b.WriteString(v); b.Len() > maxText {
			d.c.add(n, path, "", "the text is longer than %d KiB once its variables are put in", maxText>>10)
			return "", false
		}
	}
	return b.String(), ok
}

// forks explains the commonest reason of a secret that is not there.
const forks = "set it as a secret of the pipeline; pull requests from forks get no secrets"

func (d *decoder) resolve(n *node, path string, u use, p part) (string, bool) {
	v, defined := d.env.getenv(p.variable)
	if p.optional && v == "" {
		if u == secret && p.text == "" {
			d.c.add(n, path, forks, "the secret ${%s} is empty", p.variable)
			return "", false
		}
		return p.text, true
	}
	switch {
	case !defined:
		d.undefined(n, path, u, p.variable)
		return "", false
	case u == secret && strings.TrimRight(v, "\r\n") == "":
		d.c.add(n, path, forks, "the secret ${%s} is empty", p.variable)
		return "", false
	}
	d.env.values[p.variable] = v
	switch u {
	case secret:
		v = strings.TrimSuffix(strings.TrimSuffix(v, "\n"), "\r")
		if strings.ContainsFunc(v, unicode.IsControl) {
			d.c.add(n, path, "set it again without line breaks", "the secret ${%s} holds a line break or another control character", p.variable)
			return "", false
		}
	case query:
		if strings.ContainsAny(v, "\"'`\\{}$") || strings.ContainsFunc(v, unicode.IsControl) {
			d.c.add(n, path, "use $service, $environment or $version, which are escaped for the query language",
				"the value of ${%s} holds a quote, backslash, brace, dollar or line break: it could change the query", p.variable)
			return "", false
		}
	}
	return v, true
}

func (d *decoder) undefined(n *node, path string, u use, name string) {
	hint := ""
	if s := suggest(name, d.env.names); s != "" {
		hint = fmt.Sprintf("did you mean ${%s}?", s)
	}
	if u != secret {
		d.c.add(n, path, hint, "${%s} is not set in the environment", name)
		return
	}
	if hint == "" {
		hint = forks
	}
	d.c.add(n, path, hint, "the secret ${%s} is not set in the environment", name)
}

// mixed reports the variables that hold a secret and stand where they would be printed or sent elsewhere.
func (d *decoder) mixed() {
	for _, u := range d.env.uses {
		switch {
		case u.secret:
		case d.env.secrets[u.name]:
			d.c.add(u.node, u.path, "use another variable for one of them", "${%s} is used as a secret elsewhere, and this is no secret field", u.name)
		case secretName(u.name):
			d.c.add(u.node, u.path, "secrets may stand in fields that take one (token, api-key, headers); rename the variable if it holds none",
				"${%s} looks like a secret, and this is no secret field", u.name)
		}
	}
}

// secretWords are the parts of a name that tell a secret. Those of two words are written together or apart.
var secretWords = lazyregexp.New(`(^|-)(token|secret|password|passwd|passphrase|credential|api-?key|private-?key|access-?key)s?(-|$)`)

// secretName says whether a variable is named like a secret: GRAFANA_TOKEN, DB_PASSWORD, githubToken.
func secretName(name string) bool {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if lower && unicode.IsUpper(r) || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			b.WriteByte('-')
		}
		lower = unicode.IsLower(r)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return secretWords.MatchString(b.String())
}

// secretNames lists the variables that hold secrets.
func (v *variables) secretNames() []string { return slices.Sorted(maps.Keys(v.secrets)) }

// hide takes the environment's values out of a message that another package made. Such a message may quote a value, or name the host
// of a URL.
func (v *variables) hide(message string) string {
	names := slices.Collect(maps.Keys(v.values))
	slices.SortFunc(names, func(a, b string) int { // longest first: one may hold another
		return cmp.Or(cmp.Compare(len(v.values[b]), len(v.values[a])), strings.Compare(a, b))
	})
	for _, name := range names {
		for _, form := range forms(v.values[name]) {
			if len(form) >= 4 { // hiding a shorter one would hide half of the message, and tell by the holes what it is
				message = strings.ReplaceAll(message, form, "${"+name+"}")
			}
		}
	}
	return message
}

func forms(value string) []string {
	fs := []string{value, strings.TrimSpace(value), strings.Trim(fmt.Sprintf("%q", value), `"`), clean.Text(value)}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		fs = append(fs, u.Host+u.Path, u.Host, u.Hostname())
	}
	return fs
}
