package diff

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// values is what a rule says of the two values of a change.
type values struct {
	from, to *regexp.Regexp // to is nil where it is none, or names what from captures
	part     *regexp.Regexp // from, for a part of a value; nil where it matches the empty text, in whose place nothing can be put
	template string         // to, as it is written
	paired   bool           // to names what from captures
	whole    bool           // the expressions are for the whole value
}

// maxExpression bounds a regular expression, in bytes.
const maxExpression = 1000

// captureRef is $name, ${name} or $1 in to.
var captureRef = lazyregexp.New(`\$(?:(\w+)|\{(\w+)\})`)

// valuesProblem says what is wrong with from and to, and in which of them.
func valuesProblem(from, to string) (field string, err error) {
	if _, err := expression(from, true); err != nil {
		return ".from", err
	}
	_, err = parseValues(from, to, true)
	return ".to", err
}

func expression(s string, whole bool) (*regexp.Regexp, error) {
	switch {
	case s == "":
		return nil, nil
	case len(s) > maxExpression:
		return nil, fmt.Errorf("the expression has %d bytes, want at most %d", len(s), maxExpression)
	}
	if _, err := regexp.Compile(s); err != nil { // by itself, so that the message shows what was written
		return nil, errors.New("no regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if whole {
		s = `\A(?:` + s + `)\z`
	}
	return regexp.Compile(s)
}

func parseValues(from, to string, whole bool) (v values, err error) {
	v = values{template: to, whole: whole}
	if v.from, err = expression(from, whole); err != nil {
		return values{}, err
	}
	if part, err := expression(from, false); err == nil && part != nil && !part.MatchString("") {
		v.part = part
	}
	refs := captureRef.FindAllStringSubmatch(to, -1)
	for _, r := range refs {
		name := r[1] + r[2]
		if v.from == nil || !captures(v.from, name) {
			return values{}, fmt.Errorf("%s names nothing that from captures", r[0])
		}
	}
	if v.paired = len(refs) > 0; v.paired {
		if len(to) > maxExpression {
			return values{}, fmt.Errorf("the expression has %d bytes, want at most %d", len(to), maxExpression)
		}
		return v, nil
	}
	if v.to, err = expression(to, whole); err != nil {
		return values{}, err
	}
	return v, nil
}

// captures says whether an expression has a group of that name or number.
func captures(re *regexp.Regexp, name string) bool {
	if re.SubexpIndex(name) > 0 {
		return true
	}
	n := 0
	for _, r := range name {
		if r < '0' || r > '9' || n > 1000 {
			return false
		}
		n = n*10 + int(r-'0')
	}
	return n <= re.NumSubexp()
}

func (v values) none() bool { return v.from == nil && v.template == "" }

// rewrites says whether the rule makes one value of another.
func (v values) rewrites() bool { return v.part != nil && v.template != "" }

func scalarPair(a, b *Node) bool { return isScalar(a) && isScalar(b) }

// explain says whether the rule wants this change: it says nothing of values, or both are as it says.
func (v values) explain(a, b *Node) bool {
	switch {
	case v.none():
		return true
	case v.from != nil && !isScalar(a), v.template != "" && !isScalar(b):
		return false
	case v.from != nil && len(a.Value) > maxMasked, v.template != "" && len(b.Value) > maxMasked:
		return false
	case v.from == nil:
		return v.to.MatchString(b.Value)
	case v.template == "":
		return v.from.MatchString(a.Value)
	}
	return v.whole && a.Value != b.Value && v.rewrite(a.Value) == b.Value || v.match(a.Value, b.Value)
}

// meet says whether a forbid rule is met by the two values.
func (v values) meet(a, b *Node) bool { return v.explain(a, b) }

// match says whether from matches one value and to, with what from captured, the other.
func (v values) match(a, b string) bool {
	m := v.from.FindStringSubmatchIndex(a)
	if m == nil {
		return false
	}
	if !v.paired {
		return v.to.MatchString(b)
	}
	text := captureRef.ReplaceAllStringFunc(v.template, func(ref string) string {
		return regexp.QuoteMeta(string(v.from.ExpandString(nil, "${"+strings.Trim(ref, "${}")+"}", a, m)))
	})
	re, err := regexp.Compile(anchored(text, v.whole))
	return err == nil && re.MatchString(b)
}

func anchored(s string, whole bool) string {
	if whole {
		return `\A(?:` + s + `)\z`
	}
	return s
}

// rewrite puts to in place of every match of from.
func (v values) rewrite(s string) string {
	if v.part == nil {
		return s
	}
	return v.part.ReplaceAllString(s, v.template)
}
