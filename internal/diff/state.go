package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// A state that is kept, with the record of a deploy, is the tree without its secrets: each is replaced by its fingerprint, so that it can be
// compared later and tells nothing to who reads the record. What is secret is decided as for what is shown, and is as much: a value by its
// place, a text in which one stands, a text that is not shown at all. Names that hold a secret are masked, and are not found again.

// MaxState bounds a kept state, in bytes.
const MaxState = 64 << 20

// stateVersion is the form of a kept state. One that is read differently has another number.
const stateVersion = 1

// Bounds on what DecodeState makes of a state.
const (
	maxStateNodes = 4_000_000
	maxStateDepth = 200
)

// The kept form. Keys are short, as most of it is keys; values that are usual are left out. Its order is that of the objects, and of the
// keys by their bytes: the same tree and key give the same bytes.
type (
	keptState struct {
		Version int          `json:"bakegate-state"`
		Name    string       `json:"name,omitempty"`
		Objects []keptObject `json:"objects"`
		Skipped []string     `json:"skipped,omitempty"`
	}
	keptObject struct {
		Kind       string    `json:"kind,omitempty"`
		APIVersion string    `json:"apiVersion,omitempty"`
		Namespace  string    `json:"namespace,omitempty"`
		Name       string    `json:"name,omitempty"`
		File       string    `json:"file,omitempty"`
		Root       *keptNode `json:"root"`
	}
	keptNode struct {
		Map      map[string]*keptNode `json:"m,omitzero"` // a mapping, which may be empty
		List     []*keptNode          `json:"i,omitzero"` // a list, which may be empty
		Value    string               `json:"v,omitempty"`
		Type     string               `json:"t,omitempty"` // of a scalar "" is a string
		Line     int                  `json:"l,omitempty"`
		Column   int                  `json:"c,omitempty"`
		Secret   bool                 `json:"s,omitempty"`
		Format   string               `json:"f,omitempty"`
		Embedded *keptNode            `json:"e,omitempty"`
	}
)

// EncodeState writes a tree as a record keeps it, without its secrets. They can be compared later under the same key; without a valid key
// (ValidKey) nobody can say whether they changed.
func EncodeState(t Tree, key httpx.Secret) ([]byte, error) {
	e := &stateEncoder{mask: newMasker(), key: key}
	ps := make([]pair, len(t.Objects))
	for i := range t.Objects {
		ps[i].previous = &t.Objects[i]
	}
	e.mask.learn(ps)
	out := keptState{Version: stateVersion, Name: e.name(t.Name), Objects: make([]keptObject, 0, len(t.Objects))}
	for _, o := range t.Objects {
		if o.Root != nil {
			out.Objects = append(out.Objects, e.object(o))
		}
	}
	for _, s := range t.Skipped {
		out.Skipped = append(out.Skipped, e.name(s))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("state of %s: %w", out.Name, err)
	}
	if b.Len() > MaxState {
		return nil, fmt.Errorf("state of %s: it has %d bytes, want at most %d: split it", out.Name, b.Len(), MaxState)
	}
	return b.Bytes(), nil
}

// stateEncoder replaces secrets.
type stateEncoder struct {
	mask *masker
	key  httpx.Secret
	data *Node // of the Secret that is being kept
}

// name gives a text that names something, masked where a secret stands in it.
func (e *stateEncoder) name(s string) string {
	if masked, hidden := e.mask.mask(s, hints{hex: true}); hidden {
		return masked
	}
	return s
}

func (e *stateEncoder) object(o Object) keptObject {
	root := o.Root
	kept := keptObject{Kind: e.name(o.Kind), APIVersion: e.name(o.APIVersion), Namespace: e.name(o.Namespace), Name: e.name(o.Name), File: e.name(o.File)}
	if o.Kind != "Secret" || !isKubernetes(&o) {
		kept.Root = e.node(root, scope{})
		return kept
	}
	// The data of a Secret is known by what it decodes to, and stringData is data: the API server moves it there.
	root = withData(root, &Node{Fields: map[string]*Node{"data": copied(root.Fields["stringData"])}})
	e.data = root.Fields["data"]
	kept.Root = e.node(root, scope{})
	return kept
}

// node replaces the secrets in a value.
func (e *stateEncoder) node(n *Node, s scope) *keptNode {
	kept := &keptNode{Type: n.Type, Line: n.Line, Column: n.Column, Secret: n.Secret, Format: n.Format}
	switch {
	case n.IsMap:
		kept.Map = make(map[string]*keptNode, len(n.Fields))
		for _, k := range sortedKeys(n.Fields) {
			f := e.node(n.Fields[k], e.mask.field(s, n, k))
			if n == e.data && n.Fields[k].scalar() && n.Fields[k].Type != TypeSecret {
				f = e.secret(n.Fields[k], decoded(n.Fields[k].Value))
			}
			kept.Map[unused(kept.Map, e.name(k))] = f
		}
	case n.IsList:
		kept.List = make([]*keptNode, len(n.Items))
		for i, item := range n.Items {
			kept.List[i] = e.node(item, e.mask.item(s, n, i))
		}
	default:
		return e.scalar(kept, n, s)
	}
	return kept
}

