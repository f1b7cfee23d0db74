package diff

import "strings"

// mattersMost are the risks that are as bad in production where both states have them: what is right in the environment before is the
// reason why they are forgotten.
var mattersMost = map[*advice]bool{riskACME: true, riskDebug: true, riskTLS: true, riskDestructive: true}

// judge looks at a setting whose name means something. shown is what is told: the argument, where x is a part of it.
func (w *survey) judge(m meaning, x, shown both) {
	switch m {
	case verifies:
		w.bad(riskTLS, x, shown, off, true)
	case trusts:
		w.bad(riskTLS, x, shown, on, true)
	case sslMode:
		w.bad(riskTLS, x, shown, plainMode, true)
	case encrypts:
		w.turned(riskTLS, x, shown, on, off)
	case debugs:
		w.bad(riskDebug, x, shown, debugging, true)
	case logLevel:
		w.bad(riskDebug, x, shown, chatty, true)
	case mode:
		w.bad(riskDebug, x, shown, development, true)
	case protects:
		w.bad(riskDurability, x, shown, off, true)
	case destroysData:
		w.bad(riskDurability, x, shown, on, true)
	case keepsDays:
		w.kept(x, shown)
	case opensUp:
		w.bad(riskExposed, x, shown, on, false)
	case breaks:
		w.turned(riskResilience, x, shown, on, off)
	case watches:
		w.turned(riskMonitoring, x, shown, on, off)
	case counts:
		w.replicas(x, shown)
	case bounds:
		if on(x.a) && off(x.b) && !isZero(x.b) || lower(x) {
			w.note(riskAutoscaler, shown, worse)
		}
	case sizesUp:
		if lower(x) {
			w.note(riskCapacity, shown, worse)
		}
	case machine:
		if isText(x.a) && isText(x.b) && sizeOf(x.b.Value) > 0 && sizeOf(x.b.Value) < sizeOf(x.a.Value) {
			w.note(riskCapacity, shown, worse)
		}
	}
}

// bad tells a bad value: that it is worse than in previous, or alike where too says so.
func (w *survey) bad(a *advice, x, shown both, bad func(*Node) bool, too bool) {
	switch {
	case !bad(x.b):
	case !bad(x.a) && x.a == nil && w.parent(1).a == nil:
		w.note(a, shown, fresh)
	case !bad(x.a):
		w.note(a, shown, worse)
	case too:
		w.note(a, shown, alike)
	}
}

// turned tells a switch that previous has on and the target off.
func (w *survey) turned(a *advice, x, shown both, was, is func(*Node) bool) {
	if was(x.a) && is(x.b) {
		w.note(a, shown, worse)
	}
}

func (w *survey) kept(x, shown both) {
	switch {
	case isZero(x.b) && isZero(x.a):
		w.note(riskDurability, shown, alike)
	case lower(x), isZero(x.b):
		w.note(riskDurability, shown, worse)
	}
}

func plainMode(n *Node) bool { return isScalar(n) && (n.Value == "disable" || n.Value == "allow") }

// debugging says whether a value switches debugging on. DEBUG=* is how Node.js does it.
func debugging(n *Node) bool { return on(n) || isScalar(n) && n.Value == "*" }

func chatty(n *Node) bool {
	if !isScalar(n) {
		return false
	}
	switch strings.ToLower(n.Value) {
	case "debug", "trace", "all", "silly", "verbose", "finest":
		return true
	}
	return false
}

func development(n *Node) bool {
	if !isScalar(n) {
		return false
	}
	for _, v := range strings.Split(n.Value, ",") {
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "development", "dev", "debug", "local":
			return true
		}
	}
	return false
}

// maxLines bounds a text in a value that is read line by line.
const maxLines = 2000

