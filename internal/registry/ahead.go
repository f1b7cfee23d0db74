package registry

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
)

// ahead is a manifest that is being fetched for whoever asks for it next.
type ahead struct {
	done chan struct{}
	m    Manifest
	err  error
}

// Ahead begins to fetch a manifest while the caller still prepares something else: the next Manifest of the same reference takes it, once.
// The context bounds the fetch.
func (c *Client) Ahead(ctx context.Context, ref name.Reference) {
	a := &ahead{done: make(chan struct{})}
	if _, begun := c.aheads.LoadOrStore(ref.Name(), a); begun {
		return
	}
	go func() {
		defer close(a.done)
		a.m, a.err = c.manifest(ctx, ref)
	}()
}

// Manifest gets a manifest by tag or digest and hashes it. No header is believed. Bytes that do not have the digest asked for are a
// *DigestError; everything else that fails is an *Error, or the context's error. Where the registry has mirrors, they are asked first, as
// a runtime does it: the tag is what the first of them that knows it says.
func (c *Client) Manifest(ctx context.Context, ref name.Reference) (Manifest, error) {
	v, begun := c.aheads.LoadAndDelete(ref.Name())
	if !begun {
		return c.manifest(ctx, ref)
	}
	a := v.(*ahead)
	select {
	case <-a.done:
		return a.m, a.err
	case <-ctx.Done():
		return Manifest{}, ctx.Err()
	}
}
