package source

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestStdin(t *testing.T) {
	for _, c := range []struct {
		o          StdinOptions
		text, want string
	}{
		{StdinOptions{}, "a: 1", "/stdin@stdin"},
		{StdinOptions{Format: "auto"}, "A=1\n", "dotenv/stdin@stdin"},
		{StdinOptions{Format: "dotenv", Name: "production.env"}, "A=1\n", "dotenv/production.env@stdin"},
		{StdinOptions{Format: "yaml"}, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\na: 1\n", "ConfigMap/c@stdin /stdin.yaml@stdin"},
		{StdinOptions{Format: "json"}, `{"a": 1}`, "/stdin.json@stdin"},
		{StdinOptions{Format: "toml"}, "a = 1\n", "/stdin.toml@stdin"},
	} {
		tree, err := snapshotOf(t, "stdin", c.o, Env{Stdin: strings.NewReader(c.text)})
		if err != nil || names(tree) != c.want || tree.Name != "standard input" {
			t.Errorf("%+v: got %s (%v), want %s", c.o, names(tree), err, c.want)
		}
	}
	for text, want := range map[string]string{"": "stdin: got nothing", " \n": "stdin: got nothing", "# x\n": "got none: 1 skipped", "a: [": "stdin:1:", "a: 1\n" + strings.Repeat("b", 100): "stdin: it has more than 50 bytes"} {
		src, err := build("stdin", StdinOptions{Format: "yaml"})
		if err != nil {
			t.Fatal(err)
		}
		s := src.(*stdinSource)
		s.limits.total = 50
		s.Use(Env{Stdin: strings.NewReader(text)})
		if _, err := s.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := snapshotOf(t, "stdin", StdinOptions{}, Env{}); err == nil {
		t.Error("without a pipe: got no error")
	}
	if _, err := build("stdin", StdinOptions{Format: "xml"}); err == nil || !strings.Contains(err.Error(), "want the format: auto, dotenv") {
		t.Errorf("got %v, want the formats", err)
	}
	a, b := &Spec{Kind: "stdin"}, &Spec{Kind: "path"}
	if Together(a, a) == nil || Together(a, b) != nil || Together(b, b) != nil || Together(nil, a) != nil {
		t.Error("standard input can be read once, and beside anything else")
	}
}

// A pipe that nobody closes does not outlive the run.
func TestStdinEnds(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	s, err := build("stdin", StdinOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.(Wants).Use(Env{Stdin: r})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := s.Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
}
