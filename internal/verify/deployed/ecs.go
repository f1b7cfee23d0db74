package deployed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
)

// ECSOptions is the block `ecs:`: the tasks of a service that run, or a task definition that is going to be registered.
type ECSOptions struct {
	Cluster        string `yaml:"cluster"` // name or ARN; default: ECS's default cluster
	Service        string `yaml:"service"` // name or ARN
	Region         string `yaml:"region"`  // default: the job's own
	TaskDefinition string `yaml:"task-definition,input"`
}

// tasks is what is asked of ECS.
type tasks interface {
	Services(ctx context.Context, cluster string, services ...string) ([]aws.Service, error)
	Tasks(ctx context.Context, cluster, service string) ([]aws.Task, error)
}

// ecs reads a service's running tasks.
type ecs struct {
	ECSOptions
	env Env
	api tasks // nil: AWS, with the job's credentials
}

func buildECS(decode func(any) error) (Source, error) {
	var o ECSOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	switch {
	case (o.Service == "") == (o.TaskDefinition == ""):
		return nil, errors.New("want one of service (tasks that run) and task-definition (a file)")
	case o.TaskDefinition != "" && (o.Cluster != "" || o.Region != ""):
		return nil, errors.New("task-definition is a file: leave out cluster and region")
	case o.TaskDefinition != "":
		return &taskDefinition{path: o.TaskDefinition}, nil
	}
	return &ecs{ECSOptions: o}, nil
}

// Use implements Wants.
func (s *ecs) Use(e Env) { s.env = e }

// Live implements Source.
func (*ecs) Live() bool { return true }

// Behind implements Source.
func (*ecs) Behind() bool { return true }

// Read implements Source.
func (s *ecs) Read(ctx context.Context) (State, error) {
	api := s.api
	if api == nil {
		api = aws.New(cloud.Options{Getenv: s.env.Getenv}).ECS(s.Region)
	}
	st := State{Unit: "task", From: "tasks of the ECS service " + clean.Cut(s.Service, 300)}
	if s.Cluster != "" {
		st.From += " in cluster " + clean.Cut(s.Cluster, 300)
	}
	services, err := api.Services(ctx, s.Cluster, s.Service)
	if err != nil {
		return State{}, err
	}
	if len(services) != 1 {
		return State{}, fmt.Errorf("ecs: got %d services for %s, want 1", len(services), clean.Cut(s.Service, 300))
	}
	st.Unsettled = rollout(services[0])
	all, err := api.Tasks(ctx, s.Cluster, s.Service)
	if err != nil {
		return State{}, err
	}
	for _, t := range all {
		st.task(t)
	}
	return st, nil
}

// rollout says why the service's tasks may be others soon.
func rollout(s aws.Service) string {
	switch {
	case s.Status != "" && s.Status != "ACTIVE":
		return "the service is " + strings.ToLower(s.Status)
	case len(s.Deployments) > 1:
		return fmt.Sprintf("the rollout is not over: %d deployments have tasks", len(s.Deployments))
	case len(s.Deployments) == 1 && s.Deployments[0].RolloutState == "IN_PROGRESS":
		return "the rollout is not over"
	}
	return ""
}

// task takes the containers of a task. One that is stopping runs nothing much longer.
func (st *State) task(t aws.Task) {
	name := clean.Cut(t.ARN[strings.LastIndexByte(t.ARN, '/')+1:], 100)
	switch t.LastStatus {
	case "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED":
		st.leaveOut(fmt.Sprintf("task %s: it is %s", name, strings.ToLower(t.LastStatus)))
		return
	}
	if t.DesiredStatus == "STOPPED" {
		st.leaveOut(fmt.Sprintf("task %s: it is to be stopped", name))
		return
	}
	for _, c := range t.Containers {
		repo, digest := parseImageID(c.Digest)
		st.Containers = append(st.Containers, Container{
			Where: fmt.Sprintf("task %s, container %s", name, clean.Cut(c.Name, 255)), Unit: name, Image: image(c.Image), Digest: digest, Named: repo,
			Ready: t.LastStatus == "RUNNING" && t.HealthStatus != "UNHEALTHY", // UNKNOWN is a task without a health check
		})
	}
}
