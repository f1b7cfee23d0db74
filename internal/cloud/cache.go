package cloud

import (
	"context"
	"errors"
	"sync"
	"time"
)

// early is how long before its end a value is fetched anew: later than the clouds' own caches turn over (Google's metadata server 4 minutes
// before the end, AWS's 5), earlier than any call takes.
const early = 3 * time.Minute

// Cache keeps values until shortly before they expire. Of several callers for one key, one fetches. The zero value is ready. It is safe
// for concurrent use.
type Cache[T any] struct {
	mu    sync.Mutex
	slots map[string]*slot[T]
}

type slot[T any] struct {
	busy    chan struct{} // holds one: whoever fetches
	have    bool
	value   T
	expires time.Time // zero: never
	none    error     // an ErrNone stays: the environment of a job does not change
}

// Get gives the value and when it expires, zero for never. Where it has none that is good for some minutes more, it fetches one. Errors
// are not kept, except ErrNone.
func (c *Cache[T]) Get(ctx context.Context, key string, fetch func(context.Context) (T, time.Time, error)) (T, time.Time, error) {
	s := c.slot(key)
	var zero T
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return zero, time.Time{}, ctx.Err()
	}
	if s.none != nil {
		return zero, time.Time{}, s.none
	}
	if s.have && (s.expires.IsZero() || time.Until(s.expires) > early) {
		return s.value, s.expires, nil
	}
	v, expires, err := fetch(ctx)
	if err != nil {
		if errors.Is(err, ErrNone) && ctx.Err() == nil {
			s.none = err
		}
		return zero, time.Time{}, err
	}
	s.have, s.value, s.expires = true, v, expires
	return v, expires, nil
}

func (c *Cache[T]) slot(key string) *slot[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[key]
	if !ok {
		if c.slots == nil {
			c.slots = map[string]*slot[T]{}
		}
		s = &slot[T]{busy: make(chan struct{}, 1)}
		c.slots[key] = s
	}
	return s
}
