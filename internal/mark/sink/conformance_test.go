package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// Every sink is held to this suite; the file, which has no tool behind it, has tests of its own.
func TestConformanceIsComplete(t *testing.T) {
	for name := range Sinks {
		if _, ok := conformance[name]; !ok && name != "file" {
			t.Errorf("%s is not among the sinks that the conformance tests look at", name)
		}
	}
}

func good(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func shown(t *testing.T, f tool, want int) string {
	t.Helper()
	all := f.Marks()
	if len(all) != want {
		t.Fatalf("%d markers, want %d: %q", len(all), want, all)
	}
	return strings.Join(all, "\n")
}

func TestConformanceOpenAndSeal(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, f := s.make(t)
		m := marker()
		id, err := k.Open(ctx, m)
		good(t, "open", err)
		shown(t, f, s.opened)
		good(t, "seal", k.Seal(ctx, id, sealed(m, "rollback")))
		all := shown(t, f, s.sealed)
		if want := cmp.Or(s.verdict, "rollback"); !strings.Contains(all, want) {
			t.Errorf("%s is not shown: %s", want, all)
		}
		if !s.anonymous && !strings.Contains(all, m.DeployID) {
			t.Errorf("the deploy id is not shown: %s", all)
		}
	})
}

// Told again, by a rerun that knows nothing, a tool that can find its marker, or knows a message by its id, makes no second one.
func TestConformanceAgain(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, f := s.make(t)
		if !k.Traits().Find && !s.keyed {
			t.Skip("its tool can't find a marker: the journal and the ledger keep it to one")
		}
		for range 2 {
			_, err := k.Open(ctx, marker())
			good(t, "open", err)
		}
		shown(t, f, s.opened)
		for range 2 {
			good(t, "seal", k.Seal(ctx, "", sealed(marker(), "rollback")))
		}
		shown(t, f, s.sealed)
	})
}

// Seal makes what Open could not.
func TestConformanceSealAlone(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, f := s.make(t)
		good(t, "seal", k.Seal(ctx, "", sealed(marker(), "pass")))
		if n := len(f.Marks()); n == 0 {
			t.Error("there is no marker")
		}
	})
}

// A refusal is certain, says why and what to do, and no secret.
func TestConformanceRefused(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			each(t, func(t *testing.T, ctx context.Context, s subject) {
				k, f := s.make(t)
				f.Fail(fake.Fault{Status: status, Times: 100, Body: `{"message":"no ` + secretToken + `"}`})
				err := s.tell(ctx, k)
				var h *Hinted
				switch {
				case err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) || Uncertain(err):
					t.Errorf("got %v, want a certain HTTP %d", err, status)
				case strings.Contains(err.Error(), secretToken):
					t.Errorf("the secret is in %v", err)
				case status != 404 && (!errors.As(err, &h) || h.Hint == ""):
					t.Errorf("%v says not what to do", err)
				}
				shown(t, f, 0)
			})
		})
	}
}

// Too many requests: the tool's own wait is kept, and there is one marker; a wait beyond all patience is a refusal.
func TestConformanceTooMany(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, f := s.make(t)
		f.Fail(fake.Fault{Status: 429, Header: http.Header{"Retry-After": {"2"}}})
		began := time.Now()
		good(t, "after 429", s.tell(ctx, k))
		shown(t, f, s.first())
		if d := time.Since(began); d < 2*time.Second {
			t.Errorf("came back after %s", d)
		}
		k, f = s.make(t)
		f.Fail(fake.Fault{Status: 429, Times: 100, Header: http.Header{"Retry-After": {"3600"}}})
		if err := s.tell(ctx, k); err == nil || Uncertain(err) || !strings.Contains(err.Error(), "429") {
			t.Errorf("got %v, want a certain 429", err)
		}
		shown(t, f, 0)
	})
}

// faults are the ways in which a tool fails once, with nobody knowing whether it took the message.
var faults = map[string]fake.Fault{
	"500":                 {Status: 500},
	"500 behind it":       {Status: 500, After: true},
	"503 behind it":       {Status: 503, After: true},
	"a hang":              {Hang: true},
	"a hang behind it":    {Hang: true, After: true},
	"a page":              {Status: 200, Body: "<!doctype html><title>Sign in</title>", Header: http.Header{"Content-Type": {"text/html"}}},
	"a page behind it":    {Status: 200, Body: "<!doctype html><title>Sign in</title>", Header: http.Header{"Content-Type": {"text/html"}}, After: true},
	"a flood":             {Status: 200, Body: strings.Repeat("x", 9<<20)},
	"a redirect far away": {Status: 307, Header: http.Header{"Location": {"https://evil.example/"}}},
}

