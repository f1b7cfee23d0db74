package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The cluster's own policies (ValidatingAdmissionPolicy, admissionregistration.k8s.io/v1), asked before the cluster is: about the objects
// of the target, with those of previous as the old ones. What only the cluster knows (params, authorizer, who asks) is not evaluated, and
// said so.

// admissionEnv is what the expressions of a policy may use.
var admissionEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(append(celBase(), cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType),
		cel.Variable("request", cel.DynType), cel.Variable("namespaceObject", cel.DynType),
		cel.Variable("variables", cel.MapType(cel.StringType, cel.DynType)))...)
})

// policy is a ValidatingAdmissionPolicy with its bindings.
type policy struct {
	name        string
	constraints *Node
	ignores     bool // failurePolicy: Ignore
	conditions  []expressionOf
	variables   []expressionOf
	validations []validation
	bindings    []*Node // their specs
	unsupported error
}

// expressionOf is an expression with its name.
type expressionOf struct {
	name    string
	program cel.Program
}

// validation is one condition that an object must meet.
type validation struct {
	expressionOf
	message    string
	messageExp cel.Program
}

// errUnsupported says that an expression needs what only the cluster knows.
var errUnsupported = errors.New("it asks for what only the cluster knows")

// policiesOf reads the policies among objects, by name.
func policiesOf(objects []*Object) []*policy {
	var ps []*policy
	by := map[string]*policy{}
	for _, o := range objects {
		if o.Kind == "ValidatingAdmissionPolicy" && by[o.Name] == nil {
			p := newPolicy(o)
			by[o.Name], ps = p, append(ps, p)
		}
	}
	for _, o := range objects {
		spec := fieldOf(o.Root, "spec")
		if p := by[spec.text("policyName")]; o.Kind == "ValidatingAdmissionPolicyBinding" && p != nil {
			p.bindings = append(p.bindings, spec)
		}
	}
	slices.SortFunc(ps, func(x, y *policy) int { return strings.Compare(x.name, y.name) })
	return ps
}

func newPolicy(o *Object) *policy {
	spec := fieldOf(o.Root, "spec")
	p := &policy{name: o.Name, constraints: fieldOf(spec, "matchConstraints"), ignores: spec.text("failurePolicy") == "Ignore"}
	if fieldOf(spec, "paramKind") != nil {
		p.unsupported = errors.New("it has params")
		return p
	}
	read := func(list string, of func(*Node) error) {
		if n := fieldOf(spec, list); n != nil && p.unsupported == nil {
			for _, item := range n.Items {
				p.unsupported = errors.Join(p.unsupported, of(item))
			}
		}
	}
	read("matchConditions", func(n *Node) error { return addExpression(&p.conditions, n, false) })
	read("variables", func(n *Node) error { return addExpression(&p.variables, n, true) })
	read("validations", p.addValidation)
	return p
}

func addExpression(list *[]expressionOf, n *Node, anyType bool) error {
	program, err := compilePolicy(n.text("expression"), anyType)
	*list = append(*list, expressionOf{n.text("name"), program})
	return err
}

func (p *policy) addValidation(n *Node) error {
	program, err := compilePolicy(n.text("expression"), false)
	v := validation{expressionOf: expressionOf{n.text("expression"), program}, message: n.text("message")}
	if m := n.text("messageExpression"); m != "" && err == nil {
		v.messageExp, _ = compilePolicy(m, true) // the message falls back to the one that is written out
	}
	p.validations = append(p.validations, v)
	return err
}

func compilePolicy(source string, anyType bool) (cel.Program, error) {
	for _, word := range [...]string{"authorizer", "params.", "userInfo"} {
		if strings.Contains(source, word) {
			return nil, errUnsupported
		}
	}
	if anyType {
		source = "dyn(" + source + "\n)"
	}
	program, _, err := compileCEL(admissionEnv, source)
	return program, err
}

// admissions asks the policies in the target, and those that the rules give.
func (c *comparer) admissions(ps pairing, given []Object) []verdict.Finding {
	var objects []*Object
	for i := range given {
		if given[i].Root != nil {
			objects = append(objects, &given[i])
		}
	}
	for _, p := range ps.pairs {
		if p.target != nil && strings.HasPrefix(p.target.Kind, "ValidatingAdmissionPolicy") {
			objects = append(objects, p.target)
		}
	}
	policies := policiesOf(objects)
	if len(policies) == 0 {
		return nil
	}
	budget := celBudget(maxTotalCost)
	a := &admission{c: c, values: newCELValues(c.mask), budget: &budget, spaces: map[string]*Object{}}
	for _, p := range ps.pairs {
		if p.target != nil && p.target.Kind == "Namespace" {
			a.spaces[p.target.Name] = p.target
		}
	}
	var fs []verdict.Finding
	for _, p := range policies {
		fs = append(fs, a.ask(p, ps)...)
	}
	return fs
}