// text looks at a value by what is in it.
func (w *survey) text(x both) {
	if x.b == nil || x.b.Type != "string" && !account(x.b.Value) {
		return
	}
	v := x.b.Value
	if x.a != nil && x.a.scalar() && x.a.Value != v && len(v)+len(x.a.Value) < maxMasked && !w.scope(true).secret(x.b) && !w.scope(false).secret(x.a) {
		w.leak.value(transition{x.a.Value, v})
	}
	w.look(x)
	switch {
	case len(v) < len("acme-staging"):
	case len(v) > maxMasked:
	case strings.IndexByte(v, '\n') > 0:
		w.lines(x)
		fallthrough
	default:
		w.inText(riskACME, x, isStagingAuthority)
		w.inText(riskTLS, x, isPlainSQL)
	}
}

// inText tells a text with something bad in it: the line where it stands.
func (w *survey) inText(a *advice, x both, bad func(string) bool) {
	if !bad(x.b.Value) {
		return
	}
	st := worse
	switch {
	case x.a == nil && w.parent(1).a == nil:
		st = fresh
	case x.a != nil && x.a.scalar() && bad(x.a.Value):
		st = alike
	}
	got, want := "", ""
	if strings.IndexByte(x.b.Value, '\n') >= 0 && !w.scope(true).secret(x.b) {
		line := lineWith(x.b.Value, bad)
		got = w.c.mask.name(line)
		if name, _, ok := assignment(line); ok && x.a != nil && st == worse {
			want = w.c.mask.name(lineWith(x.a.Value, func(l string) bool { n, _, ok := assignment(l); return ok && n == name }))
		}
	}
	w.notef(a, a.severity, x, st, got, want)
}

// lineWith gives the first line that fits.
func lineWith(text string, fits func(string) bool) string {
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); fits(l) {
			return l
		}
	}
	return ""
}

// isPlainSQL says whether a text connects to a database without TLS.
func isPlainSQL(s string) bool {
	return strings.Contains(s, "sslmode=disable") || strings.Contains(s, "useSSL=false")
}

// lines reads a file that stands in a value: name=value and name: value, one a line.
func (w *survey) lines(x both) {
	lines := strings.SplitN(x.b.Value, "\n", maxLines)
	for _, l := range lines[:min(len(lines), maxLines-1)] {
		name, value, ok := assignment(l)
		if !ok {
			continue
		}
		m := w.known(name).meaning
		if m == 0 || m == counts || m == bounds {
			continue
		}
		v := both{b: &Node{Value: value, Type: "string"}}
		if x.a != nil && x.a.scalar() {
			v.a = lineOf(x.a.Value, name)
		}
		w.line(m, name, v, x)
	}
}

// line judges one line of a text, and tells the line alone.
func (w *survey) line(m meaning, name string, v, text both) {
	before := len(w.found)
	w.judge(m, v, text)
	secret := w.scope(true).secret(text.b)
	for i := before; i < len(w.found); i++ {
		o := &w.found[i]
		o.got, o.want = secretText, secretText
		if !secret {
			o.got = w.c.mask.name(name + ": " + v.b.Value)
			o.want = "nothing"
			if v.a != nil {
				o.want = w.c.mask.name(name + ": " + v.a.Value)
			}
			if o.state == alike {
				o.want = "as in previous"
			}
		}
	}
}

func assignment(line string) (name, value string, ok bool) {
	i := strings.IndexAny(line, "=:")
	if i < 1 || len(line) > maxShown {
		return "", "", false
	}
	name = strings.TrimSpace(line[:i])
	value = strings.Trim(strings.TrimSpace(line[i+1:]), `"'`)
	return name, value, name != "" && name[0] != '#' && !strings.ContainsAny(name, " {<")
}

// lineOf gives the value that a line of a text assigns to a name, nil where none does.
func lineOf(text, name string) *Node {
	for l := range strings.Lines(text) {
		if n, v, ok := assignment(strings.TrimRight(l, "\n")); ok && n == name {
			return &Node{Value: v, Type: "string"}
		}
	}
	return nil
}
