package diff

// survey walks all pairs once, both sides at a time. At every field it asks the checks that know its name, at every setting (a field, an
// environment variable, a flag of a command) those that know what its name means. It collects what they find, and the values that
// changed, from which envleak.go learns.
type survey struct {
	c     *comparer
	order int // of the pair
	steps []surveyStep
	found []occurrence
	leak  *leakScan
	// production says that the target is called so.
	production bool
	keys       map[string]*keyFacts // what keys mean, as far as somebody asked
}

// keyFacts is what is known of a key, or of a setting's name.
type keyFacts struct {
	checks  []fieldCheck
	meaning meaning
	words   []string // made once somebody asks
}

// known gives what is known of a key. The answers are kept: a configuration has few different keys.
func (w *survey) known(key string) *keyFacts {
	if k := w.keys[key]; k != nil {
		return k
	}
	k := &keyFacts{checks: fieldChecks[key], meaning: meaningOf(key)}
	if len(w.keys) < 100_000 {
		w.keys[key] = k
	}
	return k
}

// both is a value on both sides: a of previous, b of the target; nil where a side has none.
type both struct{ a, b *Node }

// get gives a field of both.
func (x both) get(key string) both { return both{fieldOf(x.a, key), fieldOf(x.b, key)} }

func fieldOf(n *Node, key string) *Node {
	if n == nil {
		return nil
	}
	return n.Fields[key]
}

// embeds says whether y is the document in the text x.
func (x both) embeds(y both) bool {
	return x.b != nil && y.b != nil && x.b.Embedded == y.b || x.a != nil && y.a != nil && x.a.Embedded == y.a
}

// surveyStep is one step of the walk: a field by its key, or an item by its index on either side.
type surveyStep struct {
	both
	key    string // of a field; "" of an item and of a document in a text
	item   bool
	ia, ib int // -1 where a side has none
}

// fieldCheck looks at a field. It stands in fieldChecks under the field's key.
type fieldCheck func(w *survey, x both)

// pairCheck looks at a pair of objects of a kind, before its fields are walked.
type pairCheck func(w *survey, p pair)

// survey looks at all pairs.
func (c *comparer) survey(ps pairing, previous, target Tree, previousNames []string) *survey {
	w := &survey{c: c, keys: map[string]*keyFacts{}, production: isProduction(target), leak: newLeakScan(previousNames)}
	w.leak.states(ps, previous, target)
	w.leak.expect()
	for i, p := range ps.pairs {
		w.order = i
		w.object(p)
	}
	return w
}

func (w *survey) object(p pair) {
	o := p.either()
	if o.Kind == "CustomResourceDefinition" {
		return // its fields describe fields
	}
	w.c.begin(p)
	w.leak.next()
	w.steps = w.steps[:0]
	x := both{rootOf(p.previous), rootOf(p.target)}
	if p.identical {
		x.a = x.b // one of them is enough to look at
	}
	for _, check := range kindChecks[o.Kind] {
		check(w, p)
	}
	if x.b == nil {
		return // a whole object that is gone is a difference, told elsewhere
	}
	w.walk(x)
}

func rootOf(o *Object) *Node {
	if o == nil {
		return nil
	}
	return o.Root
}

// walk goes on below a value. What previous alone has is followed as far as mappings go, so that a check sees what went with them.
func (w *survey) walk(x both) {
	if x.a != nil && x.b != nil && (x.a.IsMap != x.b.IsMap || x.a.IsList != x.b.IsList) {
		x.a = nil
	}
	switch n := either(x.b, x.a); {
	case n.IsMap:
		w.fields(x)
	case n.IsList:
		w.items(x)
	case n.Embedded != nil && !w.scope(x.b != nil).secret(n):
		w.document(both{embedded(x.a), embedded(x.b)})
	default:
		w.text(x)
	}
}

func embedded(n *Node) *Node {
	if n == nil {
		return nil
	}
	return n.Embedded
}

// document goes on in the document that a text holds.
func (w *survey) document(x both) {
	if x.a == nil && x.b == nil {
		return
	}
	w.push("", x)
	w.walk(x)
	w.pop()
}

func (w *survey) fields(x both) {
	if x.b != nil {
		matched := 0
		for k, b := range x.b.Fields {
			a := b
			if x.a != x.b {
				a = fieldOf(x.a, k)
			}
			if a != nil {
				matched++
			}
			w.field(k, both{a, b})
		}
		if x.a == nil || matched == len(x.a.Fields) {
			return
		}
	}
	for k, a := range x.a.Fields {
		if x.b == nil || x.b.Fields[k] == nil {
			w.field(k, both{a, nil})
		}
	}
}

func (w *survey) field(key string, x both) {
	if w.c.kubernetes && (len(w.steps) == 0 && key == "status" || key == "managedFields" || key == lastApplied) {
		return
	}
	w.steps = append(w.steps, surveyStep{both: x, key: key, ia: -1, ib: -1})
	n := either(x.b, x.a)
	known := w.known(key)
	for _, check := range known.checks {
		check(w, x)
	}
	if n.scalar() {
		w.setting(key, known.meaning, x)
	}
	if x.b != nil || n.IsMap {
		w.walk(x)
	}
	w.steps = w.steps[:len(w.steps)-1]
}

// items walks a list of the target, each item with its counterpart.
func (w *survey) items(x both) {
	if x.b == nil {
		return
	}
	for j, b := range x.b.Items {
		a, i := counterpart(x.a, b, j, len(x.b.Items))
		w.steps = append(w.steps, surveyStep{both: both{a, b}, item: true, ia: i, ib: j})
		w.namedValue(both{a, b})
		w.flag(x, j)
		w.walk(both{a, b})
		w.steps = w.steps[:len(w.steps)-1]
	}
}

// namedValue looks at an item with a name and a value: an environment variable.
func (w *survey) namedValue(x both) {
	if !x.b.IsMap || x.b.Fields["value"] == nil {
		return
	}
	if name := x.b.text("name"); name != "" {
		v := x.get("value")
		w.push("value", v)
		w.setting(name, w.known(name).meaning, v)
		w.pop()
	}
}

func (w *survey) push(key string, x both) {
	w.steps = append(w.steps, surveyStep{both: x, key: key, ia: -1, ib: -1})
}
func (w *survey) pop() { w.steps = w.steps[:len(w.steps)-1] }

// counterpart gives the item of a previous list that an item of the target is to be compared with, by its name or by its place.
func counterpart(list, item *Node, index, length int) (*Node, int) {
	switch {
	case list == nil:
		return nil, -1
	case index < len(list.Items) && list.Items[index] == item:
		return item, index
	}
	if item.IsMap {
		for _, key := range [...]string{"name", "key", "id", "mountPath"} {
			if id := item.text(key); id != "" {
				return itemNamed(list, key, id, index)
			}
		}
	}
	if len(list.Items) == length {
		return list.Items[index], index
	}
	if item.scalar() {
		for i, other := range list.Items {
			if other.scalar() && other.Value == item.Value {
				return other, i
			}
		}
		return nil, -1
	}
	if index < len(list.Items) {
		return list.Items[index], index
	}
	return nil, -1
}

// itemNamed looks for an item by its name, first where it most often is.
func itemNamed(list *Node, key, id string, index int) (*Node, int) {
	if index < len(list.Items) && list.Items[index].text(key) == id {
		return list.Items[index], index
	}
	for i, other := range list.Items[:min(len(list.Items), 1000)] {
		if other.text(key) == id {
			return other, i
		}
	}
	return nil, -1
}
