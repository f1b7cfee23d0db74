package cloud_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
)

func TestCacheFetchesShortlyBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cloud.Cache[int]
		n := 0
		get := func() int {
			t.Helper()
			v, _, err := c.Get(t.Context(), "k", func(context.Context) (int, time.Time, error) { n++; return n, time.Now().Add(time.Hour), nil })
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {0, 1}, {56 * time.Minute, 1}, {2 * time.Minute, 2}, {0, 2}, {2 * time.Hour, 3}} {
			time.Sleep(step.wait)
			if got := get(); got != step.want {
				t.Errorf("after %s more: value %d, want %d", step.wait, got, step.want)
			}
		}
	})
}

func TestCacheForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cloud.Cache[string]
		n := 0
		for _, key := range []string{"a", "a", "b", "a"} {
			v, expires, err := c.Get(t.Context(), key, func(context.Context) (string, time.Time, error) { n++; return key, time.Time{}, nil })
			if v != key || !expires.IsZero() || err != nil {
				t.Errorf("%s: %q, %s, %v", key, v, expires, err)
			}
			time.Sleep(1000 * time.Hour)
		}
		if n != 2 {
			t.Errorf("%d fetches, want one a key", n)
		}
	})
}

// That there is nothing is remembered, an outage is not.
func TestCacheRemembersNone(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error
		fetches int
	}{
		"none":   {cloud.Nonef("nothing"), 1},
		"outage": {errors.New("broken"), 2},
	} {
		var c cloud.Cache[int]
		n := 0
		for range 2 {
			_, _, err := c.Get(t.Context(), "", func(context.Context) (int, time.Time, error) { n++; return 0, time.Time{}, tt.err })
			if !errors.Is(err, tt.err) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if n != tt.fetches {
			t.Errorf("%s: %d fetches, want %d", name, n, tt.fetches)
		}
	}
	var c cloud.Cache[int]
	ctx, stop := context.WithCancel(t.Context())
	_, _, _ = c.Get(ctx, "", func(context.Context) (int, time.Time, error) {
		stop()
		return 0, time.Time{}, cloud.Nonef("cancelled meanwhile")
	})
	if v, _, err := c.Get(t.Context(), "", func(context.Context) (int, time.Time, error) { return 7, time.Time{}, nil }); v != 7 || err != nil {
		t.Errorf("a cancelled look was remembered: %d, %v", v, err)
	}
}

// Many ask at once, one fetches; who cannot wait goes.
func TestCacheOneFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cloud.Cache[int]
		n := 0
		fetch := func(context.Context) (int, time.Time, error) {
			n++
			time.Sleep(time.Minute)
			return 1, time.Time{}, nil
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, _, err := c.Get(t.Context(), "", fetch); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, _, err := c.Get(ctx, "", fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		wg.Wait()
		if n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}
