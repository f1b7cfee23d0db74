package step

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

var (
	good  = verdict.Finding{Check: "verify/digest", Outcome: verdict.Pass, Summary: "it is the built image"}
	wrong = verdict.Finding{Check: "verify/digest", Outcome: verdict.Fail, Reason: "digest", Summary: "other bytes"}
	calm  = verdict.Finding{Check: "bake/errors", Outcome: verdict.Pass, Summary: "as before"}
	worse = verdict.Finding{Check: "bake/errors", Outcome: verdict.Fail, Summary: "5% vs 0.1%"}
)

// scene is a plan whose stages write down that they were called.
type scene struct {
	Plan
	calls []string
	store *memory
	dir   string
}

func newScene(t *testing.T, mode Mode) *scene {
	t.Helper()
	dir := t.TempDir()
	j, err := record.Create(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	s := &scene{store: &memory{}, dir: dir}
	s.Plan = Plan{Mode: mode, Journal: j, Ledger: s.store, Record: record.Plan{DeployID: "d1"}}
	s.Stages = Stages{
		Verify: func(_ context.Context, deployed bool) ([]verdict.Finding, []record.Image, error) {
			s.call("verify")
			return []verdict.Finding{good}, []record.Image{{Ref: "a:1", Digest: "sha256:aa"}}, nil
		},
		Open: func(context.Context, Marker) []verdict.Finding { s.call("open"); return nil },
		Bake: func(context.Context, release.Deploy) Baked {
			s.call("bake")
			return Baked{Findings: []verdict.Finding{calm}, Serving: time.Unix(1e9, 0)}
		},
		Seal: func(_ context.Context, m Marker) []verdict.Finding {
			s.call("seal " + string(m.Verdict.Name))
			return nil
		},
	}
	if mode == Run {
		s.Stages.Deploy = func(context.Context) error { s.call("deploy"); return nil }
	}
	return s
}

func (s *scene) call(name string) { s.calls = append(s.calls, name) }

func (s *scene) verify(fs []verdict.Finding, err error) {
	s.Stages.Verify = func(context.Context, bool) ([]verdict.Finding, []record.Image, error) {
		s.call("verify")
		return fs, nil, err
	}
}

type memory struct {
	records []record.Record
	fail    error
}

func (m *memory) Put(_ context.Context, r record.Record) error {
	if m.fail != nil {
		return m.fail
	}
	m.records = append(m.records, r)
	return nil
}
func (m *memory) List(context.Context, string, string) ([]record.Record, error) {
	return m.records, nil
}
func (m *memory) PutState(context.Context, []byte) (string, error) { return "", errors.ErrUnsupported }
func (m *memory) State(context.Context, string) ([]byte, error)    { return nil, errors.ErrUnsupported }
func (m *memory) String() string                                   { return "memory" }

func (m *memory) kinds() string {
	var ks []string
	for _, r := range m.records {
		ks = append(ks, strings.TrimSpace(r.Kind+" "+string(r.Verdict)))
	}
	return strings.Join(ks, ", ")
}

func TestDo(t *testing.T) {
	tests := []struct {
		name    string
		mode    Mode
		setup   func(*scene)
		reason  string
		exit    int
		calls   string
		records string
	}{
		{"all is well", Run, nil, "pass", 0, "verify open deploy bake seal pass", "started, finished pass"},
		{"blocked leaves no marker", Run, func(s *scene) { s.verify([]verdict.Finding{wrong}, nil) }, "blocked/digest", 13,
			"verify", "finished blocked"},
		{"a registry that is down stops the deploy", Run, func(s *scene) { s.verify(nil, errors.New("503")) }, "error/verify", 1,
			"verify", "finished error"},
		{"the wrong thing is live already: marked, not baked", Run, func(s *scene) {
			s.Deployed, s.Stages.Deploy = true, nil
			s.verify([]verdict.Finding{wrong}, nil)
		}, "rollback/digest", 10, "verify open seal rollback", "started, finished rollback"},
		{"a registry that is down behind the deploy: watched all the same", Run, func(s *scene) {
			s.Deployed, s.Stages.Deploy = true, nil
			s.verify(nil, errors.New("503"))
		}, "error/verify", 1, "verify open bake seal error", "started, finished error"},
		{"and what is proved bad counts", Run, func(s *scene) {
			s.Deployed, s.Stages.Deploy = true, nil
			s.verify(nil, errors.New("503"))
			s.Stages.Bake = func(context.Context, release.Deploy) Baked { return Baked{Findings: []verdict.Finding{worse}} }
		}, "rollback/errors", 10, "verify open seal rollback", "started, finished rollback"},
		{"irreversible holds", Run, func(s *scene) {
			s.Policy.Irreversible = true
			s.Stages.Bake = func(context.Context, release.Deploy) Baked { return Baked{Findings: []verdict.Finding{worse}} }
		}, "hold/irreversible", 11, "verify open deploy seal hold", "started, finished hold"},
		{"the deploy command fails: no bake", Run, func(s *scene) {
			s.Stages.Deploy = func(context.Context) error { return errors.New("exit status 3") }
		}, "deploy-failed/command", 16, "verify open seal deploy-failed", "started, finished deploy-failed"},
		{"taken over", Run, func(s *scene) {
			s.Stages.Bake = func(context.Context, release.Deploy) Baked { return Baked{Superseded: "d2"} }
		}, "superseded/newer-deploy", 14, "verify open deploy seal superseded", "started, finished superseded"},
		{"on: lets a forbidden thing through before the deploy", Run, func(s *scene) {
			s.Policy.On = map[string]int{"blocked/digest": 0}
			s.verify([]verdict.Finding{wrong}, nil)
		}, "pass", 0, "verify open deploy bake seal pass", "started, finished pass"},
		{"a ledger that cannot be written stops the deploy", Run, func(s *scene) { s.store.fail = errors.New("read-only") },
			"error/record", 1, "verify", ""},
		{"begin lets the deploy go on", Begin, nil, "pending/deploy", 0, "verify open", "started"},
		{"begin blocks", Begin, func(s *scene) { s.verify([]verdict.Finding{wrong}, nil) }, "blocked/digest", 13, "verify", "finished blocked"},
		{"finish", Finish, finishing, "pass", 0, "bake seal pass", "finished pass"},
		{"finish --once", Finish, func(s *scene) {
			finishing(s)
			s.Stages.Bake = func(context.Context, release.Deploy) Baked { return Baked{Pending: true} }
		}, "pending/window-open", 17, "", ""},
		{"the deploy step failed: sealed, not baked", Finish, func(s *scene) { finishing(s); s.DeployFailed = true },
			"deploy-failed/step", 16, "seal deploy-failed", "finished deploy-failed"},
		{"a killed run that had deployed does not deploy again", Run, func(s *scene) {
			s.Deploy = release.Deploy{Started: time.Unix(1, 0), Finished: time.Unix(2, 0)}
			s.Deployed, s.Earlier.Opened = true, true
		}, "pass", 0, "verify open bake seal pass", "finished pass"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.mode)
			if tt.setup != nil {
				tt.setup(s)
			}
			got := Do(context.Background(), s.Plan)
			if got.Verdict.Reason != tt.reason || got.Verdict.Exit != tt.exit {
				t.Errorf("got %s exit %d (%v), want %s exit %d", got.Verdict.Reason, got.Verdict.Exit, got.Err, tt.reason, tt.exit)
			}
			if calls := strings.Join(s.calls, " "); calls != tt.calls {
				t.Errorf("calls: %s\n want: %s", calls, tt.calls)
			}
			if s.store.kinds() != tt.records {
				t.Errorf("records: %s, want %s", s.store.kinds(), tt.records)
			}
			lastEntryIsTheVerdict(t, s.dir, tt.reason)
		})
	}
}

