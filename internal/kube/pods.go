package kube

import (
	"context"
	"time"
)

// Metadata is the part of an object's metadata that is read.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
type Metadata struct {
	Name       string            `json:"name"`
	Namespace  string            `json:"namespace"`
	UID        string            `json:"uid"`
	Labels     map[string]string `json:"labels"`
	Generation int64             `json:"generation"`
	Created    time.Time         `json:"creationTimestamp"`
	Deleted    *time.Time        `json:"deletionTimestamp"` // it is being deleted
	Owners     []Owner           `json:"ownerReferences"`
}

// Owner is one of an object's owners.
type Owner struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"` // it makes and deletes the object
}

// Controller is the owner that made the object; the zero Owner where there is none.
func (m Metadata) Controller() Owner {
	for _, o := range m.Owners {
		if o.Controller {
			return o
		}
	}
	return Owner{}
}

// Pod is the part of a pod that is read, in the API's own words; its texts are not sanitised.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		Init      []ContainerSpec `json:"initContainers"`
		Main      []ContainerSpec `json:"containers"`
		Ephemeral []ContainerSpec `json:"ephemeralContainers"`
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"` // Pending, Running, Succeeded, Failed, Unknown
		Reason     string            `json:"reason"`
		Conditions []Condition       `json:"conditions"`
		Init       []ContainerStatus `json:"initContainerStatuses"`
		Main       []ContainerStatus `json:"containerStatuses"`
		Ephemeral  []ContainerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

// ContainerSpec is a container as it is asked for.
type ContainerSpec struct {
	Name          string `json:"name"`
	Image         string `json:"image"`
	RestartPolicy string `json:"restartPolicy"` // "Always" on an init container: a sidecar, which runs beside the others
}

// ContainerStatus is a container as it runs.
type ContainerStatus struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"imageID"` // in one of the runtimes' many forms; empty until the image is there
	Ready   bool   `json:"ready"`
}

// Condition is one of the conditions of an object.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False, Unknown
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Ready says that the pod serves.
func (p Pod) Ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// Pods reads all pods that a label selector selects; see List. An empty selector selects all of the namespace.
func (c *Client) Pods(ctx context.Context, namespace, selector string) ([]Pod, error) {
	q, err := c.query(Pods, namespace, "", selector)
	if err != nil {
		return nil, err
	}
	return collect[Pod](ctx, c, q)
}
