package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

func at(min int) time.Time { return time.Date(2026, 11, 21, 10, min, 0, 0, time.UTC) }

func started(id string, min int) Record {
	return Record{V: 1, Kind: Started, DeployID: id, Release: release.Release{Service: "checkout", Environment: "production"},
		Deploy: release.Deploy{Started: at(min), Source: "begin"}, At: at(min)}
}

func finished(id string, min int, n verdict.Name) Record {
	r := started(id, min)
	r.Kind, r.Verdict, r.At = Finished, n, at(min)
	return r
}

func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if _, err := all(EntriesIn(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no journal: %v", err)
	}
	var seen []Type
	j, err := Create(dir, func(e Entry) { seen = append(seen, e.Type) })
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(TypePlan, Plan{DeployID: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, nil); err == nil || !strings.Contains(err.Error(), "being written by another bakegate") {
		t.Fatalf("a journal in use was taken: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, dir, `{"v":1,"t":"2026-11-21T10:`)
	if es, err := all(EntriesIn(dir)); err != nil || len(es) != 1 {
		t.Fatalf("a torn last line: %d entries, %v", len(es), err)
	}
	j, err = Continue(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Append(TypeNote, Note{Text: "on"}), j.Close()); err != nil {
		t.Fatal(err)
	}
	es, err := all(EntriesIn(dir))
	if err != nil || len(es) != 2 || es[1].Type != TypeNote {
		t.Fatalf("after continuing: %v %v", es, err)
	}
	if len(seen) != 1 || seen[0] != TypePlan {
		t.Errorf("onAppend saw %v", seen)
	}
	j, err = Create(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := os.Stat(filepath.Join(dir, "journal-1.jsonl")); err != nil {
		t.Errorf("the earlier journal was lost: %v", err)
	}
}

func tear(t *testing.T, dir, half string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, JournalName), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(half)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestReadRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"not json\n": "line 1: not a journal entry",
		`{"v":1,"type":"note","data":{}}` + "\n" + `{"v":9,"type":"note"}` + "\n": "line 2: journal version 9",
		`{"type":"note"}` + "\n": "journal version 0",
	} {
		if _, err := all(Entries(strings.NewReader(in))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%q): %v, want %q", in, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"v":1,"t":"2026-11-21T10:00:00Z","type":"note","data":{"text":"a"}}` + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		es, err := all(Entries(strings.NewReader(s)))
		for _, e := range es {
			if err == nil && e.V != Version {
				t.Fatalf("entry of version %d", e.V)
			}
		}
	})
}

func TestDirectory(t *testing.T) { testStore(t, Directory(t.TempDir())) }

func testStore(t *testing.T, s Store) {
	ctx := context.Background()
	testStates(t, s)
	if rs, err := s.List(ctx, "checkout", "production"); err != nil || len(rs) != 0 {
		t.Fatalf("an empty ledger: %v %v", rs, err)
	}
	other := started("z", 1)
	other.Release.Environment = "staging"
	odd := started("../../x", 2)
	odd.Release.Service = "../.."
	for _, r := range []Record{finished("a", 9, verdict.NamePass), started("a", 5), other, odd} {
		if err := s.Put(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	rs, err := s.List(ctx, "checkout", "production")
	if err != nil || len(rs) != 2 || rs[0].Kind != Started || rs[1].Verdict != verdict.NamePass {
		t.Fatalf("%+v %v", rs, err)
	}
	for filter, want := range map[[2]string]int{{"", ""}: 4, {"checkout", ""}: 3, {"../..", ""}: 1, {"", "staging"}: 1, {"nobody", ""}: 0} {
		if rs, err := s.List(ctx, filter[0], filter[1]); err != nil || len(rs) != want {
			t.Errorf("List(%q): %d records, want %d, %v", filter, len(rs), want, err)
		}
	}
}

// testStates keeps states beside the records, which do not see them.
func testStates(t *testing.T, s Store) {
	ctx := context.Background()
	state := []byte(`{"bakegate-state":1,"objects":[]}`)
	var digest string
	for range 2 { // the same state again is no mistake
		var err error
		if digest, err = s.PutState(ctx, state); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.State(ctx, digest); err != nil || string(got) != string(state) {
		t.Errorf("got %q (%v), want the state that was kept", got, err)
	}
	for _, d := range []string{"", "sha256:ab", "sha256:" + strings.Repeat("0", 64), "../" + digest} {
		if _, err := s.State(ctx, d); err == nil {
			t.Errorf("a state under %q, which nobody kept", d)
		}
	}
	if _, err := s.PutState(ctx, make([]byte, maxState+1)); err == nil {
		t.Error("a state that is too large was kept")
	}
}

// A state that was changed where it is kept, or that unpacks to more than a state has, is an error.
func TestDirectoryStateChanged(t *testing.T) {
	dir := t.TempDir()
	s := Directory(dir)
	digest, err := s.PutState(context.Background(), []byte("a state"))
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := packState([]byte("another state"))
	if err != nil {
		t.Fatal(err)
	}
	bomb, _, err := packState(make([]byte, maxState))
	if err != nil {
		t.Fatal(err)
	}
	bomb = append(bomb, bomb...) // two members: gzip reads them as one
	for name, b := range map[string][]byte{"another": other, "no gzip": []byte("a state"), "a bomb": bomb, "cut": other[:len(other)-3]} {
		if err := os.WriteFile(filepath.Join(dir, statesDir, stateName(digest)+".json.gz"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := s.State(context.Background(), digest); err == nil {
			t.Errorf("%s: read %d bytes", name, len(got))
		}
	}
}

func TestDirectoryKeepsInside(t *testing.T) {
	dir := t.TempDir()
	r := started("../../../evil", 1)
	r.Release.Service, r.Release.Environment = "..", strings.Repeat("x", 400)
	if err := Directory(filepath.Join(dir, "ledger")).Put(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	es, err := os.ReadDir(dir)
	if err != nil || len(es) != 1 {
		t.Errorf("something was written outside the ledger: %v %v", es, err)
	}
}

func TestDirectoryRefusesHoles(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"bad": "{", "new": `{"v":7,"kind":"started","deployId":"a","at":"2026-11-21T10:00:00Z"}`,
		"huge": strings.Repeat(" ", maxRecord+1), "empty": `{"v":1}`} {
		path := filepath.Join(dir, "checkout", "production", "1-"+name+".json")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := Directory(dir).List(context.Background(), "checkout", "production"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error with the file", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQueries(t *testing.T) {
	rs := []Record{started("a", 1), finished("a", 5, verdict.NamePass), started("b", 10), finished("b", 20, verdict.NameRollback), started("c", 30)}
	if g, ok := LastGood(rs, "c"); !ok || g.DeployID != "a" {
		t.Errorf("LastGood = %v %v", g.DeployID, ok)
	}
	if _, ok := LastGood(rs, "a"); ok {
		t.Error("LastGood took the deploy that it should leave out")
	}
	if f, rollback := Remedied(rs, "c", "sha256:x"); len(f) != 1 || f[0].DeployID != "b" || rollback {
		t.Errorf("Remedied = %v %v", f, rollback)
	}
	if f, _ := Remedied(rs[:2], "c", ""); len(f) != 0 {
		t.Errorf("Remedied = %v behind a good deploy", f)
	}
	was := finished("a", 5, verdict.NamePass)
	was.Release.Digest = "sha256:x"
	if f, rollback := Remedied([]Record{was, rs[3], finished("d", 25, verdict.NameHold), finished("c", 30, verdict.NamePass)}, "c", "sha256:x"); len(f) != 2 || f[0].DeployID != "d" || !rollback {
		t.Errorf("Remedied = %v %v, want d and b, by a rollback", f, rollback)
	}
	if n, ok := Newer(rs, "b", at(10)); !ok || n.DeployID != "c" {
		t.Errorf("Newer = %v %v", n.DeployID, ok)
	}
	if _, ok := Newer(rs, "c", at(30)); ok {
		t.Error("nothing is newer than the newest")
	}
	d := Disturbed(rs, "c")
	if len(d) != 2 || !d[0].Finished.Equal(at(5)) || !d[1].Finished.Equal(at(30)) { // b was rolled back when c began, at the latest
		t.Errorf("Disturbed = %v", d)
	}
	if d = Disturbed(rs, ""); len(d) != 3 || !d[2].Finished.Equal(at(30).Add(time.Hour)) {
		t.Errorf("a deploy without an end: %v", d)
	}
	for v, want := range map[verdict.Name]time.Duration{verdict.NameRollback: 15 * time.Minute, verdict.NameHold: time.Hour, verdict.NamePass: 0, verdict.NameInconclusive: 0} {
		if d = Disturbed([]Record{started("a", 1), finished("a", 5, v)}, ""); !d[0].Finished.Equal(at(5).Add(want)) {
			t.Errorf("%s: %v, want %s more", v, d, want)
		}
	}
}

// plainRemotes reaches an in-process registry.
type plainRemotes struct{}

func (plainRemotes) Remote(ctx context.Context, _ name.Repository) []remote.Option {
	return []remote.Option{remote.WithContext(ctx)}
}
func (plainRemotes) Explain(_ name.Repository, err error) error { return err }

func TestRegistryStore(t *testing.T) {
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	open, err := buildRegistry(func(o any) error {
		return o.(*registryOptions).UnmarshalText([]byte(strings.TrimPrefix(srv.URL, "http://") + "/acme/deploys"))
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(Env{Registry: plainRemotes{}})
	if err != nil {
		t.Fatal(err)
	}
	testStore(t, s)
}

// The same on a real registry.
func TestRegistryStoreReal(t *testing.T) {
	repo, err := name.NewRepository(realtest.Registry(t, "", "").Addr + "/acme/deploys")
	if err != nil {
		t.Fatal(err)
	}
	testStore(t, ociStore{repo, plainRemotes{}})
}

// Writers at the same time lose none of each other's records.
func TestRegistryStoreConcurrent(t *testing.T) {
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	repo, err := name.NewRepository(strings.TrimPrefix(srv.URL, "http://") + "/acme/deploys")
	if err != nil {
		t.Fatal(err)
	}
	s := ociStore{repo, plainRemotes{}}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := s.Put(context.Background(), started(fmt.Sprintf("deploy-%d", i), 1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if rs, err := s.List(context.Background(), "checkout", "production"); err != nil || len(rs) != 20 {
		t.Errorf("%d records, want 20: %v", len(rs), err)
	}
}

func TestTagFits(t *testing.T) {
	r := started(strings.Repeat("long-", 40)+"0123456789ab", 1)
	r.Release.Service, r.Release.Environment = strings.Repeat("ü/x", 60), strings.Repeat("y.", 60)
	tag := tagOf(r)
	if len(tag) > 128 || strings.Count(tag, ".") != 5 || !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(tag) {
		t.Errorf("tag %q of %d characters", tag, len(tag))
	}
}

func all(entries iter.Seq2[Entry, error]) ([]Entry, error) {
	var es []Entry
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	return es, nil
}
