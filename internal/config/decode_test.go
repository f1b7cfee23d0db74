package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/httpx"
)

// everything is a type with one field of each sort.
type everything struct {
	inner
	Text     string                  `yaml:"text"`
	Flag     bool                    `yaml:"flag"`
	Count    int                     `yaml:"count"`
	Small    uint8                   `yaml:"small"`
	Ratio    float64                 `yaml:"ratio"`
	Wait     time.Duration           `yaml:"wait"`
	Pause    *time.Duration          `yaml:"pause"`
	At       time.Time               `yaml:"at"`
	Limit    *bake.Limit             `yaml:"limit"`
	Query    bake.Text               `yaml:"query"`
	Secret   httpx.Secret            `yaml:"secret"`
	Headers  map[string]httpx.Secret `yaml:"headers"`
	List     []string                `yaml:"list"`
	Lists    [][]int                 `yaml:"lists"`
	Map      map[string]inner        `yaml:"map"`
	Choice   *choice                 `yaml:"choice"`
	Choices  []choice                `yaml:"choices"`
	Checked  *checked                `yaml:"checked"`
	Unnamed  string
	Excluded string `yaml:"-"`
}

type inner struct {
	Inner string `yaml:"inner"`
}

// choice is `word: TEXT` or `list: {items: [...]}`.
type choice struct {
	kind  string
	value any
}

func (*choice) Choices() []string { return []string{"word", "list", "broken"} }

func (c *choice) Choose(kind string, decode func(any) error) error {
	c.kind = kind
	switch kind {
	case "word":
		var s string
		err := decode(&s)
		c.value = s
		return err
	case "broken":
		return errors.New("this kind is broken")
	}
	var o struct {
		Items []int `yaml:"items,required"`
	}
	if err := decode(&o); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	c.value = o.Items
	return nil
}

type checked struct {
	Low   int       `yaml:"low"`
	Steps []checked `yaml:"steps"`
	Name  string    `yaml:"name"`
}

func (c *checked) Check(at func(field, format string, args ...any)) {
	for i, s := range c.Steps {
		if s.Low <= c.Low {
			at(fmt.Sprintf("steps[%d].low", i), "got %d, want more than %d", s.Low, c.Low)
		}
	}
	if c.Name == "" && len(c.Steps) > 0 {
		at("name", "is missing")
	}
	if c.Low < 0 {
		at("", "is below zero")
	}
}

func decodeInto(t *testing.T, text string, v any, env map[string]string) (*decoder, error) {
	t.Helper()
	c := newCollector("f")
	d := newDecoder(c, Options{Getenv: func(k string) (string, bool) { s, ok := env[k]; return s, ok }})
	root := read(c, []byte(text))
	if root != nil {
		d.value(root, reflect.ValueOf(v).Elem(), "")
	}
	return d, c.err()
}

func TestDecode(t *testing.T) {
	var got everything
	_, err := decodeInto(t, `
inner: a
text: "costs $$5, $HOME, $"
flag: ${YES}
count: ${PORT}
small: 255
ratio: 2.5e-1
wait: 1h30m
pause: 28d
at: 2026-11-21T08:00:00+01:00
limit: {p99.9: 500ms, max: "${LIMIT:-2%}"}
query: rate(x{a="$service",b="${WORD}"}[$step]) > $$
secret: ${TOKEN}
headers: {X-Org: acme, Authorization: "Bearer ${TOKEN}"}
list: &list [a, "${WORD}", ""]
lists: [[1], [], [2, 3]]
map: {one: {inner: x}, two: &two {inner: "y"}, three: {<<: *two}}
choice: {word: hello}
choices: {list: {items: [1, 2]}, word: "${WORD}"}
`, &got, map[string]string{"YES": "true", "PORT": "8080", "WORD": "wörd", "TOKEN": "t\n"})
	if err != nil {
		t.Fatal(err)
	}
	pause := 28 * 24 * time.Hour
	want := everything{
		inner: inner{"a"}, Text: "costs $5, $HOME, $", Flag: true, Count: 8080, Small: 255, Ratio: .25, Wait: 90 * time.Minute, Pause: &pause,
		At:    time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC),
		Limit: &bake.Limit{P999: bake.Bound{V: .5, Set: true, Text: "500ms"}, Max: bake.Bound{V: .02, Set: true, Text: "2%"}},
		Query: `rate(x{a="$service",b="wörd"}[$step]) > $$`, Secret: httpx.NewSecret("t"),
		Headers: map[string]httpx.Secret{"X-Org": httpx.NewSecret("acme"), "Authorization": httpx.NewSecret("Bearer t")},
		List:    []string{"a", "wörd", ""}, Lists: [][]int{{1}, nil, {2, 3}},
		Map:    map[string]inner{"one": {"x"}, "two": {"y"}, "three": {"y"}},
		Choice: &choice{"word", "hello"}, Choices: []choice{{"list", []int{1, 2}}, {"word", "wörd"}},
	}
	got.At = got.At.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestDecodeScalarLimit(t *testing.T) {
	var got everything
	if _, err := decodeInto(t, "limit: 1%", &got, nil); err != nil || got.Limit.Max.V != .01 {
		t.Errorf("got %+v, %v", got.Limit, err)
	}
}

func TestDecodeMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"count: 1.5", `f:1:8: count: got "1.5", want a whole number`},
		{"count: 9999999999999999999", `f:1:8: count: got "9999999999999999999", want a whole number`},
		{"small: 256", `f:1:8: small: got "256", want a whole number`},
		{"small: -1", `f:1:8: small: got "-1", want a whole number`},
		{"ratio: .inf", `f:1:8: ratio: got ".inf", want a number`},
		{"ratio: NaN", `f:1:8: ratio: got "NaN", want a number`},
		{"flag: True", `f:1:7: flag: got "True", want true or false`},
		{"wait: 0", `f:1:7: wait: got "0", want a duration with a unit, e.g. 30s; did you mean 0s or 0m?`},
		{"wait: 5d12", `f:1:7: wait: got "5d12", want a duration with a unit, e.g. 30s`},
		{"wait: 9999d9999999h", `f:1:7: wait: got "9999d9999999h", want a duration with a unit, e.g. 30s`},
		{"wait: 15 Minutes", `f:1:7: wait: got "15 Minutes", want a duration with a unit, e.g. 30s; did you mean 15m?`},
		{"wait: [1s]", `f:1:7: wait: got a list, want a duration with a unit, e.g. 30s`},
		{"list: a", `f:1:7: list: got "a", want a list; write - before it`},
		{"limit: [1]", `f:1:8: limit: got a list, want a value or a mapping`},
		{"Excluded: x", `f:1:1: unknown key "Excluded"; allowed here: inner, text, flag, count, small, ratio, wait, pause, at, limit, query, secret, headers, list, lists, map, choice, choices, checked`},
		{"Unnamed: x", `f:1:1: unknown key "Unnamed"; allowed here: inner, text, flag, count, small, ratio, wait, pause, at, limit, query, secret, headers, list, lists, map, choice, choices, checked`},
		{"map: {a: {innr: 1}}", `f:1:11: map.a: unknown key "innr"; did you mean "inner"?`},
		{"choice: {broken: 1}", `f:1:10: choice.broken: this kind is broken`},
		{"choice: {list: {itms: []}}", "f:1:16: choice.list.items: the key is missing, want a list\nf:1:17: choice.list: unknown key \"itms\"; did you mean \"items\"?"},
		{"choice: {word: [a]}", `f:1:16: choice.word: got a list, want a text`},
		{"choices: [word]", `f:1:10: choices: got a list, want a mapping`},
		{"choices: {wrod: a}", `f:1:11: choices: unknown key "wrod"; did you mean "word"?`},
		{"secret: {a: b}", `f:1:9: secret: got a mapping, want ${NAME} of a secret variable`},
		{"headers: {a: ~}", `f:1:14: headers.a: got nothing, want ${NAME} of a secret variable; leave the key out, or give it a value`},
		{`secret: "Zq${not shown}Zq"`, `f:1:9: secret: ${ begins no variable: want ${NAME} or ${NAME:-default}; write $$ for a dollar`},
		{strings.Repeat("k", 300) + ": x", `f:1:1: key "` + strings.Repeat("k", 77) + `…" is longer than 256 bytes`},
		{`headers: {a: "x\ny"}`, `f:1:14: headers.a: a secret must be one line`},
		{"text: !x y", `f:1:7: text: YAML tag "!x" is not supported; remove it`},
		{"checked: {low: 3, name: n, steps: [{low: 4}, {low: 2}]}", `f:1:52: checked.steps[1].low: got 2, want more than 3`},
		{"checked: {low: 3, steps: [{low: 4}]}", `f:1:10: checked.name: is missing`},
		{"checked: {low: -1}", `f:1:10: checked: is below zero`},
		{"checked: {low: -1, name: [a]}", `f:1:26: checked.name: got a list, want a text`},
		{"checked: {low: 3, name: n, steps: [{low: x}]}", `f:1:42: checked.steps[0].low: got "x", want a whole number`},
	} {
		var v everything
		_, err := decodeInto(t, c.text, &v, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestParseTemplate(t *testing.T) {
	for _, c := range []struct {
		in    string
		use   use
		parts []part
	}{
		{"", plain, nil},
		{"$", plain, []part{{text: "$"}}},
		{"a$$${B}$$$", plain, []part{{text: "a$"}, {variable: "B"}, {text: "$$"}}},
		{"a$$${B}$x", query, []part{{text: "a$$"}, {variable: "B"}, {text: "$x"}}},
		{"${A:-b:-c}${A:-}", plain, []part{{variable: "A", text: "b:-c", optional: true}, {variable: "A", optional: true}}},
		{"$${A}", plain, []part{{text: "${A}"}}},
		{"{A}$A $1", plain, []part{{text: "{A}$A $1"}}},
	} {
		got, err := parse(c.in, c.use)
		if err != nil || !reflect.DeepEqual(got, c.parts) {
			t.Errorf("%q: got %+v, %v, want %+v", c.in, got, err, c.parts)
		}
	}
	for _, bad := range []string{"${", "${A", "${}", "${1}", "${a b}", "${A:b}", "${${A}}"} {
		if p, err := parse(bad, plain); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, p)
		}
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"GRAFANA_TOKEN": true, "DD_API_KEY": true, "DD_APIKEY": true, "githubToken": true, "DB_PASSWORDS": true, "PRIVATE_KEY_PEM": true,
		"AWS_SECRET_ACCESS_KEY": true, "GOOGLE_CREDENTIALS": true, "PASSWD": true,
		"TOKENIZER_URL": false, "ENVIRONMENT": false, "MONKEY": false, "KEY": false, "SECRETARY": false, "IMAGE": false,
	} {
		if secretName(name) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"windw", "window"}, {"widnow", "window"}, {"WINDOW", "window"}, {"ready_when", "ready-when"}, {"stp", "step"}, {"x", ""}, {"completely", ""},
		{strings.Repeat("w", 1<<20), ""},
	} {
		if got := suggest(c.word, []string{"window", "step", "ready-when"}); got != c.want {
			t.Errorf("%.20s: got %q, want %q", c.word, got, c.want)
		}
	}
}

func TestLocate(t *testing.T) {
	c := newCollector("f")
	root := read(c, []byte("a:\n  p99.9: x\n  p99:\n    - b\n    - c: d\n"))
	for path, want := range map[string]string{"a.p99.9": "x", "a.p99[0]": "b", "a.p99[1].c": "d"} {
		if n, ok := root.locate(path); !ok || n.value != want {
			t.Errorf("%s: got %q, %v", path, n.value, ok)
		}
	}
	for _, path := range []string{"b", "a.p99[2]", "a.p99[1].d", "a[0]", "a.p99[x]", "a.p99[-1]", "a.p99[1", "..", "[", "a.p99.9.1"} {
		if n, ok := root.locate(path); ok || n == nil {
			t.Errorf("%s: found", path)
		}
	}
}
