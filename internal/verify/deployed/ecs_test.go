package deployed

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud/aws"
)

// fakeECS is a service and its tasks.
type fakeECS struct {
	service aws.Service
	tasks   []aws.Task
	err     error
	asked   string
}

func (f *fakeECS) Services(_ context.Context, cluster string, services ...string) ([]aws.Service, error) {
	f.asked = cluster + "/" + strings.Join(services, ",")
	return []aws.Service{f.service}, f.err
}

func (f *fakeECS) Tasks(context.Context, string, string) ([]aws.Task, error) { return f.tasks, f.err }

func aTask(id, status, health, digest string) aws.Task {
	return aws.Task{ARN: "arn:aws:ecs:eu-west-1:1:task/prod/" + id, LastStatus: status, DesiredStatus: "RUNNING", HealthStatus: health,
		Containers: []aws.TaskContainer{{Name: "app", Image: "acme/app:v1", Digest: digest}}}
}

func TestECS(t *testing.T) {
	stopped := aTask("d", "RUNNING", "", digestB)
	stopped.DesiredStatus = "STOPPED"
	f := &fakeECS{service: aws.Service{Status: "ACTIVE", Deployments: []aws.Deployment{{RolloutState: "COMPLETED"}}}, tasks: []aws.Task{
		aTask("a", "RUNNING", "UNKNOWN", digestA), aTask("b", "RUNNING", "UNHEALTHY", digestB), aTask("c", "PENDING", "", ""), stopped, aTask("e", "DEACTIVATING", "", digestB),
	}}
	s := &ecs{ECSOptions: ECSOptions{Cluster: "prod", Service: "checkout"}, api: f}
	st, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "task a, container app acme/app:v1 runs @sha256:aaaa ready\ntask b, container app acme/app:v1 runs @sha256:bbbb\ntask c, container app acme/app:v1"
	if got := brief(st); got != want || f.asked != "prod/checkout" || st.Unit != "task" || st.Unsettled != "" {
		t.Errorf("asked %s, got %+v\n%s\nwant\n%s", f.asked, st, got, want)
	}
	if got := strings.Join(st.LeftOut, "; "); got != "task d: it is to be stopped; task e: it is deactivating" {
		t.Errorf("left out %s", got)
	}
	f.err = errors.New("denied")
	if st, err := s.Read(t.Context()); err == nil || len(st.Containers) > 0 {
		t.Errorf("got %v, %v", st, err)
	}
}

func TestECSRollout(t *testing.T) {
	for want, s := range map[string]aws.Service{
		"":                                 {Status: "ACTIVE", Deployments: []aws.Deployment{{RolloutState: "COMPLETED"}}},
		"the rollout is not over":          {Status: "ACTIVE", Deployments: []aws.Deployment{{RolloutState: "IN_PROGRESS"}}},
		"the rollout is not over: 2 deplo": {Status: "ACTIVE", Deployments: []aws.Deployment{{RolloutState: "COMPLETED"}, {}}},
		"the service is draining":          {Status: "DRAINING"},
	} {
		if got := rollout(s); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTaskDefinition(t *testing.T) {
	containers := `"containerDefinitions": [{"name": "app", "image": "acme/app:v1"},` + "\n\t" + `{"name": "log", "image": "log@` + digestA + `"}]`
	dir := folder(t, map[string]string{
		"registered.json": `{"family": "checkout", ` + containers + `}`,
		"described.json":  "{\n\"taskDefinition\": {\"family\": \"checkout\", " + containers + `}, "tags": []}`,
		"rendered":        `{` + containers + `}`,
		"placeholder":     `{"containerDefinitions": [{"name": "app", "image": "<IMAGE1_NAME>"}]}`,
		"none":            `{"family": "checkout"}`,
		"noimage":         `{"containerDefinitions": [{"name": "app"}]}`,
		"number":          `{"containerDefinitions": [7]}`,
		"list":            `[]`,
		"two":             `{} {}`,
		"twice":           `{"containerDefinitions": [{"name": "app", "image": "a", "image": "b"}]}`,
		"malformed":       `{`,
	})
	for _, tt := range []struct{ path, want string }{
		{"registered.json", "task definition checkout, container app (registered.json:1) acme/app:v1\ntask definition checkout, container log (registered.json:2) log@" + digestA},
		{"described.json", "task definition checkout, container app (described.json:2) acme/app:v1\ntask definition checkout, container log (described.json:3) log@" + digestA},
		{"rendered", "task definition, container app (rendered:1) acme/app:v1\ntask definition, container log (rendered:2) log@" + digestA},
		{"placeholder", "not rendered"},
		{"none", "no containerDefinitions"},
		{"noimage", "a container without an image"},
		{"number", "no mapping"},
		{"list", "want the JSON of one task definition"},
		{"two", "got 2 values"},
		{"twice", `"image" stands here twice`},
		{"malformed", "malformed"},
		{"gone", "no such file"},
		{".", "want a regular file"},
	} {
		s := source(t, "ecs", ECSOptions{TaskDefinition: tt.path})
		s.(Wants).Use(Env{Dir: dir})
		st, err := s.Read(t.Context())
		got := brief(st)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || err != nil && !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
		}
	}
}
