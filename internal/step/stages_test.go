package step

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Each stage notes when it ran, behind what it found, and what kept it from its work.
func TestStagesAreJournalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, Run)
		take := func(d time.Duration) { time.Sleep(d) }
		s.Stages.Preflight = func(context.Context) ([]verdict.Finding, error) { take(time.Second); return nil, nil }
		s.Stages.Warm = func(context.Context) { take(time.Minute) }
		s.Stages.Deploy = func(context.Context) error { take(time.Hour); return nil }
		s.Stages.Confirm = func(context.Context, []record.Image, bool) []verdict.Finding { return []verdict.Finding{good} }
		s.Stages.Bake = func(context.Context, release.Deploy) Baked {
			take(15 * time.Minute)
			return Baked{Findings: []verdict.Finding{calm}}
		}
		Do(t.Context(), s.Plan)
		want := "preflight 1s; verify/digest verify 0s; warm 1m0s; mark 0s; deploy 1h0m0s; verify/digest verify 0s; bake/errors bake 15m0s; verify/digest verify 0s"
		if got := journalled(t, s.dir); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	s := newScene(t, Run)
	s.Stages.Deploy = func(context.Context) error { return errors.New("exit status 3") }
	Do(t.Context(), s.Plan)
	if got := journalled(t, s.dir); !strings.HasSuffix(got, "(exit status 3)") {
		t.Errorf("%s", got)
	}
}

// journalled are the findings and stages of a journal, in their order.
func journalled(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for e, err := range record.EntriesIn(dir) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case record.TypeFinding:
			var f verdict.Finding
			err = json.Unmarshal(e.Data, &f)
			b.WriteString(f.Check + " ")
		case record.TypeStage:
			var s record.Stage
			err = json.Unmarshal(e.Data, &s)
			b.WriteString(s.Name + " " + s.Ended.Sub(s.Started).Truncate(time.Second).String())
			if s.Error != "" {
				b.WriteString(" (" + s.Error + ")")
			}
			b.WriteString("; ")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}