// admission asks policies about objects.
type admission struct {
	c      *comparer
	values *celValues
	budget *celBudget
	spaces map[string]*Object // the namespaces of the target
}

// answers is what came of one policy.
type answers struct {
	refused, warned, unknown []verdict.Evidence
	err                      error // the first that kept the policy from an answer
}

func (a *admission) ask(p *policy, ps pairing) []verdict.Finding {
	if p.unsupported != nil {
		return []verdict.Finding{a.finding(p, verdict.Note, nil, "can't be asked here: "+p.unsupported.Error())}
	}
	var got answers
	for _, pair := range ps.pairs {
		if pair.target != nil && pair.target.Kind != "" && pair.target.Kind != KindDotenv {
			a.about(p, pair, &got)
		}
	}
	var fs []verdict.Finding
	if n := len(got.refused); n > 0 {
		fs = append(fs, a.finding(p, verdict.Fail, got.refused, "refuses "+plural(n, "object")))
	}
	if n := len(got.warned); n > 0 {
		fs = append(fs, a.finding(p, verdict.Note, got.warned, "warns of "+plural(n, "object")))
	}
	if n := len(got.unknown); n > 0 {
		o := verdict.Unknown
		if p.ignores || errors.Is(got.err, errUnsupported) {
			o = verdict.Note
		}
		fs = append(fs, a.finding(p, o, got.unknown, "can't be answered for "+plural(n, "object")))
	}
	return fs
}

func (a *admission) finding(p *policy, o verdict.Outcome, es []verdict.Evidence, what string) verdict.Finding {
	f := verdict.Finding{Check: "diff/admission", Outcome: o, Reason: "admission", Doc: "diff-admission",
		Summary: clean.Text(fmt.Sprintf("the policy %s %s", a.c.mask.name(p.name), a.c.mask.name(what))), Evidence: es}
	if n := len(es); n > maxEvidence {
		f.Evidence = append(es[:maxEvidence:maxEvidence], verdict.Evidence{What: "and " + plural(n-maxEvidence, "object") + " more"})
	}
	if o == verdict.Fail {
		f.Hint = "make the object as the policy wants it: the cluster will not take it"
	}
	return f
}

// about asks a policy about one object.
func (a *admission) about(p *policy, pair pair, got *answers) {
	a.c.begin(pair)
	at := Position{File: a.c.mask.name(pair.target.File), Line: pair.target.Root.Line}
	where := a.c.id.String() + at.suffix()
	fail := func(err error) {
		if got.err == nil || !errors.Is(err, errUnsupported) {
			got.err = err
		}
		got.unknown = append(got.unknown, verdict.Evidence{What: clean.Text(where), Got: a.c.mask.name(err.Error()), Want: "an answer"})
	}
	r, err := a.request(p, pair)
	switch {
	case err != nil:
		fail(err)
		return
	case r == nil:
		return
	}
	for _, cond := range p.conditions {
		ok, err := a.budget.eval(cond.program, r.vars)
		if err != nil {
			fail(err)
		}
		if err != nil || !ok {
			return
		}
	}
	for _, v := range p.validations {
		ok, err := a.budget.eval(v.program, r.vars)
		switch {
		case err != nil:
			fail(err)
		case !ok:
			e := verdict.Evidence{What: clean.Text(where), Got: a.message(v, r.vars), Want: "allowed by " + a.c.mask.name(p.name), At: at.place()}
			if r.denies {
				got.refused = append(got.refused, e)
			} else {
				got.warned = append(got.warned, e)
			}
		}
	}
}

// message gives what a policy says of an object that it refuses.
func (a *admission) message(v validation, vars map[string]any) string {
	if v.messageExp != nil {
		if out, _, err := v.messageExp.Eval(vars); err == nil {
			if s, ok := out.Value().(string); ok && s != "" {
				return a.c.mask.name(s)
			}
		}
	}
	if v.message != "" {
		return a.c.mask.name(v.message)
	}
	return "failed: " + a.c.mask.name(v.name)
}
