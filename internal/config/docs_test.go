package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink"
)

const page = "../../docs/configuration.md"

var (
	yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	stageKey  = regexp.MustCompile(`(?m)^(verify|diff|mark|bake):`)
)

// Every example of the page loads; a section alone is completed to a file.
func TestDocumentedExamples(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(data), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		text := b[1]
		switch {
		case strings.HasPrefix(text, "version:"):
		case stageKey.MatchString(text):
			text = "version: 1\nservice: checkout\n" + text
		default:
			text = deploys + text
		}
		f := mustParse(t, text, testOptions())
		for _, w := range f.Warnings {
			t.Errorf("%s\n%s", w, text)
		}
		if err := againstSchema(t, []byte(text)); err != nil {
			t.Errorf("schema: %v\n%s", err, text)
		}
	}
}

// Every example of a marker loads, and every marker has one.
func TestDocumentedMarkers(t *testing.T) {
	data, err := os.ReadFile("../../docs/markers.md")
	if err != nil {
		t.Fatal(err)
	}
	opt := testOptions()
	opt.Getenv = func(name string) (string, bool) {
		if v, ok := environment[name]; ok {
			return v, true
		}
		if strings.HasSuffix(name, "_WEBHOOK") {
			return "https://hooks.example/services/T0/B0/0123456789abcdef?sig=x", true
		}
		return "0123456789abcdef0123456789abcdef", true
	}
	seen := map[string]bool{}
	for _, b := range yamlBlock.FindAllStringSubmatch(string(data), -1) {
		f := mustParse(t, deploys+b[1], opt)
		for _, m := range f.Mark {
			seen[m.Kind] = true
		}
		if err := againstSchema(t, []byte(deploys+b[1])); err != nil {
			t.Errorf("schema: %v\n%s", err, b[1])
		}
	}
	page, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for kind := range sink.Sinks {
		if !seen[kind] || !strings.Contains(string(page), "`"+kind+"`") {
			t.Errorf("%s has no example in markers.md, or is not named in configuration.md", kind)
		}
	}
}

// Every key of the file is on the page: those of the sections, and those that every remote block has.
func TestDocumentedKeys(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		typ = plainType(typ)
		switch {
		case seen[typ] || isChoice(typ):
			return
		case typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map:
			visit(typ.Elem())
			return
		case typ.Kind() != reflect.Struct || typ == secretType || typ == timeType:
			return
		}
		seen[typ] = true
		for _, f := range fieldsOf(typ) {
			if !regexp.MustCompile("`[^`]*\\b" + regexp.QuoteMeta(f.name) + "\\b[^`]*`").MatchString(text) {
				t.Errorf("%s of %s is not on the page", f.name, typ)
			}
			visit(f.typ)
		}
	}
	visit(reflect.TypeFor[document]())
	visit(reflect.TypeFor[httpx.Remote]())
}

// Every metrics backend has a section with an example that loads, and with each of its keys.
func TestDocumentedSources(t *testing.T) {
	data, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(data), "\n## ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		sections[name] = text
	}
	for kind, build := range metric.Sources {
		if kind == "fake" {
			continue
		}
		text := sections[kind]
		blocks := yamlBlock.FindAllStringSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no section with an example in docs/sources.md", kind)
		}
		for _, b := range blocks {
			mustLoadSource(t, b[1])
		}
		var options reflect.Type
		_, _ = build(func(o any) error { options = plainType(reflect.TypeOf(o)); return os.ErrInvalid })
		for _, f := range fieldsOf(options) {
			shared := f.typ == secretType && (f.name == "token" || f.name == "password") || f.name == "username"
			if !regexp.MustCompile("\\b"+f.name+"\\b").MatchString(text) && !shared && !remoteKey(f.name) {
				t.Errorf("%s: %s is not in its section", kind, f.name)
			}
		}
	}
}

func remoteKey(name string) bool {
	return strings.Contains(" "+strings.Join(names(fieldsOf(reflect.TypeFor[httpx.Remote]())), " ")+" ", " "+name+" ")
}

// mustLoadSource loads an example as a reader pastes it: a bake, which may leave its metrics to the reader.
func mustLoadSource(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, "\n  metrics:") {
		text = strings.TrimRight(text, "\n") + "\n  metrics:\n    - name: up\n      boolean: up{app=\"$service\"}\n"
	}
	text = "version: 1\nservice: checkout\nenvironment: production\n" + text
	f := mustParse(t, text, exampleOptions())
	for _, w := range f.Warnings {
		t.Errorf("%s\n%s", w, text)
	}
	if err := againstSchema(t, []byte(text)); err != nil {
		t.Errorf("schema: %v\n%s", err, text)
	}
}

// exampleOptions has every variable that an example names.
func exampleOptions() Options {
	o := testOptions()
	o.Getenv = func(name string) (string, bool) { return "example-of-" + strings.ToLower(name), true }
	return o
}
