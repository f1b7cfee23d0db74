package aws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// fakeECS answers by operation, with what it was asked.
type fakeECS map[string]func(in map[string]any) any

func (f fakeECS) world(t *testing.T) *cloudtest.World {
	return &cloudtest.World{Hosts: map[string]http.HandlerFunc{ecsHost: service(t, "ecs", "eu-west-1", func(w http.ResponseWriter, r *http.Request) {
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonEC2ContainerServiceV20141113.")
		answer, ok := f[operation]
		if !ok {
			refuse(w, http.StatusBadRequest, "UnknownOperationException", operation)
			return
		}
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		out := answer(in)
		if s, ok := out.(string); ok {
			out = json.RawMessage(s)
		}
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	})}}
}

func (f fakeECS) client(t *testing.T) *aws.ECS { return client(f.world(t), keys...).ECS("") }

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// The replies have the form of the API reference, with fields that nobody reads.
func TestWhatRuns(t *testing.T) {
	e := fakeECS{
		"DescribeServices": func(in map[string]any) any {
			if !reflect.DeepEqual(in, map[string]any{"cluster": "prod", "services": []any{"web"}}) {
				t.Errorf("DescribeServices of %v", in)
			}
			return `{"failures":[],"services":[{"serviceArn":"arn:aws:ecs:eu-west-1:1:service/prod/web","serviceName":"web\u001b[31m","clusterArn":"arn:c","status":"ACTIVE",
				"desiredCount":2,"runningCount":2,"pendingCount":0,"launchType":"FARGATE","taskDefinition":"arn:td:7","deploymentController":{"type":"ECS"},
				"createdAt":1.7e9,"events":[{"id":"x","createdAt":1.7e9,"message":"m"}],
				"deployments":[{"id":"ecs-svc/1","status":"PRIMARY","taskDefinition":"arn:td:7","desiredCount":2,"pendingCount":0,"runningCount":2,"failedTasks":1,
				"createdAt":1700000000.25,"updatedAt":1.7e9,"rolloutState":"COMPLETED","rolloutStateReason":"done"}],
				"currentServiceDeployment":"arn:sd","currentServiceRevisions":[{"arn":"arn:rev:1","requestedTaskCount":2,"runningTaskCount":2,"pendingTaskCount":0}]}]}`
		},
		"DescribeServiceRevisions": func(in map[string]any) any {
			if !reflect.DeepEqual(in, map[string]any{"serviceRevisionArns": []any{"arn:rev:1"}}) {
				t.Errorf("DescribeServiceRevisions of %v", in)
			}
			return `{"serviceRevisions":[{"serviceRevisionArn":"arn:rev:1","serviceArn":"arn:s","clusterArn":"arn:c","taskDefinition":"arn:td:7","createdAt":1.7e9,
				"containerImages":[{"containerName":"app","image":"acme/app:v1","imageDigest":"` + digest + `"},{"containerName":"sidecar","image":"acme/side:v1"}]}]}`
		},
		"DescribeTaskDefinition": func(in map[string]any) any {
			if !reflect.DeepEqual(in, map[string]any{"taskDefinition": "arn:td:7"}) {
				t.Errorf("DescribeTaskDefinition of %v", in)
			}
			return `{"taskDefinition":{"taskDefinitionArn":"arn:td:7","family":"web","revision":7,"status":"ACTIVE","containerDefinitions":[
				{"name":"app","image":"acme/app:v1","essential":true,"environment":[{"name":"A","value":"b"}]},{"name":"sidecar","image":"acme/side:v1","essential":false,"versionConsistency":"disabled"}]},"tags":[]}`
		},
		"ListTasks": func(in map[string]any) any {
			if in["cluster"] != "prod" || in["serviceName"] != "web" || in["desiredStatus"] != "RUNNING" {
				t.Errorf("ListTasks of %v", in)
			}
			return `{"taskArns":["arn:t:1","arn:t:2"]}`
		},
		"DescribeTasks": func(in map[string]any) any {
			if !reflect.DeepEqual(in, map[string]any{"cluster": "prod", "tasks": []any{"arn:t:1", "arn:t:2"}}) {
				t.Errorf("DescribeTasks of %v", in)
			}
			return `{"tasks":[{"taskArn":"arn:t:1","taskDefinitionArn":"arn:td:7","group":"service:web","startedBy":"ecs-svc/1","lastStatus":"RUNNING","desiredStatus":"RUNNING",
				"healthStatus":"HEALTHY","startedAt":1.7e9,"containers":[{"name":"app","image":"acme/app:v1","imageDigest":"` + digest + `","lastStatus":"RUNNING","healthStatus":"HEALTHY","exitCode":0}]}],
				"failures":[{"arn":"arn:t:2","reason":"MISSING"}]}`
		},
	}.client(t)

	services, err := e.Services(t.Context(), "prod", "web")
	if err != nil || len(services) != 1 {
		t.Fatal(services, err)
	}
	s := services[0]
	if s.Name != "web[31m" || s.TaskDefinition != "arn:td:7" || s.DesiredCount != 2 || s.Controller.Type != "ECS" || s.ServiceDeployment != "arn:sd" {
		t.Errorf("service %+v", s)
	}
	if d := s.Deployments[0]; d.ID != "ecs-svc/1" || d.RolloutState != "COMPLETED" || d.FailedTasks != 1 || d.CreatedAt.UnixMilli() != 1700000000250 {
		t.Errorf("deployment %+v", d)
	}
	if r := s.Revisions[0]; r.ARN != "arn:rev:1" || r.RunningTaskCount != 2 {
		t.Errorf("revision %+v", r)
	}
	revisions, err := e.Revisions(t.Context(), "arn:rev:1")
	if want := []aws.ContainerImage{{Container: "app", Image: "acme/app:v1", Digest: digest}, {Container: "sidecar", Image: "acme/side:v1"}}; err != nil || !reflect.DeepEqual(revisions[0].Images, want) {
		t.Errorf("revisions %+v, %v", revisions, err)
	}
	td, err := e.TaskDefinition(t.Context(), "arn:td:7")
	if err != nil || td.Revision != 7 || td.Containers[0].Image != "acme/app:v1" || *td.Containers[1].Essential || td.Containers[1].VersionConsistency != "disabled" {
		t.Errorf("task definition %+v, %v", td, err)
	}
	tasks, err := e.Tasks(t.Context(), "prod", "web")
	if err != nil || len(tasks) != 1 || tasks[0].Containers[0].Digest != digest || tasks[0].TaskDefinition != "arn:td:7" || tasks[0].LastStatus != "RUNNING" || *tasks[0].Containers[0].ExitCode != 0 {
		t.Errorf("tasks %+v, %v", tasks, err)
	}
}

