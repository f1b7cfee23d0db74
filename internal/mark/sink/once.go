package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// How a message whose fate is not known is sent again: each time the tool is asked for it first, after a pause in which a server that is
// only slow can finish.
const (
	oncePosts = 3
	oncePause = time.Second
)

// once makes a marker in a tool that has no key against duplicates, but can be asked: find returns nil where there is none.
func once[T any](ctx context.Context, find, create func(context.Context) (*T, error)) (*T, error) {
	var failed error
	for n := range oncePosts + 1 {
		if failed != nil {
			if err := pause(ctx, oncePause<<(n-1)); err != nil {
				return nil, failed
			}
		}
		found, err := find(ctx)
		switch {
		case err != nil:
			return nil, errors.Join(failed, err) // the first of the two says whether it is certain
		case found != nil:
			return found, nil
		case n == oncePosts:
			return nil, failed
		}
		made, err := create(ctx)
		if err == nil || !Uncertain(err) {
			return made, err
		}
		failed = err
	}
	return nil, failed
}

// first asks for a list and gives the first of it that is ours, nil where none is.
func first[T any](ctx context.Context, l link, r httpx.Request, ours func(*T) bool) (*T, error) {
	resp, err := l.call(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	var all []T
	if err := httpx.DecodeJSON(resp, &all); err != nil {
		return nil, err
	}
	for i := range all {
		if ours(&all[i]) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// create posts a body and gives what the reply says was made. One that has no id (named) is no answer of the tool, whose thing is what.
func create[T any](ctx context.Context, l link, r httpx.Request, body any, what string, named func(*T) bool) (*T, error) {
	resp, err := l.call(ctx, r, body)
	if err != nil {
		return nil, err
	}
	made := new(T)
	if err := httpx.DecodeJSON(resp, made); err != nil {
		return nil, err
	}
	if !named(made) {
		return nil, fmt.Errorf("%s %s: HTTP %d without a %s, want its id: is the url the tool's?", resp.Method, resp.URL, resp.Status, what)
	}
	return made, nil
}
