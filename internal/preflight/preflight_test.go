package preflight_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/preflight"
	"github.com/bakegate/bakegate/internal/verdict"
)

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func TestRun(t *testing.T) {
	fresh := &preflight.Other{DeployID: "d1", At: now.Add(-time.Minute)}
	stale := &preflight.Other{DeployID: "d1", At: now.Add(-3 * time.Hour)}
	bad := &preflight.Other{DeployID: "d0", Reason: "rollback/errors", At: now.Add(-24 * time.Hour)}
	for name, tt := range map[string]struct {
		past preflight.Past
		want string
	}{
		"no ledger":          {preflight.Past{Running: fresh, Failed: bad}, ""},
		"nothing":            {preflight.Past{Configured: true}, ""},
		"another is running": {preflight.Past{Configured: true, Running: fresh}, "preflight/ledger"},
		"one never ended":    {preflight.Past{Configured: true, Running: stale}, ""},
		"known bad":          {preflight.Past{Configured: true, Failed: bad}, "preflight/known-bad"},
		"running, known bad": {preflight.Past{Configured: true, Running: fresh, Failed: bad}, "preflight/ledger preflight/known-bad"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range preflight.Run(tt.past, now) {
				got = append(got, f.Check)
				if f.Outcome != verdict.Note {
					t.Errorf("%s is %s: the past informs, it does not decide", f.Check, f.Outcome)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}

func TestCriteria(t *testing.T) {
	if fs := preflight.Criteria("sha256:a", "sha256:a"); fs != nil {
		t.Errorf("the same: %v", fs)
	}
	if fs := preflight.Criteria("sha256:a", "sha256:b"); len(fs) != 1 || fs[0].Outcome != verdict.Note {
		t.Errorf("changed: %v", fs)
	}
}
