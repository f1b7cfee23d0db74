package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bakegate/bakegate/internal/mark/sink/fake"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The scripts run the real binary: testscript starts this test binary again as "bakegate".
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // most of these tests wait for a window to end
	testscript.Main(m, map[string]func(){
		"bakegate":  main,
		"setdeploy": setDeploy,
	})
}

// setDeploy is the scripts' deploy tool: it tells the little shop to become the new version.
func setDeploy() {
	resp, err := http.Post(os.Args[1]+"/deploy", "text/plain", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = resp.Body.Close()
	for _, kv := range os.Environ() {
		fmt.Println("child sees", kv)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"shop": startShop, "registry": startRegistry, "push": push, "grafana": startGrafana, "annotations": annotations,
			"otlp": startOTLP, "spans": spans, "datadog": startDatadog, "changes": changes, "ledger": writeLedger, "jsonfield": jsonField, "exits": exits, "sleep": sleep,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Values[fakes{}] = &fakes{}
			return nil
		},
	})
}

// fakes are the tools that a script started.
type fakes struct {
	grafana *fake.Grafana
	otlp    *fake.OTLP
	datadog *fake.Datadog
}

func fakesOf(ts *testscript.TestScript) *fakes { return ts.Value(fakes{}).(*fakes) }

// exits runs bakegate and wants an exit code: exits 13 run ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE COMMAND ...")
	}
	err := ts.Exec("bakegate", args[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit %s, want %s\nstdout:\n%s\nstderr:\n%s", code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func sleep(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// littleShop serves counters that are a function of the time since its start, so that a script needs no load: rps requests a second, a
// share of them failed; /deploy makes it the new version, whose share is another and whose counters start from 0.
type littleShop struct {
	mu             sync.Mutex
	rps, bad, next float64
	since          time.Time
	version        string
	lag            time.Duration // /metrics shows what was so long ago, and says so
}

func (s *littleShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/deploy" {
		s.bad, s.since, s.version = s.next, time.Now(), "2"
		return
	}
	if r.URL.Path == "/api/v1/query" {
		s.prometheus(w, r)
		return
	}
	if r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	at, stamp := time.Now().Add(-s.lag), ""
	if s.lag > 0 {
		stamp = fmt.Sprintf(" %d", at.UnixMilli())
	}
	n := s.rps * at.Sub(s.since).Seconds()
	bad := float64(int(n * s.bad))
	fmt.Fprintf(w, "# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} %d%s\n", int(n)-int(bad), stamp)
	if bad > 0 {
		fmt.Fprintf(w, "http_requests_total{code=\"500\"} %d%s\n", int(bad), stamp)
	}
	fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", s.since.Unix())
	fmt.Fprintf(w, "# TYPE app_info gauge\napp_info{version=%q} 1\n", s.version)
	fmt.Fprintf(w, "# TYPE queue_length gauge\nqueue_length 3\n")
}

// prometheus answers the one question that the bake asks of a Prometheus, with a point a second: http_requests_total{...}[RANGE].
func (s *littleShop) prometheus(w http.ResponseWriter, r *http.Request) {
	at, _ := strconv.ParseFloat(r.FormValue("time"), 64)
	m := regexp.MustCompile(`^(.*)\[(\w+)\]$`).FindStringSubmatch(r.FormValue("query"))
	if m == nil {
		http.Error(w, "not a range selector", http.StatusBadRequest)
		return
	}
	length, _ := time.ParseDuration(m[2])
	var ok, bad []string
	for t := math.Ceil(at - length.Seconds()); t <= at && t <= float64(time.Now().Unix()); t++ {
		if n := s.rps * (t - float64(s.since.Unix())); n >= 0 {
			ok = append(ok, fmt.Sprintf(`[%.0f,"%.0f"]`, t, n-math.Floor(n*s.bad)))
			bad = append(bad, fmt.Sprintf(`[%.0f,"%.0f"]`, t, math.Floor(n*s.bad)))
		}
	}
	series := fmt.Sprintf(`{"metric":{"__name__":"http_requests_total","code":"500"},"values":[%s]}`, strings.Join(bad, ","))
	if !strings.Contains(m[1], "5..") {
		series += fmt.Sprintf(`,{"metric":{"__name__":"http_requests_total","code":"200"},"values":[%s]}`, strings.Join(ok, ","))
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, series)
}

// startShop starts a little shop: shop RPS BAD-BEFORE BAD-AFTER. $SHOP is its address.
func startShop(ts *testscript.TestScript, _ bool, args []string) {
	var v [3]float64
	for i := range v {
		f, err := strconv.ParseFloat(args[i], 64)
		ts.Check(err)
		v[i] = f
	}
	srv := httptest.NewServer(&littleShop{rps: v[0], bad: v[1], next: v[2], since: time.Now().Add(-time.Hour), version: "1"})
	ts.Defer(srv.Close)
	ts.Setenv("SHOP", srv.URL)
}

// startRegistry starts an in-memory registry: registry [STATUS]. With a status it answers that to everything. $REGISTRY is its host.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	var h http.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if len(args) > 0 {
		status, err := strconv.Atoi(args[0])
		ts.Check(err)
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	srv := httptest.NewServer(h)
	ts.Defer(srv.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(srv.URL, "http://"))
}

