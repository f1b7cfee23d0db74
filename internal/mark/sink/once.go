package sink

import (
	"context"
	"errors"
	"time"
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
