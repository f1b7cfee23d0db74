package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// What a kustomization refers to may be on another machine: Kustomize itself would clone a repository or ask a web server, and offers no
// way to forbid it. So every kustomization is looked at before Kustomize has it. Whatever is not known to be harmless is looked at, in any
// spelling of its key: Kustomize reads keys without regard to case.

// kustomization checks a kustomization, and gives the text that Kustomize gets: of the folder that is rendered, with an order to annotate
// what each object comes from.
func (f *kustomizeFiles) kustomization(rel string, data []byte) ([]byte, error) {
	g := &guard{files: f, at: f.shown(rel), left: maxGuarded}
	docs, err := yamlDocuments(data)
	if err != nil {
		return data, nil // Kustomize says what is wrong with it, and reads nothing more
	}
	if err := flatTexts(g.at, docs); err != nil {
		return nil, err
	}
	for _, d := range docs {
		if err := g.value(d, 0); err != nil {
			return nil, err
		}
		if err := g.plugins(d, path.Dir(rel)); err != nil {
			return nil, err
		}
	}
	if path.Dir(rel) == path.Clean(orWord(f.rel, ".")) && len(docs) == 1 {
		return f.annotate(docs[0], data), nil
	}
	return data, nil
}

// guard looks through one kustomization, or the file of a generator or transformer.
type guard struct {
	files *kustomizeFiles
	at    string // the file
	left  int    // values that may still be looked at
}

// maxGuarded bounds the values of a kustomization, each use of an alias counted.
const maxGuarded = 200_000

func (g *guard) fail(n *yaml.Node, text string) error {
	return fmt.Errorf("%s:%d:%d: %s", g.at, n.Line, n.Column, text)
}

const (
	remoteText = "this is on another machine, and nothing is fetched: keep a copy in the repository, or render before this step and give the result as path"
	helmText   = "this needs Helm, which does not run in a kustomization here: render before this step and give the result as path"
	folderText = "generators, transformers and validators are read from files alone: name the files in the folder"
)

// harmless are keys, as they are usually spelled, whose values name nothing that is read.
var harmless = map[string]bool{"literals": true, "commonAnnotations": true, "commonLabels": true, "labels": true, "annotations": true, "metadata": true,
	"patch": true, "images": true, "replicas": true, "vars": true, "target": true, "select": true, "reject": true, "source": true, "targets": true}

