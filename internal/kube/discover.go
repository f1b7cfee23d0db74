package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// Discovered is a kind of objects as the cluster knows it.
type Discovered struct {
	Resource   Resource
	Kind       string // Rollout
	Namespaced bool
}

// APIVersion is what stands in an object's apiVersion.
func (r Resource) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// apiGroup is a group of the API. https://kubernetes.io/docs/reference/using-api/api-concepts/#discovery-api
type apiGroup struct {
	Name             string
	Versions         []struct{ Version string }
	PreferredVersion struct{ Version string }
}

// Discover asks the cluster for a kind, by its name or its plural, in a group ("" is the core group): in the version that the cluster
// prefers, else in another. Where there is none, the error is an *Error of the kind Unknown.
func (c *Client) Discover(ctx context.Context, kind, group string) (Discovered, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Limit)
	defer cancel()
	if group == "" {
		return c.discover(ctx, kind, "", []string{"v1"})
	}
	q := query{about: "/apis", accept: acceptJSON}
	var list struct {
		Kind   string
		Groups []apiGroup
	}
	if err := c.about(ctx, q, "APIGroupList", &list, &list.Kind); err != nil {
		return Discovered{}, err
	}
	for _, g := range list.Groups {
		if g.Name != group {
			continue
		}
		versions := []string{g.PreferredVersion.Version}
		for _, v := range g.Versions {
			if !slices.Contains(versions, v.Version) {
				versions = append(versions, v.Version)
			}
		}
		return c.discover(ctx, kind, group, versions[:min(len(versions), 10)])
	}
	return Discovered{}, c.unknown(q, "the cluster has no group "+clean.Cut(group, 100)+" in its API")
}

// discover looks through the versions of a group.
func (c *Client) discover(ctx context.Context, kind, group string, versions []string) (Discovered, error) {
	var q query
	for _, v := range versions {
		for _, s := range []string{v, orWord(group, v)} {
			if err := segment("group or version of an API", s); err != nil {
				return Discovered{}, err
			}
		}
		r := Resource{group, v, ""}
		q = query{about: "/apis/" + r.APIVersion(), accept: acceptJSON}
		if group == "" {
			q.about = "/api/" + v
		}
		var list struct {
			Kind      string
			Resources []struct {
				Name, Kind string
				Namespaced bool
			}
		}
		if err := c.about(ctx, q, "APIResourceList", &list, &list.Kind); err != nil {
			return Discovered{}, err
		}
		for _, x := range list.Resources {
			if !strings.Contains(x.Name, "/") && (strings.EqualFold(x.Kind, kind) || x.Name == strings.ToLower(kind)) {
				r.Name = x.Name
				return Discovered{r, clean.Cut(x.Kind, 100), x.Namespaced}, nil
			}
		}
	}
	return Discovered{}, c.unknown(q, fmt.Sprintf("the cluster has no kind %s there", clean.Cut(kind, 100)))
}

// about reads what the API tells of itself.
func (c *Client) about(ctx context.Context, q query, want string, into any, kind *string) error {
	body, err := c.read(ctx, q, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil || *kind != want {
		return c.invalid(q, "a reply that is no "+want, nil)
	}
	return nil
}

func (c *Client) unknown(q query, got string) error {
	return &Error{What: q.what(), Server: c.Server(), Status: 200, Kind: Unknown, Got: got, Hint: "look for it in kubectl api-resources"}
}
