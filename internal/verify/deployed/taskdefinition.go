package deployed

import (
	"context"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/files"
)

// taskDefinition reads the file of a task definition, in the form that `aws ecs register-task-definition --cli-input-json` takes or that
// `aws ecs describe-task-definition` prints.
type taskDefinition struct {
	path string
	env  Env
}

// Use implements Wants.
func (s *taskDefinition) Use(e Env) { s.env = e }

// Live implements Source.
func (*taskDefinition) Live() bool { return false }

// Behind implements Source.
func (*taskDefinition) Behind() bool { return false }

// Read implements Source.
func (s *taskDefinition) Read(context.Context) (State, error) {
	t, err := files.Open(s.env.Dir, s.path, nil, defaultLimits.files())
	if err != nil {
		return State{}, err
	}
	defer t.Close()
	name, data, err := t.Only()
	if err != nil {
		return State{}, err
	}
	r := newReader(defaultLimits)
	if err := r.taskDefinition(name, data); err != nil {
		return State{}, err
	}
	r.state.From = "the task definition in " + clean.Text(s.path)
	return r.state, nil
}

// taskDefinition reads the containers of a task definition.
func (r *reader) taskDefinition(name string, data []byte) error {
	r.name = name
	docs, err := documents(name, data, true)
	if err != nil {
		return err
	}
	if len(docs) != 1 || docs[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s: want the JSON of one task definition, got %d values", name, len(docs))
	}
	es, err := r.entries(docs[0], 0)
	if err != nil {
		return err
	}
	if inner := value(es, "taskDefinition"); inner != nil && inner.Kind == yaml.MappingNode {
		if es, err = r.entries(inner, 1); err != nil {
			return err
		}
	}
	list := value(es, "containerDefinitions")
	if list == nil || list.Kind != yaml.SequenceNode {
		return fmt.Errorf("%s: it has no containerDefinitions: want the JSON of a task definition", name)
	}
	object := strings.TrimSuffix("task definition "+clean.Cut(text(es, "family"), 255), " ")
	for i, item := range list.Content {
		if item.Kind != yaml.MappingNode {
			return r.fail(item, "a container that is no mapping")
		}
		c, err := r.entries(item, 3)
		if err != nil {
			return err
		}
		im := value(c, "image")
		if im == nil || im.Kind != yaml.ScalarNode {
			return r.fail(item, "a container without an image")
		}
		if err := r.container(c, im, object, "containerDefinitions", i); err != nil {
			return err
		}
	}
	return nil
}
