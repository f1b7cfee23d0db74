package cloud_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

func TestNonef(t *testing.T) {
	err := cloud.Nonef("no %s", "AWS_X")
	if !errors.Is(err, cloud.ErrNone) || err.Error() != "no AWS_X" {
		t.Errorf("got %v", err)
	}
	if errors.Is(errors.New("no AWS_X"), cloud.ErrNone) {
		t.Error("any error is ErrNone")
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*cloud.Error{
		"ecr X: HTTP 400 AccessDenied: not you": {Service: "ecr X", Code: "AccessDenied", Message: "not you", Status: 400},
		"ecr X: HTTP 500":                       {Service: "ecr X", Status: 500},
		"ecr X: HTTP 403: no":                   {Service: "ecr X", Status: 403, Message: "no"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{
		"gcr.io": "gcr.io", "GCR.IO": "gcr.io", "gcr.io:443": "gcr.io", "a-b.c1": "a-b.c1", "localhost": "localhost",
		"": "", "gcr.io:5000": "", "gcr.io.": "", ".gcr.io": "", "a..b": "", "-a.b": "", "a-.b": "", "a_b.c": "", "a b.c": "", "u@gcr.io": "",
		"gcr.io/x": "", "gcr.io#x": "", "gcr.io\n": "", "gcr.io\x00": "", "ɡcr.io": "", "p\u212Ag.dev": "", "[::1]": "", "gcr.io:443:443": "",
		strings.Repeat("a", 64) + ".io": "", strings.Repeat("a.", 130) + "io": "",
	} {
		if got, ok := cloud.Host(in); got != want || ok != (want != "") {
			t.Errorf("Host(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func FuzzHost(f *testing.F) {
	f.Add("123456789012.dkr.ecr.eu-west-1.amazonaws.com:443")
	f.Fuzz(func(t *testing.T, in string) {
		h, ok := cloud.Host(in)
		if !ok {
			return
		}
		if again, ok := cloud.Host(h); !ok || again != h {
			t.Fatalf("%q -> %q -> %q, %v", in, h, again, ok)
		}
		if strings.ContainsAny(h, "/@:?#\\ \t\r\n\x00%") || strings.HasSuffix(h, ".") {
			t.Fatalf("%q -> %q", in, h)
		}
	})
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, path, want string }{
		{"good", write("good", "text"), ""},
		{"as large as may be", write("limit", strings.Repeat("x", cloud.MaxFile)), ""},
		{"too large", write("large", strings.Repeat("x", cloud.MaxFile+1)), "it is larger than 1 MiB"},
		{"missing", filepath.Join(dir, "missing"), "no such file or directory"},
		{"a folder", dir, "it is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cloud.ReadFile("SETTING", tt.path)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `SETTING "`)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.name == "missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v is not fs.ErrNotExist", err)
			}
		})
	}
}

func TestReadToken(t *testing.T) {
	for text, want := range map[string]string{
		"abc.def\n": "", "": "it is empty", " \n": "it is empty", "abc\ndef": "is no token", "abc\x00": "is no token", "abcé": "is no token",
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := cloud.ReadToken("SETTING", path)
		switch {
		case want == "" && (err != nil || token.Reveal() != strings.TrimSpace(text)):
			t.Errorf("%q: got %q, %v", text, token.Reveal(), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "abc")):
			t.Errorf("%q: got %v, want %q without the text", text, err, want)
		}
	}
}

func TestRedact(t *testing.T) {
	secret := httpx.NewSecret(`pass/word+"1`)
	for in, want := range map[string]string{
		`it is pass/word+"1`:              "it is [secret]",
		`in a form pass%2Fword%2B%221`:    "in a form [secret]",
		`in JSON "pass/word+\"1"`:         `in JSON "[secret]"`,
		"split pass/\u200bword+\"1":       "split [secret]",
		"\x1b[31mred\nline":               "[31mred line",
		"short " + strings.Repeat("x", 9): "short xxxxxxxxx",
	} {
		if got := cloud.Redact(in, secret, httpx.NewSecret("xx"), httpx.Secret{}); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
