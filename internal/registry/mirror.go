package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// rest is how long a mirror that could not be reached is left alone.
const rest = time.Minute

// each asks the repository's mirrors in their order, then the registry itself, until one answers. An *Error means that the next one is
// asked; what proves something, like wrong bytes, is an answer.
func (c *Client) each(ctx context.Context, repo name.Repository, do func(context.Context, *session) error) error {
	var said []error
	for _, m := range c.mirrors(repo) {
		err := m.try(ctx, do)
		var e *Error
		if err == nil || !errors.As(err, &e) || ctx.Err() != nil {
			return err
		}
		said = append(said, err)
	}
	return together(c.itself(ctx, repo, do), said)
}

// itself asks the registry.
func (c *Client) itself(ctx context.Context, repo name.Repository, do func(context.Context, *session) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Limit)
	defer cancel()
	return do(ctx, c.session(repo, false))
}

// mirrored is a repository on a mirror.
type mirrored struct {
	c    *Client
	repo name.Repository
}

// mirrors are where the repository is looked for first. A mirror that can't be read is none: the configuration has reported it.
func (c *Client) mirrors(repo name.Repository) []mirrored {
	var ms []mirrored
	for _, text := range c.hosts[canonical(repo.RegistryStr())].Mirrors {
		m, err := ParseMirror(text)
		if err != nil {
			continue
		}
		if at, err := m.repository(repo); err == nil {
			ms = append(ms, mirrored{c, at})
		}
	}
	return ms
}

// try asks a mirror, for no longer than one request may take: the next one waits.
func (m mirrored) try(ctx context.Context, do func(context.Context, *session) error) error {
	s := m.c.session(m.repo, true)
	if err := s.via.p.down.is(); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, m.c.options.Timeout)
	defer cancel()
	err := do(short, s)
	var e *Error
	if errors.As(err, &e) && (e.Kind == Unreachable || e.Kind == Timeout) && ctx.Err() == nil {
		s.via.p.down.since(err)
	}
	return err
}

// outage is a mirror that could not be reached, so that not every request waits for it again.
type outage struct {
	mu  sync.Mutex
	end time.Time
	err error
}

func (o *outage) since(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end, o.err = time.Now().Add(rest), err
}

func (o *outage) is() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Now().Before(o.end) {
		return o.err
	}
	return nil
}

// together is the registry's error with what the others said before it. What kind of error it is, the registry says: the mirrors copy it.
func together(err error, said []error) error {
	var e *Error
	if len(said) == 0 || !errors.As(err, &e) {
		return err
	}
	both := *e
	texts := make([]string, len(said))
	for i, s := range said {
		var m *Error
		if errors.As(s, &m) {
			texts[i] = fmt.Sprintf("%s: %s (credential: %s)", m.Ref, m.Got, m.Tried)
		}
	}
	both.Got += "; before it was asked " + strings.Join(texts, ", and ")
	both.err = errors.Join(append([]error{e.err}, said...)...)
	return &both
}