// A reply that tells less than was asked for is an error, never fewer things.
func TestWhatIsNotTold(t *testing.T) {
	failure := `"failures":[{"arn":"arn:x","reason":"MISSING","detail":"gone"}]`
	for _, tt := range []struct {
		name string
		fake fakeECS
		call func(*aws.ECS) error
		want string
		code string
	}{
		{"a service that is not there", fakeECS{"DescribeServices": func(map[string]any) any { return `{"services":[],` + failure + `}` }},
			func(e *aws.ECS) error { _, err := e.Services(t.Context(), "", "web"); return err }, "ecs DescribeServices: HTTP 200 MISSING: arn:x: gone", "MISSING"},
		{"a service that is not mentioned", fakeECS{"DescribeServices": func(map[string]any) any { return `{}` }},
			func(e *aws.ECS) error { _, err := e.Services(t.Context(), "", "web"); return err }, "asked for 1, got 0", ""},
		{"an old revision", fakeECS{"DescribeServiceRevisions": func(map[string]any) any { return `{` + failure + `}` }},
			func(e *aws.ECS) error { _, err := e.Revisions(t.Context(), "arn:x"); return err }, "HTTP 200 MISSING", "MISSING"},
		{"no task definition", fakeECS{"DescribeTaskDefinition": func(map[string]any) any { return `{}` }},
			func(e *aws.ECS) error { _, err := e.TaskDefinition(t.Context(), "x"); return err }, "holds no task definition", ""},
		{"a task that is not mentioned", fakeECS{"ListTasks": func(map[string]any) any { return `{"taskArns":["a","b"]}` }, "DescribeTasks": func(map[string]any) any { return `{"tasks":[{"taskArn":"a"}]}` }},
			func(e *aws.ECS) error { _, err := e.Tasks(t.Context(), "", "web"); return err }, "asked for 2, got 1", ""},
		{"a task that fails otherwise", fakeECS{"ListTasks": func(map[string]any) any { return `{"taskArns":["a"]}` }, "DescribeTasks": func(map[string]any) any { return `{"failures":[{"arn":"a","reason":"DENIED"}]}` }},
			func(e *aws.ECS) error { _, err := e.Tasks(t.Context(), "", "web"); return err }, "HTTP 200 DENIED: a", "DENIED"},
		{"pages without an end", fakeECS{"ListTasks": func(map[string]any) any { return `{"taskArns":[],"nextToken":"again"}` }},
			func(e *aws.ECS) error { _, err := e.Tasks(t.Context(), "", "web"); return err }, "pages without an end", ""},
		{"the wrong shape", fakeECS{"DescribeServices": func(map[string]any) any { return `{"services":{"a":1}}` }},
			func(e *aws.ECS) error { _, err := e.Services(t.Context(), "", "web"); return err }, "are not the JSON of this operation", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(tt.fake.client(t))
			var e *aws.Error
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The region is the one that was given, else that of an ARN, else the job's own.
func TestRegionOfARN(t *testing.T) {
	const cluster, service = "arn:aws:ecs:ap-south-1:123456789012:cluster/prod", "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/prod/web"
	for _, tt := range []struct{ region, cluster, service, want string }{
		{"sa-east-1", cluster, service, "ecs.sa-east-1.amazonaws.com"},
		{"", cluster, "web", "ecs.ap-south-1.amazonaws.com"},
		{"", "", service, "ecs.us-gov-west-1.amazonaws.com"},
		{"", "prod", "web", "ecs.eu-west-1.amazonaws.com"},
		{"", "arn:aws:ecs", "web", "ecs.eu-west-1.amazonaws.com"},
		{"", "arn:aws:ecs:evil.example/:1:cluster/x", "web", ""},
	} {
		w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{tt.want: says("{}")}}
		_, _ = client(w, keys...).ECS(tt.region).Services(t.Context(), tt.cluster, tt.service)
		want := []string{"POST " + tt.want + "/"}
		if tt.want == "" {
			want = []string{}
		}
		if got := w.Calls(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: calls %v", tt, got)
		}
	}
}

// Many things are asked for in as many calls as the API wants.
func TestPages(t *testing.T) {
	const tasks = 1234
	sizes := map[string][]int{}
	f := fakeECS{
		"ListTasks": func(in map[string]any) any {
			from := 0
			if token, ok := in["nextToken"].(string); ok {
				_, _ = fmt.Sscan(token, &from)
			}
			out := map[string]any{}
			var arns []string
			for i := from; i < min(from+100, tasks); i++ {
				arns = append(arns, fmt.Sprint("arn:", i))
			}
			if from+100 < tasks {
				out["nextToken"] = fmt.Sprint(from + 100)
			}
			out["taskArns"] = arns
			return out
		},
		"DescribeTasks": func(in map[string]any) any {
			var all []map[string]any
			for _, arn := range in["tasks"].([]any) {
				all = append(all, map[string]any{"taskArn": arn})
			}
			sizes["tasks"] = append(sizes["tasks"], len(all))
			return map[string]any{"tasks": all}
		},
		"DescribeServices": func(in map[string]any) any {
			var all []map[string]any
			for _, name := range in["services"].([]any) {
				all = append(all, map[string]any{"serviceName": name})
			}
			sizes["services"] = append(sizes["services"], len(all))
			return map[string]any{"services": all}
		},
	}
	e := f.client(t)
	got, err := e.Tasks(t.Context(), "", "web")
	if err != nil || len(got) != tasks || got[0].ARN != "arn:0" || got[tasks-1].ARN != fmt.Sprint("arn:", tasks-1) {
		t.Errorf("%d tasks, %v", len(got), err)
	}
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprint("s", i))
	}
	services, err := e.Services(t.Context(), "", names...)
	if err != nil || len(services) != 23 || services[22].Name != "s22" {
		t.Errorf("%d services, %v", len(services), err)
	}
	if want := map[string][]int{"tasks": append(slices.Repeat([]int{100}, 12), 34), "services": {10, 10, 3}}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("calls of %v, want %v", sizes, want)
	}
}
