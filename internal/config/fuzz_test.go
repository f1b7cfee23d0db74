package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse wants no panic, every problem with a place and one line, no value of the environment in any, and the same answer twice.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob(corpus + "/*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "bake.window", "5m")
	}
	f.Add([]byte(layered), "bake.metrics[0].limit.max", "1%")
	f.Fuzz(func(t *testing.T, data []byte, path, value string) {
		if strings.Contains(string(data)+path+value, "Zq") {
			t.Skip("the marker of the environment's values is in the input")
		}
		for _, set := range [][]Override{nil, {{Path: path, Value: value, Flag: "--flag"}}} {
			opt := testOptions()
			opt.Set = set
			file, err := Parse("bakegate.yaml", data, opt)
			if (file == nil) != (err != nil) {
				t.Fatalf("file %v, error %v", file, err)
			}
			again, err2 := Parse("bakegate.yaml", data, opt)
			if err == nil {
				if err2 != nil || again.Digest() != file.Digest() {
					t.Fatalf("another answer the second time: %v", err2)
				}
				continue
			}
			if err2 == nil || err.Error() != err2.Error() {
				t.Fatalf("another answer the second time:\n%v\n%v", err, err2)
			}
			checkError(t, err)
		}
	})
}

func checkError(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		t.Fatalf("got %T", err)
	}
	for _, p := range e.Problems {
		if strings.ContainsAny(p.String(), "\n\r\x1b") || p.Message == "" {
			t.Errorf("not one clean line: %q", p)
		}
		if p.File == "bakegate.yaml" && (p.Line < 1 || p.Col < 1) {
			t.Errorf("no place: %q", p)
		}
		noValues(t, p.String())
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"15m", "1h30m", "28d", "2w1d", "-1s", "1.5h", "0", "999w9999d2562047h", "1e3s", "µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseDuration(s)
		if err == nil && d < 0 {
			t.Errorf("%q is %v", s, d)
		}
		if err != nil && durationRejection(s, err, true) == nil {
			t.Errorf("%q is taken", s)
		}
	})
}