// What was verified is looked at again: right behind our own deploy, and at the end where nothing else decided.
func TestConfirm(t *testing.T) {
	moved := verdict.Finding{Check: "verify/deployed", Outcome: verdict.Fail, Reason: "digest", Summary: "pods run another image"}
	for _, tt := range []struct {
		name   string
		mode   Mode
		setup  func(s *scene)
		find   map[bool]verdict.Finding
		reason string
		calls  string
	}{
		{"run with a deploy", Run, nil, nil, "pass", "verify open deploy behind bake end seal pass"},
		{"another image runs", Run, nil, map[bool]verdict.Finding{true: moved}, "rollback/digest", "verify open deploy behind bake end seal rollback"},
		{"found behind the deploy", Run, nil, map[bool]verdict.Finding{false: moved}, "rollback/digest", "verify open deploy behind bake seal rollback"},
		{"the bake decided", Run, func(s *scene) {
			s.Stages.Bake = func(context.Context, release.Deploy) Baked {
				s.call("bake")
				return Baked{Findings: []verdict.Finding{worse}}
			}
		}, nil, "rollback/errors", "verify open deploy behind bake seal rollback"},
		{"the deploy failed", Run, func(s *scene) {
			s.Stages.Deploy = func(context.Context) error { s.call("deploy"); return errors.New("exit status 1") }
		}, nil, "deploy-failed/command", "verify open deploy seal deploy-failed"},
		{"begin", Begin, nil, nil, "pending/deploy", "verify open"},
		{"finish", Finish, func(s *scene) { finishing(s); s.Deploy.Finished = time.Now() }, nil, "pass", "behind bake end seal pass"},
		{"finish, an hour later", Finish, func(s *scene) { finishing(s); s.Deploy.Finished = time.Now().Add(-time.Hour) }, nil, "pass", "bake end seal pass"},
		{"somebody else deployed", Run, func(s *scene) { s.Stages.Deploy, s.Deployed = nil, true }, nil, "pass", "verify open bake end seal pass"},
		{"pending", Finish, func(s *scene) {
			finishing(s)
			s.Stages.Bake = func(context.Context, release.Deploy) Baked { s.call("bake"); return Baked{Pending: true} }
		}, nil, "pending/window-open", "bake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.mode)
			if tt.mode == Finish {
				s.Earlier.Images = []record.Image{{Ref: "a:1", Digest: "sha256:aa"}}
			}
			if tt.setup != nil {
				tt.setup(s)
			}
			s.Stages.Confirm = func(_ context.Context, images []record.Image, end bool) []verdict.Finding {
				s.call(map[bool]string{false: "behind", true: "end"}[end])
				if len(images) != 1 || images[0].Digest != "sha256:aa" {
					t.Errorf("images %+v", images)
				}
				if f, ok := tt.find[end]; ok {
					return []verdict.Finding{f}
				}
				return []verdict.Finding{good}
			}
			if got := Do(context.Background(), s.Plan); got.Verdict.Reason != tt.reason {
				t.Errorf("got %s, want %s", got.Verdict.Reason, tt.reason)
			}
			if calls := strings.Join(s.calls, " "); calls != tt.calls {
				t.Errorf("calls: %s\n want: %s", calls, tt.calls)
			}
		})
	}
}