// unused gives a key that is not taken: two that were masked may be the same.
func unused(m map[string]*keptNode, key string) string {
	for i, k := 2, key; ; i++ {
		if m[k] == nil {
			return k
		}
		k = key + "#" + strconv.Itoa(i)
	}
}

// scalar keeps a text in which a document stands by that document, where a secret is in it.
func (e *stateEncoder) scalar(kept *keptNode, n *Node, s scope) *keptNode {
	kept.Value = n.Value
	if kept.Type == "string" {
		kept.Type = ""
	}
	if n.Type == TypeSecret {
		return kept
	}
	if s.secret(n) {
		return e.secret(n, n.Value)
	}
	_, hidden := e.mask.mask(n.Value, hints{hex: s.hex})
	if n.Embedded != nil {
		if kept.Embedded = e.node(n.Embedded, s); hidden {
			kept.Value = secretText
		}
		return kept
	}
	if hidden {
		return e.secret(n, n.Value)
	}
	return kept
}

// secret keeps a secret by its fingerprint.
func (e *stateEncoder) secret(n *Node, plain string) *keptNode {
	return &keptNode{Type: TypeSecret, Value: Fingerprint(e.key, plain), Line: n.Line, Column: n.Column}
}

var fingerprintForm = lazyregexp.New(`^(|v1:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_-]{1,128})$`)

// DecodeState reads what EncodeState wrote. The bytes may be anybody's: they are bounded, and give a tree or an error.
func DecodeState(b []byte) (Tree, error) {
	if len(b) > MaxState {
		return Tree{}, fmt.Errorf("the recorded state has %d bytes, want at most %d", len(b), MaxState)
	}
	var version struct {
		Version int `json:"bakegate-state"`
	}
	if err := json.Unmarshal(b, &version); err != nil || version.Version < 1 {
		return Tree{}, errors.New("the recorded state is damaged: want JSON with bakegate-state")
	}
	if version.Version > stateVersion {
		return Tree{}, fmt.Errorf("the recorded state is of version %d, want at most %d: a newer bakegate wrote it", version.Version, stateVersion)
	}
	var in keptState
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Tree{}, errors.New("the recorded state is damaged, or a newer bakegate wrote it")
	}
	d := &stateDecoder{left: maxStateNodes}
	t := Tree{Name: in.Name, Skipped: in.Skipped, Objects: make([]Object, 0, len(in.Objects))}
	for _, o := range in.Objects {
		root, err := d.node(o.Root, 0)
		if err != nil {
			return Tree{}, fmt.Errorf("the recorded state is damaged: %w", err)
		}
		t.Objects = append(t.Objects, Object{Kind: o.Kind, APIVersion: o.APIVersion, Namespace: o.Namespace, Name: o.Name, File: o.File, Root: root})
	}
	return t, nil
}

type stateDecoder struct{ left int }

func (d *stateDecoder) node(kept *keptNode, depth int) (*Node, error) {
	d.left--
	switch {
	case kept == nil:
		return nil, errors.New("a value is missing")
	case d.left < 0, depth > maxStateDepth:
		return nil, errors.New("more values than a configuration has")
	case kept.Map != nil && kept.List != nil:
		return nil, errors.New("a value is a mapping and a list at once")
	case kept.Type == TypeSecret && (kept.Map != nil || kept.List != nil || kept.Embedded != nil || !fingerprintForm.MatchString(kept.Value)):
		return nil, errors.New("a secret has no fingerprint")
	}
	n := &Node{IsMap: kept.Map != nil, IsList: kept.List != nil, Secret: kept.Secret, Value: kept.Value, Type: kept.Type,
		Line: max(0, kept.Line), Column: max(0, kept.Column), Format: kept.Format}
	var err error
	switch {
	case n.IsMap:
		n.Fields = make(map[string]*Node, len(kept.Map))
		for k, f := range kept.Map {
			if n.Fields[k], err = d.node(f, depth+1); err != nil {
				return nil, err
			}
		}
	case n.IsList:
		n.Items = make([]*Node, len(kept.List))
		for i, item := range kept.List {
			if n.Items[i], err = d.node(item, depth+1); err != nil {
				return nil, err
			}
		}
	case n.Type == "":
		n.Type = "string"
	}
	if kept.Embedded != nil && n.scalar() {
		if n.Embedded, err = d.node(kept.Embedded, depth+1); err != nil {
			return nil, err
		}
	}
	return n, nil
}
