package shop

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Sent is what Load did.
type Sent struct {
	OK      int64 // below 500
	Failed  int64 // 5xx
	Refused int64 // no answer at all
	Skipped int64 // not sent: too many were under way
}

// maxUnderWay bounds the requests under way: a shop that hangs must not eat the machine.
const maxUnderWay = 64

// Load sends real requests to the shop at url, rps of them a second on average at random times (a Poisson process), three quarters to
// / and a quarter to /checkout, until ctx ends. It returns when the last one is answered.
func Load(ctx context.Context, url string, rps float64) Sent {
	var s sender
	s.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: maxUnderWay, IdleConnTimeout: 30 * time.Second},
		Timeout:   10 * time.Second,
	}
	defer s.client.CloseIdleConnections()
	rng := rand.New(rand.NewPCG(1, uint64(rps)))
	free := make(chan struct{}, maxUnderWay)
	next := time.Now()
	for rps > 0 {
		next = next.Add(time.Duration(rng.ExpFloat64() / rps * float64(time.Second)))
		if !sleepUntil(ctx, next) {
			break
		}
		path := "/"
		if rng.IntN(4) == 0 {
			path = "/checkout"
		}
		select {
		case free <- struct{}{}:
			s.wg.Go(func() { s.send(url + path); <-free })
		default:
			s.skipped.Add(1)
		}
	}
	s.wg.Wait()
	return Sent{s.ok.Load(), s.failed.Load(), s.refused.Load(), s.skipped.Load()}
}

type sender struct {
	client                       *http.Client
	wg                           sync.WaitGroup
	ok, failed, refused, skipped atomic.Int64
}

// send is one request. It is not cancelled with the load: the shop would count what nobody waited for.
func (s *sender) send(url string) {
	resp, err := s.client.Get(url)
	if err != nil {
		s.refused.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // read to its end, so that the connection is used again
	_ = resp.Body.Close()
	if resp.StatusCode >= 500 {
		s.failed.Add(1)
		return
	}
	s.ok.Add(1)
}

// sleepUntil reports whether the time came before the end of ctx.
func sleepUntil(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
