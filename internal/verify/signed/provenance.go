package signed

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// The versions of SLSA provenance that are read (slsa.dev/spec/v1.0/provenance, slsa.dev/provenance/v0.2). v1.1 has the type of v1.
const (
	slsaV1 = "https://slsa.dev/provenance/v1"
	slsaV0 = "https://slsa.dev/provenance/v0.2"
)

// provenance is what an SLSA provenance says about a build. Every field may be empty.
type provenance struct {
	builder  string
	source   string // the repository that was built, as it is written there
	ref      string
	commits  []string // of the source; more than one where the provenance contradicts itself
	workflow string   // the path of the build's definition
}

// node is a value of a JSON document. What is not there, or is of another kind, is the zero node: a provenance that lacks a thing says nothing
// about it. Keys are compared as they are written.
type node struct{ v any }

func (n node) at(keys ...string) node {
	for _, k := range keys {
		m, _ := n.v.(map[string]any)
		n = node{m[k]}
	}
	return n
}

func (n node) text() string {
	s, _ := n.v.(string)
	return s
}

func (n node) list() []node {
	items, _ := n.v.([]any)
	out := make([]node, len(items))
	for i, v := range items {
		out[i] = node{v}
	}
	return out
}

// parseProvenance reads the predicate of an SLSA provenance.
func parseProvenance(predicateType string, predicate []byte) (provenance, error) {
	var v any
	if err := json.Unmarshal(predicate, &v); err != nil {
		return provenance{}, fmt.Errorf("its predicate is damaged: %s", clean.Cut(err.Error(), 200))
	}
	if _, ok := v.(map[string]any); !ok {
		return provenance{}, errors.New("its predicate is no JSON object")
	}
	switch predicateType {
	case slsaV1:
		return provenanceV1(node{v})
	case slsaV0:
		return provenanceV0(node{v})
	}
	return provenance{}, fmt.Errorf("it is no SLSA provenance but %s", clean.Cut(predicateType, 150))
}

// provenanceV1 reads v1. Where a build says its source depends on its type: GitHub names the workflow, BuildKit a configSource, GitLab and
// others a source. Where it names none, the one git repository among the dependencies is it.
func provenanceV1(n node) (provenance, error) {
	ext := n.at("buildDefinition", "externalParameters")
	p := provenance{builder: n.at("runDetails", "builder", "id").text()}
	switch workflow, source, config := ext.at("workflow"), ext.at("source"), ext.at("configSource"); {
	case workflow.at("repository").text() != "":
		p.source, p.ref, p.workflow = workflow.at("repository").text(), workflow.at("ref").text(), workflow.at("path").text()
	case config.at("uri").text() != "":
		p.take(config)
		p.workflow = config.at("path").text()
	case source.at("uri").text() != "":
		p.take(source)
	case source.text() != "":
		p.source, p.ref = splitSource(source.text())
		p.workflow = ext.at("entryPoint").text()
	}
	return p, p.dependencies(n.at("buildDefinition", "resolvedDependencies").list())
}

// provenanceV0 reads v0.2, which names the source as that of the build's configuration.
func provenanceV0(n node) (provenance, error) {
	p := provenance{builder: n.at("builder", "id").text()}
	if c := n.at("invocation", "configSource"); c.at("uri").text() != "" {
		p.take(c)
		p.workflow = c.at("entryPoint").text()
	}
	return p, p.dependencies(n.at("materials").list())
}

// take reads a source with its digest.
func (p *provenance) take(n node) {
	p.source, p.ref = splitSource(n.at("uri").text())
	p.addCommit(n)
}

// addCommit notes the commit of a source. GitLab's runner writes the commit as sha256, whatever its length.
func (p *provenance) addCommit(n node) {
	for _, k := range []string{"gitCommit", "sha1", "sha256"} {
		c := strings.ToLower(n.at("digest", k).text())
		if commitForm.MatchString(c) && !slices.Contains(p.commits, c) {
			p.commits = append(p.commits, c)
		}
	}
}

// dependencies finds the commit of the source among what went into the build, and the source itself where nothing else named it. With two
// repositories and no word on which was built, none is taken: a dependency must not pass for the source.
func (p *provenance) dependencies(ds []node) error {
	var found []node
	var names []string
	for _, d := range ds {
		repo, _ := splitSource(d.at("uri").text())
		name := normalRepository(repo)
		switch {
		case p.source != "":
			if name != "" && name == normalRepository(p.source) {
				p.addCommit(d)
			}
		case isGit(d) && !slices.Contains(names, name):
			names = append(names, name)
			found = append(found, d)
		}
	}
	switch {
	case p.source != "":
	case len(found) == 1:
		p.take(found[0])
	case len(found) > 1:
		return fmt.Errorf("it names %d source repositories and does not say which was built", len(found))
	}
	return nil
}

// isGit reports whether a dependency is a git repository: its address or its digest says so.
func isGit(d node) bool {
	uri := d.at("uri").text()
	switch {
	case strings.HasPrefix(uri, "git+"), strings.HasPrefix(uri, "git@"), strings.HasSuffix(uri, ".git"), d.at("digest", "gitCommit").text() != "":
		return true
	}
	return d.at("digest", "sha1").text() != "" && normalRepository(uri) != ""
}
