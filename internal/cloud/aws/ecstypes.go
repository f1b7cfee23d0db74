package aws

import (
	"net/http"
	"reflect"

	"github.com/bakegate/bakegate/internal/clean"
)

// Service is an ECS service, as far as a check needs it.
type Service struct {
	ARN            string `json:"serviceArn"`
	Name           string `json:"serviceName"`
	ClusterARN     string `json:"clusterArn"`
	Status         string // ACTIVE, DRAINING, INACTIVE
	DesiredCount   int
	RunningCount   int
	PendingCount   int
	TaskDefinition string                // ARN
	Controller     struct{ Type string } `json:"deploymentController"` // Type is ECS, CODE_DEPLOY, EXTERNAL; "" is ECS
	Deployments    []Deployment
	Revisions      []RevisionCount `json:"currentServiceRevisions"` // those that tasks run of
	// ServiceDeployment is the ARN of the one that is under way or was the last.
	ServiceDeployment string `json:"currentServiceDeployment"`
}

// Deployment is one rollout of a service.
type Deployment struct {
	ID                 string
	Status             string // PRIMARY: the newest; ACTIVE: still has tasks; INACTIVE
	TaskDefinition     string // ARN
	DesiredCount       int
	RunningCount       int
	PendingCount       int
	FailedTasks        int
	RolloutState       string // COMPLETED, FAILED, IN_PROGRESS
	RolloutStateReason string
	CreatedAt          Timestamp
	UpdatedAt          Timestamp
}

// RevisionCount says how many tasks run of a revision.
type RevisionCount struct {
	ARN                string
	RequestedTaskCount int
	RunningTaskCount   int
	PendingTaskCount   int
}

// Revision is one version of a service, which does not change: what was deployed.
type Revision struct {
	ARN            string           `json:"serviceRevisionArn"`
	ServiceARN     string           `json:"serviceArn"`
	ClusterARN     string           `json:"clusterArn"`
	TaskDefinition string           // ARN
	Images         []ContainerImage `json:"containerImages"`
	CreatedAt      Timestamp
}

// ContainerImage is the image of one container of a revision. Digest is what ECS resolved the tag to, and pulls for every task; it is empty
// where the container's version consistency is disabled, and until the first task has run.
type ContainerImage struct {
	Container string `json:"containerName"`
	Image     string
	Digest    string `json:"imageDigest"`
}

// TaskDefinition is what the tasks of a service are made of.
type TaskDefinition struct {
	ARN        string `json:"taskDefinitionArn"`
	Family     string
	Revision   int
	Status     string      // ACTIVE, INACTIVE
	Containers []Container `json:"containerDefinitions"`
}

// Container is one container of a task definition.
type Container struct {
	Name      string
	Image     string
	Essential *bool // nil is true
	// VersionConsistency is "enabled" (also when empty) or "disabled": then each task pulls whatever the tag is at its start.
	VersionConsistency string
}

// Task is a running copy of a task definition.
type Task struct {
	ARN            string `json:"taskArn"`
	TaskDefinition string `json:"taskDefinitionArn"`
	Group          string // "service:NAME"
	StartedBy      string // the id of the deployment
	LastStatus     string // PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED
	DesiredStatus  string
	HealthStatus   string // HEALTHY, UNHEALTHY, UNKNOWN
	StartedAt      Timestamp
	Containers     []TaskContainer
}

// TaskContainer is one container of a task. Digest is that of the manifest which was pulled; it is empty until it was.
type TaskContainer struct {
	Name         string
	Image        string
	Digest       string `json:"imageDigest"`
	LastStatus   string
	HealthStatus string
	ExitCode     *int
	Reason       string
}

const missing = "MISSING"

// failure is a thing that a call asked for and could not get, in a reply that is HTTP 200.
type failure struct {
	ARN    string
	Reason string
	Detail string
}

// failed makes the first failure an error, with its reason as the code.
func failed(what string, all []failure) error {
	if len(all) == 0 {
		return nil
	}
	f := all[0]
	text := f.ARN
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return &Error{Service: what, Code: clean.Cut(f.Reason, 100), Message: text, Status: http.StatusOK}
}

// sanitise cleans every text of a reply, once, where it enters.
func sanitise(reply any) { sanitiseValue(reflect.ValueOf(reply).Elem()) }

func sanitiseValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(clean.Text(v.String()))
	case reflect.Struct:
		if _, ok := v.Interface().(Timestamp); ok {
			return
		}
		for i := range v.NumField() {
			sanitiseValue(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			sanitiseValue(v.Index(i))
		}
	}
}
