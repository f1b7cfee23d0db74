package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/bake/pack"
)

const packed = `version: 1
service: checkout
bake:
  sources: {prom: {prometheus: {url: https://prometheus.example}}, other: {prometheus: {url: https://other.example}}}
  metrics:
    - pack: http
      from: prom
      select: app="$service",track="new"
      control: app="$service",track="stable"
      without: [traffic]
    - {name: queue, from: other, gauge: queue_length, limit: 5}
    - name: http-errors
      limit: 2%
      weight: 2
      by: zone
environments:
  staging:
    bake:
      metrics:
        - {name: http-latency, dry-run: true}
        - {pack: go, select: 'app="$service",pod=~"${POD:-.*}"', from: other, name: runtime, without: [files, memory]}
`

func named(f *File) (byName map[string]bake.Metric, order string) {
	byName = map[string]bake.Metric{}
	var names []string
	for _, m := range f.Bake.Metrics {
		byName[m.Name] = m
		names = append(names, m.Name)
	}
	return byName, strings.Join(names, " ")
}

func TestPack(t *testing.T) {
	if err := againstSchema(t, []byte(packed)); err != nil {
		t.Errorf("schema: %v", err)
	}
	metrics, order := named(mustParse(t, packed, Options{}))
	if order != "http-latency queue http-errors" {
		t.Errorf("got %s", order)
	}
	errors := metrics["http-errors"]
	if errors.Bad != `http_requests_total{app="$service",track="new",code=~"5.."}` || errors.Limit.Max.V != 0.02 || errors.Weight != 2 || errors.By != "zone" || errors.Compare != "before" ||
		errors.From != "prom" || !errors.Critical || errors.Control == nil || errors.Control.Total != `http_requests_total{app="$service",track="stable"}` {
		t.Errorf("got %+v, control %+v", errors, errors.Control)
	}
	if h := metrics["http-latency"]; h.DryRun || h.Control.Histogram != `http_request_duration_seconds{app="$service",track="stable"}` {
		t.Errorf("got %+v", h)
	}
	if q := metrics["queue"]; q.Control != nil || q.From != "other" {
		t.Errorf("got %+v", q)
	}
}

func TestPackInOverlay(t *testing.T) {
	metrics, order := named(mustParse(t, packed, Options{Environment: "staging"}))
	if order != "http-latency queue http-errors runtime-goroutines" {
		t.Errorf("got %s", order)
	}
	if !metrics["http-latency"].DryRun || metrics["http-latency"].Histogram == "" {
		t.Errorf("got %+v", metrics["http-latency"])
	}
	if g := metrics["runtime-goroutines"]; g.Gauge != `go_goroutines{app="$service",pod=~".*"}` || g.From != "other" {
		t.Errorf("got %+v", g)
	}
	if got := problems(t, strings.Replace(packed, "pack: go,", "pack: golang,", 1), Options{}); !strings.Contains(got, `environments.staging.bake.metrics[1].pack: there is no pack "golang"`) {
		t.Errorf("an overlay that is not in effect: %s", got)
	}
}

// every loads all packs.
func every() string {
	var b strings.Builder
	b.WriteString("version: 1\nservice: shop\nbake:\n  sources: {prom: {prometheus: {url: URL, scrape-interval: 1s}}}\n  metrics:\n")
	for _, name := range pack.Names() {
		b.WriteString("    - {pack: " + name + `, select: 'app="$service"'}` + "\n")
	}
	return b.String()
}

// The page shows every pack as it is, and every pack loads.
func TestPacks(t *testing.T) {
	f := mustParse(t, strings.Replace(every(), "URL", "https://prometheus.example", 1), Options{})
	page, err := os.ReadFile("../../docs/packs.md")
	if err != nil {
		t.Fatal(err)
	}
	mustParse(t, yamlBlock.FindStringSubmatch(string(page))[1], Options{})
	metrics, _ := named(f)
	for _, name := range pack.Names() {
		text, ok := pack.Text(name)
		if !ok || !strings.Contains(string(page), "## "+name+"\n\n```yaml\n"+string(text)+"```\n") {
			t.Errorf("docs/packs.md does not show pack %s as it is", name)
		}
		for _, m := range regexp.MustCompile(`(?m)^- name: (.*)$`).FindAllStringSubmatch(string(text), -1) {
			if _, ok := metrics[name+"-"+m[1]]; !ok {
				t.Errorf("%s-%s is not there", name, m[1])
			}
		}
	}
	if _, ok := pack.Text("../pack/http"); ok {
		t.Error("a path is no name")
	}
}
