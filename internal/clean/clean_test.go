package clean_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"a\n::error::b":                "a ::error::b",
		"\x1b[31mred\x1b[0m":           "[31mred[0m",
		"evil\u202etxt.exe":            "eviltxt.exe",
		"zero\u200bwidth":              "zerowidth",
		"\r\nlead  and\ttabs \n":       "lead and tabs",
		"bad \xff utf":                 "bad \ufffd utf",
		"bell\a nul\x00":               "bell nul",
		"\x1b]8;;http://x\x07l\x1b]8;": "]8;;http://xl]8;",
	} {
		if got := clean.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean.Cut(strings.Repeat("é", 100), 11); got != "éééé…" {
		t.Errorf("Cut = %q", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\x1b[0m\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean.Text(s)
		if clean.Text(got) != got {
			t.Fatalf("not idempotent: %q -> %q -> %q", s, got, clean.Text(got))
		}
		if !utf8.ValidString(got) || len(got) > clean.MaxText || strings.ContainsAny(got, "\n\r\x1b\x00") {
			t.Fatalf("unsafe: %q", got)
		}
	})
}