// value looks at everything below a value.
func (g *guard) value(n *yaml.Node, depth int) error {
	if g.left--; g.left < 0 || depth > 200 {
		return g.fail(n, "more values than a kustomization has")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return g.value(n.Alias, depth+1)
	case yaml.ScalarNode:
		return g.scalar(n, depth)
	case yaml.MappingNode:
		return g.mapping(n, depth)
	}
	for _, c := range n.Content {
		if err := g.value(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) mapping(n *yaml.Node, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		g.files.words[k.Value] = true
		is := func(key string) bool { return strings.EqualFold(k.Value, key) }
		switch {
		case is("helmCharts"), is("helmChartInflationGenerator"):
			return g.fail(n.Content[i], helmText)
		case is("kind") && strings.EqualFold(v.Value, "HelmChartInflationGenerator"):
			return g.fail(v, helmText)
		case harmless[k.Value]:
			continue
		}
		if err := g.value(v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// scalar looks at a text: a reference, KEY=REFERENCE, or YAML in a text.
func (g *guard) scalar(n *yaml.Node, depth int) error {
	if n.Tag == "!!binary" {
		return g.fail(n, "want a text, got !!binary, which may hide what it is")
	}
	v := n.Value
	_, behind, _ := strings.Cut(v, "=")
	if isRemote(v) || isRemote(behind) {
		return g.fail(n, remoteText)
	}
	if !strings.ContainsAny(v, "\n{") && !strings.Contains(v, ": ") {
		return nil
	}
	docs, err := yamlDocuments([]byte(v))
	if err != nil {
		return nil
	}
	inner := &guard{files: g.files, at: g.at, left: g.left}
	for _, d := range docs {
		if d.Kind == yaml.ScalarNode {
			continue
		}
		if err := inner.value(d, depth+1); err != nil {
			_, why, _ := strings.Cut(strings.TrimPrefix(err.Error(), g.at+":"), ": ")
			return g.fail(n, why)
		}
	}
	return nil
}

// maxReference is longer than any name of a file, in bytes.
const maxReference = 500

// remoteForm begins what Kustomize clones or fetches (RepoSpec and IsRemoteFile of its loader), in any case of letters.
var remoteForm = lazyregexp.New(`^(?i)(git::)*(https?:|ssh://|file://|github\.com[/:]|[a-z][a-z0-9-]*@)`)

func isRemote(s string) bool { return remoteForm.MatchString(strings.TrimSpace(s)) }

// plugins looks at the files of generators, transformers and validators, which may refer to other files in their turn. A folder of them
// could be put together from patches, so that nobody sees what it says before it is read.
func (g *guard) plugins(doc *yaml.Node, dir string) error {
	if doc.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		key := doc.Content[i].Value
		if !strings.EqualFold(key, "generators") && !strings.EqualFold(key, "transformers") && !strings.EqualFold(key, "validators") {
			continue
		}
		for _, n := range scalarsOf(doc.Content[i+1], 0) {
			if err := g.plugin(n, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *guard) plugin(n *yaml.Node, dir string) error {
	if strings.Contains(n.Value, "\n") || len(n.Value) > maxReference {
		return nil // it stands in the kustomization itself, and was looked at
	}
	p := n.Value
	if !path.IsAbs(p) {
		p = path.Join("/", dir, p)
	}
	_, fi, err := g.files.resolve(p)
	switch {
	case g.files.refused != nil:
		return g.files.refused
	case err != nil:
		return nil // Kustomize says that it is not there
	case fi.IsDir():
		return g.fail(n, folderText)
	}
	rel, data, err := g.files.read(p)
	if err != nil {
		return err
	}
	docs, err := yamlDocuments(data)
	if err != nil {
		return nil
	}
	inner := &guard{files: g.files, at: g.files.shown(rel), left: g.left}
	if err := flatTexts(inner.at, docs); err != nil {
		return err
	}
	for _, d := range docs {
		if err := inner.value(d, 0); err != nil {
			return err
		}
	}
	return nil
}

// scalarsOf lists the texts in a value.
func scalarsOf(n *yaml.Node, depth int) []*yaml.Node {
	switch {
	case depth > 10:
		return nil
	case n.Kind == yaml.AliasNode:
		return scalarsOf(n.Alias, depth+1)
	case n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	var out []*yaml.Node
	for _, c := range n.Content {
		out = append(out, scalarsOf(c, depth+1)...)
	}
	return out
}

// yamlDocuments parses a text, each document without the node around it.
func yamlDocuments(data []byte) (docs []*yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the parser gave up")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var d yaml.Node
		if err := dec.Decode(&d); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return nil, err
		}
		if len(d.Content) == 1 {
			docs = append(docs, d.Content[0])
		}
	}
}

// flat refuses YAML whose aliases make much out of little, or that hold themselves: Kustomize copies what an alias stands for.
func (f *kustomizeFiles) flat(at string, data []byte) error {
	if !bytes.Contains(data, []byte("*")) || !bytes.Contains(data, []byte("&")) {
		return nil
	}
	docs, err := yamlDocuments(data)
	if err != nil {
		return nil // it is no YAML, or Kustomize says what is wrong with it
	}
	if i := slices.IndexFunc(docs, isAliasBomb); i >= 0 {
		return fmt.Errorf("%s:%d: %s", at, docs[i].Line, bombText)
	}
	return nil
}

const bombText = "its aliases stand for more values than a configuration has, or for themselves"

// flatTexts looks at the YAML in the texts of a kustomization: patches stand there.
func flatTexts(at string, docs []*yaml.Node) error {
	for _, d := range docs {
		for _, n := range scalarsOf(d, 0) {
			if !strings.Contains(n.Value, "*") || !strings.Contains(n.Value, "&") {
				continue
			}
			inner, err := yamlDocuments([]byte(n.Value))
			if err == nil && slices.ContainsFunc(inner, isAliasBomb) {
				return fmt.Errorf("%s:%d: %s", at, n.Line, bombText)
			}
		}
	}
	return nil
}

// isAliasBomb says whether a document has more values than are read of a whole state, each use of an alias counted.
func isAliasBomb(n *yaml.Node) bool {
	left := maxExpanded
	return !expands(n, &left, 0)
}

const maxExpanded = 500_000

func expands(n *yaml.Node, left *int, depth int) bool {
	if *left--; *left < 0 || depth > 1000 {
		return false
	}
	if n.Kind == yaml.AliasNode {
		return expands(n.Alias, left, depth+1)
	}
	for _, c := range n.Content {
		if !expands(c, left, depth+1) {
			return false
		}
	}
	return true
}

// annotate adds originAnnotations to a kustomization.
func (f *kustomizeFiles) annotate(doc *yaml.Node, data []byte) []byte {
	if doc.Kind != yaml.MappingNode {
		return data
	}
	const wanted = "originAnnotations"
	origin := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: wanted}
	var list *yaml.Node
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if strings.EqualFold(doc.Content[i].Value, "buildMetadata") {
			list = doc.Content[i+1]
		}
	}
	switch {
	case list == nil:
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "buildMetadata"},
			&yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{origin}})
	case list.Kind != yaml.SequenceNode:
		return data
	case slices.ContainsFunc(list.Content, func(n *yaml.Node) bool { return n.Value == wanted }):
		f.annotated = true
		return data
	default:
		list.Content = append(list.Content, origin)
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return data
	}
	return out
}
