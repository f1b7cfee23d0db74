package kube

import (
	"context"
	"encoding/json"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Secret is a Secret of a cluster. Its values can't be printed.
type Secret struct {
	Type string // kubernetes.io/dockerconfigjson, helm.sh/release.v1
	Data map[string]httpx.Secret
}

// Secret reads one Secret; the values are decoded from the API's base64.
func (c *Client) Secret(ctx context.Context, namespace, name string) (Secret, error) {
	body, err := c.Get(ctx, Secrets, namespace, name)
	if err != nil {
		return Secret{}, err
	}
	var in struct {
		Type string
		Data map[string][]byte
	}
	if json.Unmarshal(body, &in) != nil {
		q, _ := c.query(Secrets, namespace, name, "")
		return Secret{}, c.invalid(q, "a reply that is no Secret", nil)
	}
	s := Secret{Type: in.Type, Data: make(map[string]httpx.Secret, len(in.Data))}
	for k, v := range in.Data {
		s.Data[k] = httpx.NewSecret(string(v))
	}
	return s, nil
}

// Metadata lists objects without what is in them: enough to choose a Secret by its labels, without reading any.
func (c *Client) Metadata(ctx context.Context, r Resource, namespace, selector string) ([]Metadata, error) {
	q, err := c.query(r, namespace, "", selector)
	if err != nil {
		return nil, err
	}
	q.accept = acceptMetadata
	items, err := collect[struct{ Metadata Metadata }](ctx, c, q)
	all := make([]Metadata, len(items))
	for i, item := range items {
		all[i] = item.Metadata
	}
	return all, err
}
