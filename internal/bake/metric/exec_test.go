package metric

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// execHere is a source whose command is a script with that text.
func execHere(t *testing.T, script string, args ...Template) *execSource {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "probe"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := newExec(ExecOptions{Command: append([]Template{"./probe"}, args...), Env: map[string]string{"REGION": "eu"}, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string {
		return map[string]string{"PATH": "/usr/bin:/bin", "SECRET_TOKEN": "hunter2"}[name]
	}
	if err := s.Use(Env{Dir: dir, Getenv: getenv, AllowCommands: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func execQuery(text, service string) Query {
	return Query{ID: "q", Kind: Gauge, Text: text, Vars: map[string]string{"service": service}}
}

func TestExecPrints(t *testing.T) {
	for script, want := range map[string]string{
		"echo 12":                             "12",
		"echo ' 1.5e3 '":                      "1500",
		"echo null":                           "none",
		`echo '{"value": 3}'`:                 "3",
		`echo '{"value":null}'`:               "none",
		`echo '{}'`:                           "none",
		`echo NaN`:                            "NaN",
		"true":                                "bad-query: it printed nothing",
		"echo many":                           `bad-query: it printed "many", want a number`,
		`echo '{"valu": 3}'`:                  "bad-query: it printed",
		`echo '{"value": 3} 4'`:               "bad-query: something behind",
		`echo '{"value":1,"points":[]}'`:      "bad-query: value and points",
		`echo '{"points":[[1,2,3]]}'`:         "bad-query: is not [time, value]",
		"echo 'no route to host' >&2; exit 3": "backend-down: no route to host",
		"kill -9 $$":                          "backend-down: killed",
		"head -c 2000000 /dev/zero":           "truncated: printed more than",
		`[ -z "$SECRET_TOKEN" ] && [ $REGION = eu ] && [ "$HOME" != "$OLDHOME" ] && env | grep -vcE '^(HOME|TMPDIR|PATH|REGION|PWD|OLDPWD|SHLVL|_)='; true`: "0",
	} {
		s := execHere(t, script)
		got, err := s.Range(t.Context(), []Query{execQuery(".", "x")}, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), time.Second)
		class, text, failed := strings.Cut(want, ": ")
		switch {
		case failed:
			if q := troubleOf(t, err); string(q.Trouble) != class || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: got %v, want %s", script, err, want)
			}
		case want == "none":
			if err != nil || len(got) != 0 {
				t.Errorf("%s: got %v, %v, want no data", script, got, err)
			}
		case err != nil || len(got) != 1 || fmt.Sprint(got[0].Points[0].V) != want:
			t.Errorf("%s: got %v, %v, want %s", script, got, err, want)
		}
	}
}

// A value stays one argument, and becomes no option. No shell sees it.
func TestExecInjection(t *testing.T) {
	for _, value := range append([]string{"a; touch owned", "$(touch owned)", "`touch owned`", "a b", "*", "a\nb"}, hostileValues...) {
		s := execHere(t, `[ $# = 2 ] && [ "$1" = "--of=$WANT" ] && [ "$2" = "x$WANT" ] && echo 1`, "--of=$service")
		s.options.Env["WANT"] = value
		q := execQuery("x$service", value)
		got, err := s.Range(t.Context(), []Query{q}, time.Now(), time.Now().Add(time.Minute), time.Second)
		if strings.ContainsRune(value, 0) {
			continue
		}
		if err != nil || len(got) != 1 {
			t.Errorf("%q: got %v, %v", value, got, err)
		}
	}
	s := execHere(t, "echo 1")
	_, err := s.Range(t.Context(), []Query{execQuery("$service", "-rf")}, time.Now(), time.Now().Add(time.Minute), time.Second)
	if q := troubleOf(t, err); q.Trouble != BadQuery || !strings.Contains(err.Error(), "becomes an option") {
		t.Errorf("got %v", err)
	}
}

func TestExecHistory(t *testing.T) {
	s := execHere(t, `[ "$1 $2 $3" = "--from=1970-01-01T00:16:40Z --to=1970-01-01T00:17:40Z errors" ] && echo '{"points":[[1010,3],[1000,1],[1020,null],["1970-01-01T00:17:10Z",4],[1060,9]]}'`, "--from=$from", "--to=$to")
	if !s.Traits().History {
		t.Error("no history")
	}
	got, err := s.Range(t.Context(), []Query{execQuery("errors", "x")}, time.Unix(1000, 0), time.Unix(1060, 0), time.Second)
	if err != nil || len(got) != 1 || fmt.Sprint(got[0].Points[0].V, got[0].Points[1].V, len(got[0].Points)) != "1 3 3" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestExecEnds(t *testing.T) {
	s := execHere(t, "exec sleep 60")
	s.options.Timeout = 100 * time.Millisecond
	begun := time.Now()
	_, err := s.Range(t.Context(), []Query{execQuery(".", "x")}, time.Now(), time.Now().Add(time.Minute), time.Second)
	if q := troubleOf(t, err); q.Trouble != BackendDown || !strings.Contains(err.Error(), "did not end within 100ms") || time.Since(begun) > 30*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	s.options.Timeout = time.Minute
	if _, err := s.Range(ctx, []Query{execQuery(".", "y")}, time.Now(), time.Now().Add(time.Minute), time.Second); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Nobody but the person who starts bakegate allows a command.
func TestExecPermit(t *testing.T) {
	s := execHere(t, "echo 1; touch ran")
	if err := s.Use(Env{Dir: s.env.Dir, Getenv: s.env.Getenv}); err == nil || !strings.Contains(err.Error(), "--allow-commands") {
		t.Errorf("got %v", err)
	}
	_, err := s.Range(t.Context(), []Query{execQuery(".", "x")}, time.Now(), time.Now().Add(time.Minute), time.Second)
	if q := troubleOf(t, err); q.Trouble != BadQuery || !strings.Contains(err.Error(), "--allow-commands") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.env.Dir, "ran")); err == nil {
		t.Error("it ran")
	}
}

func TestExecOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    ExecOptions
		want string
	}{
		"minimal":       {ExecOptions{Command: []Template{"probe"}}, ""},
		"empty":         {ExecOptions{}, "command is empty"},
		"variable":      {ExecOptions{Command: []Template{"./$service"}}, "in the program's name"},
		"unknown":       {ExecOptions{Command: []Template{"probe", "$servic"}}, "unknown variable"},
		"half a window": {ExecOptions{Command: []Template{"probe", "--from=$from"}}, "want both or none"},
		"too long":      {ExecOptions{Command: []Template{"probe"}, Timeout: time.Hour}, "at most 1m0s"},
		"bad name":      {ExecOptions{Command: []Template{"probe"}, Env: map[string]string{"A=B": "c"}}, "no name of a variable"},
	} {
		if c.o.Timeout == 0 {
			c.o.Timeout = time.Second
		}
		_, err := newExec(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
