package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchCase is a pair of states.
type benchCase struct {
	name string
	// make writes both states, and says how many differences are between them.
	make func(docs int) (previous, target []byte, made int)
	// most are the goals for 5,000 documents: CPU time, and memory in bytes (0: none).
	cpu    time.Duration
	memory float64
}

var cases = []benchCase{
	{"1% changed", plain, 700 * time.Millisecond, 150e6},
	{"noise", noise, 0, 0},
	{"1% missing", missing, 0, 0},
	{"other suffix", suffix, time.Second, 0},
}

// write writes both states of a case into a folder, and says how many differences are between them.
func write(name, docs, dir string, out io.Writer) error {
	n, err := strconv.Atoi(docs)
	i := slices.IndexFunc(cases, func(c benchCase) bool { return c.name == name })
	if err != nil || i < 0 {
		return fmt.Errorf("make: got %q and %q, want the name of a case and a number", name, docs)
	}
	previous, target, made := cases[i].make(n)
	fmt.Fprintln(out, made)
	return errors.Join(os.WriteFile(filepath.Join(dir, "previous.yaml"), previous, 0o600), os.WriteFile(filepath.Join(dir, "target.yaml"), target, 0o600))
}

// missed lists the goals that were not met: nothing but what was made is told, and the costs.
func (c benchCase) missed(docs int, r row) []string {
	var out []string
	if r.lines != r.made {
		out = append(out, fmt.Sprintf("%s, %d documents: %d lines for %d differences", c.name, docs, r.lines, r.made))
	}
	if docs != 5000 {
		return out
	}
	if c.cpu > 0 && r.cpu > c.cpu {
		out = append(out, fmt.Sprintf("%s: %v of CPU, want %v", c.name, r.cpu, c.cpu))
	}
	if c.memory > 0 && r.memory > c.memory {
		out = append(out, fmt.Sprintf("%s: %.0f MB, want %.0f", c.name, r.memory/1e6, c.memory/1e6))
	}
	return out
}

// form is how a document is written.
type form struct {
	environment string // at the end of every name and namespace
	version     int    // another one is one difference
	noisy       bool   // the same, written in another way
}

func plain(docs int) (previous, target []byte, made int) {
	return state(docs, func(int) form { return form{} }), state(docs, changed), changes(docs)
}

// changed changes every 100th document: deployments all.
func changed(i int) form { return form{version: boolInt(i%100 == 50)} }

func changes(docs int) int { return (docs + 49) / 100 }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// noise shuffles the documents and writes a fifth of them in another way.
func noise(docs int) (previous, target []byte, made int) {
	previous, _, made = plain(docs)
	texts := make([]string, docs)
	for i := range texts {
		f := changed(i)
		f.noisy = i/5%5 == 0
		texts[i] = document(i, f)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(docs, func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	return previous, []byte(strings.Join(texts, "")), made
}

// missing leaves out every 100th document.
func missing(docs int) (previous, target []byte, made int) {
	previous, _, made = plain(docs)
	var b strings.Builder
	for i := range docs {
		if i%100 != 50 {
			b.WriteString(document(i, form{}))
		}
	}
	return previous, []byte(b.String()), made
}

// suffix has another environment in every name, which is told once, and another namespace, which is told once.
func suffix(docs int) (previous, target []byte, made int) {
	previous = state(docs, func(int) form { return form{environment: "staging"} })
	target = state(docs, func(i int) form { f := changed(i); f.environment = "prod"; return f })
	return previous, target, changes(docs) + 2
}

func state(docs int, how func(i int) form) []byte {
	var b strings.Builder
	for i := range docs {
		b.WriteString(document(i, how(i)))
	}
	return []byte(b.String())
}

// document writes the i-th document: a Deployment, a Service or a ConfigMap of its own.
func document(i int, f form) string {
	name, space := fmt.Sprintf("service-%d", i), "shop"
	if f.environment != "" {
		name, space = name+"-"+f.environment, space+"-"+f.environment
	}
	meta := fmt.Sprintf("metadata:\n  name: %s\n  namespace: %s\n  labels:\n    app: %s\n    team: checkout\n", name, space, name)
	switch i % 5 {
	case 0, 1, 2:
		return deployment(i, f, name, meta)
	case 3:
		return service(i, f, name, meta)
	}
	return configMap(i, f, meta)
}

func deployment(i int, f form, name, meta string) string {
	cpu, memory := "1000m", "1Gi"
	env := []string{"        - name: LOG_LEVEL\n          value: info\n", fmt.Sprintf("        - name: SHARD\n          value: \"%d\"\n", i)}
	if f.noisy {
		cpu, memory = `"1"`, "1024Mi"
		env[0], env[1] = env[1], env[0]
	}
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
%sspec:
  replicas: 3
  selector:
    matchLabels:
      app: %s
  template:
    metadata:
      labels:
        app: %s
    spec:
      containers:
      - name: app
        image: ghcr.io/acme/service-%d:1.%d.0
        args: ["--listen", ":8080"]
        env:
%s        resources:
          limits:
            cpu: %s
            memory: %s
`, meta, name, name, i, f.version, strings.Join(env, ""), cpu, memory)
}

func service(i int, f form, name, meta string) string {
	more := ""
	if f.noisy {
		more = "    protocol: TCP\n  type: ClusterIP\n"
	}
	return fmt.Sprintf("---\napiVersion: v1\nkind: Service\n%sspec:\n  selector:\n    app: %s\n  ports:\n  - port: 80\n    targetPort: %d\n    name: http\n%s",
		meta, name, 8000+i%1000+1000*f.version, more)
}

func configMap(i int, f form, meta string) string {
	json := fmt.Sprintf(`{"limits": {"rps": %d, "burst": 20}, "features": ["a", "b"], "endpoint": "https://api.acme.dev/v1/%d"}`, 100+f.version, i)
	if f.noisy {
		json = fmt.Sprintf(`{"endpoint":"https://api.acme.dev/v1/%d","features":["a","b"],"limits":{"burst":20,"rps":%d}}`, i, 100+f.version)
	}
	return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\n%sdata:\n  LOG_FORMAT: json\n  SHARD: \"%d\"\n  config.json: '%s'\n", meta, i, json)
}
