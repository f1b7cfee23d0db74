package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/httpx"
)

// day is when the tests are.
var day = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func TestRecord(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"d/a.yaml": "replicas: 1\nx: y"})
	tree, err := newPath(t, root, "d").Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := diff.EncodeState(tree, httpx.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	asked := "nothing"
	env := Env{State: func(_ context.Context, environment string) ([]byte, string, error) {
		asked = environment
		switch environment {
		case "first":
			return nil, "", fmt.Errorf("no good deploy in first: %w", ErrNoState)
		case "damaged":
			return []byte("x"), "the deploy of 2026-11-20", nil
		}
		return state, "the deploy of 2026-11-20 (v2.3.0)", nil
	}}
	for environment, want := range map[string]string{"last-good": "", "staging": "staging"} {
		got, err := snapshotOf(t, "record", RecordOptions{environment}, env)
		if err != nil || asked != want || got.Name != "record of the deploy of 2026-11-20 (v2.3.0)" || got.Objects[0].File != "d/a.yaml" {
			t.Errorf("%s: got %+v (%v), asked for %q", environment, got, err, asked)
		}
		if r := (diff.Options{Today: day}).Compare(got, tree); len(r.Changes) > 0 {
			t.Errorf("%s: got %v, want no difference", environment, r.Changes)
		}
	}
	if _, err := snapshotOf(t, "record", RecordOptions{"first"}, env); !errors.Is(err, ErrNoState) {
		t.Errorf("got %v, want that there is no state", err)
	}
	for environment, want := range map[string]string{"damaged": "record of damaged: the deploy of 2026-11-20: the recorded state is damaged", "first": "record of first: no good deploy in first"} {
		if _, err := snapshotOf(t, "record", RecordOptions{environment}, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := snapshotOf(t, "record", RecordOptions{"last-good"}, Env{}); err == nil || !strings.Contains(err.Error(), "there is no ledger") {
		t.Errorf("got %v, want that there is no ledger", err)
	}
	if _, err := build("record", RecordOptions{" "}); err == nil {
		t.Error("no environment: got no error")
	}
}
