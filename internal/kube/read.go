package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxErrorBody = 64 << 10
	maxPages     = 1000
	acceptJSON   = "application/json"
	// acceptMetadata asks for objects without what is in them.
	acceptMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// query is one read.
type query struct {
	resource  Resource
	namespace string
	name      string // "" for a list
	selector  string // of labels
	accept    string
	about     string // a path at which the API tells about itself; "" for objects
}

func (q query) verb() string {
	if q.name == "" {
		return "list"
	}
	return "get"
}

func (q query) what() string {
	if q.about != "" {
		return "discover " + q.about
	}
	s := q.verb() + " " + q.resource.String()
	if q.name != "" {
		s += " " + q.name
	}
	s += " in namespace " + q.namespace
	if q.selector != "" {
		s += " with " + q.selector
	}
	return s
}

func (q query) canI() string {
	s := q.resource.String()
	if q.name != "" {
		s += "/" + q.name
	}
	return s + " -n " + q.namespace
}

func (q query) path() string {
	if q.about != "" {
		return q.about
	}
	p := "/api/" + q.resource.Version
	if q.resource.Group != "" {
		p = "/apis/" + q.resource.Group + "/" + q.resource.Version
	}
	p += "/namespaces/" + q.namespace + "/" + q.resource.Name
	if q.name != "" {
		p += "/" + q.name
	}
	return p
}

// query fills in the default namespace and refuses names that would lead to another path.
func (c *Client) query(r Resource, namespace, name, selector string) (query, error) {
	q := query{resource: r, namespace: orWord(namespace, c.namespace), name: name, selector: selector, accept: acceptJSON}
	if err := segment("namespace", q.namespace); err != nil {
		return q, err
	}
	if name == "" {
		return q, nil
	}
	return q, segment("name of "+r.String(), name)
}

// Get reads one object as the API gives it. An empty namespace is the client's own. An error is an *Error.
func (c *Client) Get(ctx context.Context, r Resource, namespace, name string) (json.RawMessage, error) {
	q, err := c.query(r, namespace, name, "")
	if err == nil {
		err = segment("name of "+r.String(), name)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Limit)
	defer cancel()
	body, err := c.read(ctx, q, nil)
	if err != nil {
		return nil, err
	}
	var o struct {
		Kind     string
		Metadata struct{ Name string }
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, c.invalid(q, "a reply that is no JSON of an object", nil)
	}
	if o.Kind == "" || o.Metadata.Name != name {
		return nil, c.invalid(q, "a reply that is another object", nil)
	}
	return body, nil
}

// List reads all objects that a label selector selects, as the API gives them: those of a list have no kind of their own. It is all or an
// error: more than 5,000 objects or 128 MiB are not cut off.
func (c *Client) List(ctx context.Context, r Resource, namespace, selector string) ([]json.RawMessage, error) {
	q, err := c.query(r, namespace, "", selector)
	if err != nil {
		return nil, err
	}
	return collect[json.RawMessage](ctx, c, q)
}

// collect reads a list page by page. Where the place in the list has expired on the server, it begins again, once.
func collect[T any](ctx context.Context, c *Client, q query) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Limit)
	defer cancel()
	all, err := pages[T](ctx, c, q)
	if is(err, Expired) {
		return pages[T](ctx, c, q)
	}
	return all, err
}

func pages[T any](ctx context.Context, c *Client, q query) ([]T, error) {
	var all []T
	var total int64
	params := url.Values{"limit": {strconv.Itoa(c.options.limits.page)}}
	if q.selector != "" {
		params.Set("labelSelector", q.selector)
	}
	for range maxPages {
		body, err := c.read(ctx, q, params)
		if err != nil {
			return nil, err
		}
		var list struct {
			Kind     string
			Metadata struct{ Continue string }
			Items    []T
		}
		if err := json.Unmarshal(body, &list); err != nil || !strings.HasSuffix(list.Kind, "List") {
			return nil, c.invalid(q, "a reply that is no list", nil)
		}
		all, total = append(all, list.Items...), total+int64(len(body))
		if err := c.bound(q, len(all), total); err != nil {
			return nil, err
		}
		if list.Metadata.Continue == "" {
			return all, nil
		}
		params.Set("continue", list.Metadata.Continue)
	}
	return nil, c.invalid(q, fmt.Sprintf("more than %d pages", maxPages), nil)
}

func (c *Client) bound(q query, items int, total int64) error {
	got := ""
	switch l := c.options.limits; {
	case items > l.items:
		got = fmt.Sprintf("more than %d objects", l.items)
	case total > l.total:
		got = fmt.Sprintf("more than %d MiB", l.total>>20)
	default:
		return nil
	}
	return &Error{What: q.what(), Server: c.Server(), Status: http.StatusOK, Kind: TooLarge, Got: got, Hint: q.hint(TooLarge)}
}

// read gives the body of a reply that is 200.
func (c *Client) read(ctx context.Context, q query, params url.Values) ([]byte, error) {
	target := c.web.URL() + q.path()
	if len(params) > 0 {
		target += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, c.failed(q, err)
	}
	req.Header.Set("Accept", q.accept)
	resp, err := c.web.HTTP().Do(req)
	if err != nil {
		return nil, c.failed(q, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what can't be read says nothing
		return nil, c.refused(q, resp.StatusCode, body)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.failed(q, err)
	}
	return body, nil
}
