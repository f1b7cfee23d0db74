package format

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"
)

func scan(text string) (map[string]string, error) {
	objects, err := parse("f.env", text)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for k, n := range objects[0].Root.Fields {
		values[k] = n.Value
	}
	return values, nil
}

func TestDotenv(t *testing.T) {
	for text, want := range map[string]string{
		"A=1":                             "A=1",
		"A=1\r\nB=2\r\n":                  "A=1|B=2",
		"export A=1\nexport\tB=2":         "A=1|B=2",
		"export=1":                        "export=1",
		"# c\n\n  A = 1  # c\n":           "A=1",
		"A=a#b":                           "A=a#b",
		"A=#b":                            "A=",
		"A='a # b' # c":                   "A=a # b",
		`A='a\nb'`:                        `A=a\nb`,
		`A="a\nb\t\"c\" \\ \$d \x"`:       "A=a\nb\t\"c\" \\ $d \\x",
		"A=\"a\nb\"\nB=1":                 "A=a\nb|B=1",
		"A=`a \"b\" 'c'`":                 `A=a "b" 'c'`,
		"A=":                              "A=",
		"A=\"\"":                          "A=",
		"A=a=b==":                         "A=a=b==",
		"A=a \\\n  b":                     "A=a   b",
		"A: \"a,\\\n    b\"\nB: c \\\n d": "A=a,b|B=c d",
		"A: 'x'":                          "A=x",
		"A=$B-${C}":                       "A=$B-${C}",
		"A.b-c=1":                         "A.b-c=1",
		"INHERITED\nA=1":                  "A=1|INHERITED=",
		"A=x\\":                           `A=x\`,
		"":                                "",
	} {
		got, err := scan(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(got)) {
			pairs = append(pairs, k+"="+got[k])
		}
		if s := strings.Join(pairs, "|"); s != want {
			t.Errorf("%q: got %q, want %q", text, s, want)
		}
	}
}

// What godotenv writes is read as it was meant.
func TestDotenvReadsGodotenv(t *testing.T) {
	want := map[string]string{"A": "plain", "B": "two words", "C": "a\nb", "D": `q"uo'te`, "E": "", "F": "12", "G": "a#b", "H": `back\slash`, "I": "$x"}
	text, err := godotenv.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := scan(strings.ReplaceAll(text, `\!`, "!")); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func FuzzDotenv(f *testing.F) {
	for _, s := range []string{"A=1\nexport B='x'\n", "A: \"a\\\n b\"", "A=\"\\", "\ufeff# x\nA", "A=`", "A = \\\n\\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		values, err := scan(s)
		if err != nil && !strings.HasPrefix(err.Error(), "f.env:") {
			t.Fatalf("%v has no place", err)
		}
		for k := range values {
			if k == "" || !strings.Contains(s, k) {
				t.Fatalf("%q gave the key %q", s, k)
			}
		}
		if !strings.ContainsAny(s, "\x00") && err == nil && strings.TrimSpace(s) != "" && !strings.ContainsAny(s, "'\"`\\=#:") {
			for _, line := range strings.Fields(s) {
				if _, ok := values[strings.TrimPrefix(line, "\ufeff")]; !ok && line != "export" && line != "\ufeff" {
					t.Fatalf("%q lost %q", s, line)
				}
			}
		}
	})
}

// Large files take time in proportion to their size.
func BenchmarkDotenv(b *testing.B) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "KEY_%d=\"some value\" # note\n", i)
	}
	for b.Loop() {
		if _, err := Parse(File{Name: "a.env", Object: "a.env", Data: []byte(text.String())}, NewBudget(100_000, 10)); err != nil {
			b.Fatal(err)
		}
	}
}