// push pushes an image: push REPOSITORY:TAG CONTENT. $DIGEST is its digest.
func push(ts *testscript.TestScript, _ bool, args []string) {
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte(args[1]), types.OCIUncompressedLayer))
	ts.Check(err)
	tag, err := name.NewTag(ts.Getenv("REGISTRY") + "/" + args[0])
	ts.Check(err)
	ts.Check(remote.Write(tag, img))
	d, err := img.Digest()
	ts.Check(err)
	ts.Setenv("DIGEST", d.String())
}

// startGrafana starts a Grafana that keeps to the real one's contract. $GRAFANA is its address, $GRAFANA_TOKEN its token.
func startGrafana(ts *testscript.TestScript, _ bool, _ []string) {
	g := fake.NewGrafana("glsa_script")
	ts.Defer(g.Close)
	fakesOf(ts).grafana = g
	ts.Setenv("GRAFANA", g.URL())
	ts.Setenv("GRAFANA_TOKEN", "glsa_script")
}

// annotations wants so many annotations in Grafana, the last of which has a tag: annotations 1 [TAG].
func annotations(ts *testscript.TestScript, _ bool, args []string) {
	all := fakesOf(ts).grafana.Annotations()
	if strconv.Itoa(len(all)) != args[0] {
		ts.Fatalf("Grafana has %d annotations, want %s: %+v", len(all), args[0], all)
	}
	if len(args) > 1 && !strings.Contains(fmt.Sprint(all[len(all)-1].Tags), args[1]) {
		ts.Fatalf("the annotation's tags are %v, want %s", all[len(all)-1].Tags, args[1])
	}
}

// startOTLP starts a receiver of spans. $OTLP is its address, $OTLP_TOKEN its token.
func startOTLP(ts *testscript.TestScript, _ bool, _ []string) {
	o := fake.NewOTLP("", "otlp-0123456789abcdef")
	ts.Defer(o.Close)
	fakesOf(ts).otlp = o
	ts.Setenv("OTLP", o.URL())
	ts.Setenv("OTLP_TOKEN", "otlp-0123456789abcdef")
}

// spans writes the spans that arrived to a file, as a tree: spans FILE. $DEPLOY_SPAN is what belongs to the deploy's.
func spans(ts *testscript.TestScript, _ bool, args []string) {
	all := fakesOf(ts).otlp.Spans()
	known := map[string]bool{}
	for _, s := range all {
		known[s.SpanID] = true
	}
	var b strings.Builder
	var tree func(parent, indent string)
	tree = func(parent, indent string) {
		for _, s := range all {
			if s.ParentSpanID != parent {
				continue
			}
			fmt.Fprintf(&b, "%s%s", indent, s.Name)
			if s.Status.Code == 2 {
				b.WriteString(" failed")
			}
			b.WriteString("\n")
			if s.Name == "deploy" {
				ts.Setenv("DEPLOY_SPAN", "00-"+s.TraceID+"-"+s.SpanID+"-01")
			}
			tree(s.SpanID, indent+"  ")
		}
	}
	for _, s := range all {
		if !known[s.ParentSpanID] {
			if s.ParentSpanID != "" {
				fmt.Fprintf(&b, "%s/%s/", s.TraceID, s.ParentSpanID)
			}
			tree(s.ParentSpanID, "")
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// startDatadog starts a Datadog that takes events. $DATADOG is its address, $DD_API_KEY its key.
func startDatadog(ts *testscript.TestScript, _ bool, _ []string) {
	d := fake.NewDatadog("dd-0123456789abcdef")
	ts.Defer(d.Close)
	fakesOf(ts).datadog = d
	ts.Setenv("DATADOG", d.URL())
	ts.Setenv("DD_API_KEY", "dd-0123456789abcdef")
}

// changes wants so many change events in Datadog, and writes the two sides of the last to a file: changes 1 [FILE].
func changes(ts *testscript.TestScript, _ bool, args []string) {
	all := fakesOf(ts).datadog.Changes()
	if strconv.Itoa(len(all)) != args[0] {
		ts.Fatalf("Datadog has %d change events, want %s: %+v", len(all), args[0], all)
	}
	if len(args) > 1 {
		last := all[len(all)-1]
		b, err := json.MarshalIndent(map[string]any{"title": last.Title, "prev": last.Attributes.PrevValue, "new": last.Attributes.NewValue}, "", "  ")
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), append(b, '\n'), 0o600))
	}
}

// writeLedger puts a record into a ledger: ledger DIR KIND ID OFFSET VERDICT DIGEST; OFFSET from now.
func writeLedger(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := time.ParseDuration(args[3])
	ts.Check(err)
	at := time.Now().UTC().Add(offset)
	r := record.Record{V: record.Version, Kind: args[1], DeployID: args[2], At: at, Deploy: release.Deploy{Started: at, Source: "begin"},
		Release: release.Release{Service: "shop", Environment: "production", Digest: args[5], Version: "0.9"}}
	if args[4] != "-" {
		r.Verdict = verdict.Name(args[4])
		r.Reason = args[4]
	}
	ts.Check(record.Directory(ts.MkAbs(args[0])).Put(context.Background(), r))
}

// jsonField wants a field of a JSON file: jsonfield FILE FIELD[.FIELD] WANT.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, field := range strings.Split(args[1], ".") {
		m, _ := v.(map[string]any)
		v = m[field]
	}
	if got := fmt.Sprint(v); (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %q, want %q", args[0], args[1], got, args[2])
	}
}
