package diff_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff/source"
)

// A file that can't be read is told by its place, and by the name of a key at most; no value is told.
func TestErrorsShowNoSecret(t *testing.T) {
	const secret = "hunter-Two.77"
	for file, texts := range map[string][]string{
		"a.yaml": {"password: $S\n  x: 1", "password: '$S", "a: {password: $S", "- $S: [", "*$S", "a: *$S", "<<: $S", "a: &x $S\n\tb: 1",
			"password: !!int $S", "%YAML $S\n---\na: 1", "{{ .Values.password | $S }}", "? [$S]\n: 1", "a: \"\\x$S\""},
		"a.json":       {`{"password": "$S"`, `{"password": $S}`, `{"password": "$S" "x": 1}`, `["$S",]`, `{"password": "$S` + "\n" + `"}`, `$S`},
		".env":         {"DB_PASSWORD='$S", "$S", "$S x", "A=1\nA=$S", "A=\"$S\" x", "export $S"},
		"a.toml":       {"password = $S", "password = \"$S", "[$S", "a = 1\na = \"$S\"", "$S", "x = [\"$S\""},
		"a.tfvars":     {"password = \"$S", "password = $S", "password \"$S\"", "x = 1\nx = \"$S\"", "x = file(\"$S\")", "x = \"${$S}\""},
		"a.properties": {"password=\\u00$S", "a=1\na=$S"},
		"a.ini":        {"[$S", "[db]\n$S", "[db]\na=1\na=$S"},
	} {
		for i, text := range texts {
			root := t.TempDir()
			put(t, filepath.Join(root, file), strings.ReplaceAll(text, "$S", secret))
			s, err := source.Sources["path"](func(o any) error { return o.(*source.PathOptions).UnmarshalText([]byte(file)) })
			if err != nil {
				t.Fatal(err)
			}
			s.(source.Wants).Use(source.Env{Dir: root})
			tree, err := s.Snapshot(context.Background())
			if err == nil {
				continue // some formats take more than others
			}
			for _, shown := range []string{err.Error(), fmt.Sprintf("%+v %q", err, err), strings.Join(tree.Skipped, " ")} {
				for _, part := range []string{secret, secret[:7], secret[7:]} {
					if strings.Contains(shown, part) {
						t.Errorf("%s %d: %q shows %q", file, i, shown, part)
					}
				}
			}
		}
	}
}
