package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Bounds of the ECS calls: how many things one call may name or list is the API's, how many tasks a service may have is its quota.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
const (
	servicesPerCall  = 10
	revisionsPerCall = 20
	tasksPerCall     = 100
	maxTasks         = 5000
)

// ECS reads what runs on the Elastic Container Service of one region. Each of its calls gives everything that was asked for, or an error.
type ECS struct {
	client *Client
	region string
}

// ECS gives the reader of a region. An empty one is that of the ARN in each call, else the job's own.
func (c *Client) ECS(region string) *ECS { return &ECS{c, region} }

// call makes one call, in the region of the first of the names that is an ARN where no other was given.
func (e *ECS) call(ctx context.Context, operation string, in, out any, names ...string) error {
	region := e.region
	for _, name := range names {
		if region == "" {
			region = arnRegion(name)
		}
	}
	return e.client.Call(ctx, "ecs", region, "AmazonEC2ContainerServiceV20141113."+operation, in, out)
}

// arnRegion is the region in arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE; "" for what is no ARN.
func arnRegion(text string) string {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	return parts[3]
}

// Services describes services of a cluster, by name or ARN. An empty cluster is the default one. One that is not there is an *Error with
// the code MISSING.
func (e *ECS) Services(ctx context.Context, cluster string, services ...string) ([]Service, error) {
	var all []Service
	for names := range slices.Chunk(services, servicesPerCall) {
		in := map[string]any{"services": names}
		if cluster != "" {
			in["cluster"] = cluster
		}
		var out struct {
			Services []Service
			Failures []failure
		}
		if err := e.call(ctx, "DescribeServices", in, &out, cluster, names[0]); err != nil {
			return nil, err
		}
		sanitise(&out)
		if err := failed("ecs DescribeServices", out.Failures); err != nil {
			return nil, err
		}
		all = append(all, out.Services...)
	}
	return all, complete("DescribeServices", len(all), len(services))
}

// Revisions describes service revisions, which say the digest of each container's image. Those from before October 25, 2024 are not known
// to ECS: an *Error with the code MISSING.
func (e *ECS) Revisions(ctx context.Context, arns ...string) ([]Revision, error) {
	var all []Revision
	for some := range slices.Chunk(arns, revisionsPerCall) {
		var out struct {
			ServiceRevisions []Revision
			Failures         []failure
		}
		if err := e.call(ctx, "DescribeServiceRevisions", map[string]any{"serviceRevisionArns": some}, &out, some[0]); err != nil {
			return nil, err
		}
		sanitise(&out)
		if err := failed("ecs DescribeServiceRevisions", out.Failures); err != nil {
			return nil, err
		}
		all = append(all, out.ServiceRevisions...)
	}
	return all, complete("DescribeServiceRevisions", len(all), len(arns))
}

// TaskDefinition describes one, by ARN or family:revision; a family alone is its newest.
func (e *ECS) TaskDefinition(ctx context.Context, name string) (TaskDefinition, error) {
	var out struct{ TaskDefinition TaskDefinition }
	if err := e.call(ctx, "DescribeTaskDefinition", map[string]any{"taskDefinition": name}, &out, name); err != nil {
		return TaskDefinition{}, err
	}
	sanitise(&out)
	if out.TaskDefinition.ARN == "" {
		return TaskDefinition{}, fmt.Errorf("ecs DescribeTaskDefinition: the reply holds no task definition")
	}
	return out.TaskDefinition, nil
}

// Tasks describes the tasks of a service that ECS wants to run. One that ended between the list and its description is left out.
func (e *ECS) Tasks(ctx context.Context, cluster, service string) ([]Task, error) {
	arns, err := e.taskARNs(ctx, cluster, service)
	if err != nil {
		return nil, err
	}
	var all []Task
	for some := range slices.Chunk(arns, tasksPerCall) {
		in := map[string]any{"tasks": some}
		if cluster != "" {
			in["cluster"] = cluster
		}
		var out struct {
			Tasks    []Task
			Failures []failure
		}
		if err := e.call(ctx, "DescribeTasks", in, &out, cluster, some[0]); err != nil {
			return nil, err
		}
		sanitise(&out)
		got := len(out.Tasks) + len(out.Failures)
		out.Failures = slices.DeleteFunc(out.Failures, func(f failure) bool { return f.Reason == missing })
		if err := failed("ecs DescribeTasks", out.Failures); err != nil {
			return nil, err
		}
		if err := complete("DescribeTasks", got, len(some)); err != nil {
			return nil, err
		}
		all = append(all, out.Tasks...)
	}
	return all, nil
}

func (e *ECS) taskARNs(ctx context.Context, cluster, service string) ([]string, error) {
	in := map[string]any{"serviceName": service, "desiredStatus": "RUNNING", "maxResults": tasksPerCall}
	if cluster != "" {
		in["cluster"] = cluster
	}
	var all []string
	for page := 1; ; page++ {
		var out struct {
			TaskArns  []string
			NextToken string
		}
		if err := e.call(ctx, "ListTasks", in, &out, cluster, service); err != nil {
			return nil, err
		}
		all = append(all, out.TaskArns...)
		if out.NextToken == "" {
			return all, nil
		}
		if len(all) > maxTasks || page > 2*maxTasks/tasksPerCall {
			return nil, fmt.Errorf("ecs ListTasks: more than %d tasks, or pages without an end", maxTasks)
		}
		in["nextToken"] = out.NextToken
	}
}

// complete refuses a reply that tells less than was asked for and does not say why.
func complete(operation string, got, want int) error {
	if got < want {
		return fmt.Errorf("ecs %s: asked for %d, got %d", operation, want, got)
	}
	return nil
}