func finishing(s *scene) {
	s.Deployed, s.Stages.Verify, s.Stages.Open, s.Earlier.Opened = true, nil, nil, true
	s.Earlier.Findings = []verdict.Finding{good}
	s.Deploy = release.Deploy{Started: time.Unix(1, 0), Finished: time.Unix(2, 0), Source: "begin"}
}

func lastEntryIsTheVerdict(t *testing.T, dir, reason string) {
	t.Helper()
	var last record.Entry
	var err error
	for last, err = range record.EntriesIn(dir) {
	}
	if err != nil {
		t.Fatalf("journal: %v", err)
	}
	if last.Type != record.TypeVerdict || !strings.Contains(string(last.Data), `"`+reason+`"`) {
		t.Errorf("the journal's last entry: %s %s", last.Type, last.Data)
	}
}

// A cancelled run seals its markers and closes its journal, in whatever stage it is.
func TestCancelled(t *testing.T) {
	for _, stage := range []string{"verify", "deploy", "bake"} {
		t.Run(stage, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s := newScene(t, Run)
			switch stage {
			case "verify":
				s.Stages.Verify = func(context.Context, bool) ([]verdict.Finding, []record.Image, error) {
					cancel()
					return nil, nil, ctx.Err()
				}
			case "deploy":
				s.Stages.Deploy = func(context.Context) error { cancel(); return errors.New("signal: terminated") }
			case "bake":
				s.Stages.Bake = func(context.Context, release.Deploy) Baked { cancel(); return Baked{Aborted: true} }
			}
			got := Do(ctx, s.Plan)
			if got.Verdict.Name != verdict.NameAborted || got.Verdict.Exit != 15 {
				t.Errorf("got %+v", got.Verdict)
			}
			if opened := stage != "verify"; slices.Contains(s.calls, "seal aborted") != opened {
				t.Errorf("calls %v", s.calls)
			}
			if !strings.HasSuffix(s.store.kinds(), "finished aborted") {
				t.Errorf("records: %s", s.store.kinds())
			}
		})
	}
}

// A tool that hangs while the markers are sealed costs neither the record nor the time limit.
func TestSealIsBounded(t *testing.T) {
	s := newScene(t, Run)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.Stages.Bake = func(context.Context, release.Deploy) Baked { cancel(); return Baked{Aborted: true} }
		s.Stages.Seal = func(ctx context.Context, _ Marker) []verdict.Finding { <-ctx.Done(); return nil }
		begin := time.Now()
		Do(ctx, s.Plan)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v after the cancel", took)
		}
		if s.store.kinds() != "started, finished aborted" {
			t.Errorf("records: %s", s.store.kinds())
		}
	})
}