// Whatever happens once, to the first request or to the one that makes the marker: never two markers, and either there is one or the error
// says that nobody knows.
func TestConformanceNeverTwo(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, ctx context.Context, s subject) {
				for _, fault.Method = range []string{"", s.method} {
					k, f := s.make(t)
					f.Fail(fault)
					began := time.Now()
					within, stop := context.WithTimeout(ctx, 20*time.Second)
					err := s.tell(within, k)
					stop()
					n := len(f.Marks())
					switch {
					case n > s.first():
						t.Errorf("%d markers, want %d: %q", n, s.first(), f.Marks())
					case err == nil && n != s.first():
						t.Errorf("no error, and %d markers, want %d", n, s.first())
					case n > 0 && err != nil && !Uncertain(err):
						t.Errorf("there is a marker, but %v is certain that there is none", err)
					case err != nil && strings.Contains(err.Error(), secretToken):
						t.Errorf("the secret is in %v", err)
					case time.Since(began) > time.Minute:
						t.Errorf("took %s", time.Since(began))
					}
				}
			})
		})
	}
}

// The same of the end: whatever happens to it once, no marker is doubled.
func TestConformanceSealNeverTwo(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, ctx context.Context, s subject) {
				for _, fault.Method = range []string{"", s.method, "PUT", "PATCH"} {
					fault.Path = ""
					if fault.Method != "" {
						fault.Path = s.sealing
					}
					k, f := s.make(t)
					id, err := k.Open(ctx, marker())
					good(t, "open", err)
					f.Fail(fault)
					within, stop := context.WithTimeout(ctx, 20*time.Second)
					err = k.Seal(within, id, sealed(marker(), "rollback"))
					stop()
					n := len(f.Marks())
					switch {
					case n > s.sealed:
						t.Errorf("%d markers, want %d: %q", n, s.sealed, f.Marks())
					case err == nil && n != s.sealed:
						t.Errorf("no error, and %d markers, want %d", n, s.sealed)
					case err != nil && strings.Contains(err.Error(), secretToken):
						t.Errorf("the secret is in %v", err)
					}
				}
			})
		})
	}
}

// A page or a flood that does not end is an error, not a success.
func TestConformanceNoAPI(t *testing.T) {
	for _, name := range []string{"a page", "a flood", "a redirect far away"} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, ctx context.Context, s subject) {
				k, f := s.make(t)
				fault := faults[name]
				fault.Times = 100
				f.Fail(fault)
				if err := s.tell(ctx, k); err == nil {
					t.Error("no error")
				}
				shown(t, f, 0)
			})
		})
	}
}

const evil = "</b><script>alert(1)</script><img src=x> <!channel> <@U123|x> @here *b* [x](javascript:alert(1)) `c` {{DATE(2020-01-01)}} %%% \"},{\" \n::error::x\r\x1b[31m\u202e"

// Hostile texts stay texts, and fit.
func TestConformanceHostile(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, f := s.make(t)
		m := sealed(marker(), "hold")
		m.Service, m.Version, m.Environment, m.Actor = "shop "+evil, "v1 "+evil, "prod "+evil, evil
		m.Image, m.Digest, m.Repository = evil, evil, "acme/"+evil
		m.RunURL, m.Reason, m.Summary = "javascript:alert(1)//"+evil, "hold/"+evil, strings.Repeat(evil+"é", 500)
		m.Commit = strings.Repeat("c", 5000)
		var w *Warning
		for _, err := range []error{second(k.Open(ctx, m)), k.Seal(ctx, "", m)} {
			if err != nil && !errors.As(err, &w) && (!s.picky || Uncertain(err)) {
				t.Errorf("%v", err)
			}
		}
		if n := len(f.Marks()); n == 0 && !s.picky || n > s.sealed {
			t.Errorf("%d markers", n)
		}
		for _, mark := range f.Marks() {
			for _, bad := range append(s.forbidden, "\n::error", "\x1b", "\u202e") {
				if strings.Contains(mark, bad) {
					t.Errorf("%q is in %q", bad, mark)
				}
			}
			if !utf8.ValidString(mark) || len(mark) > 40_000 {
				t.Errorf("%d bytes: %.300q", len(mark), mark)
			}
		}
	})
}

// A marker of which next to nothing is known is told all the same, or refused for what is missing.
func TestConformanceBare(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s subject) {
		k, _ := s.make(t)
		for _, err := range []error{second(k.Open(ctx, Marker{DeployID: "x"})), k.Seal(ctx, "", Marker{DeployID: "x", Verdict: "pass"})} {
			if w := (*Warning)(nil); err != nil && !errors.As(err, &w) && Uncertain(err) {
				t.Errorf("%v", err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
