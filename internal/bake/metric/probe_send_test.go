package metric

import (
	"context"
	"io"
	"log"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = log.New(io.Discard, "", 0)

// fakeProber takes a while and returns what it is told to.
type fakeProber struct {
	name    string
	takes   time.Duration
	err     func() error
	dialled bool
	sent    atomic.Int64
	now     atomic.Int64
	most    atomic.Int64
}

func (f *fakeProber) host() string { return f.name }

func (f *fakeProber) probe(ctx context.Context, a *attempt) error {
	f.sent.Add(1)
	f.most.Store(max(f.most.Load(), f.now.Add(1)))
	defer f.now.Add(-1)
	a.mu.Lock()
	a.dialled = f.dialled
	a.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if f.err != nil {
		return f.err()
	}
	return nil
}

// probesOf is a source with probers that are made up.
func probesOf(fs ...*fakeProber) *probes {
	p := &probes{}
	hosts := map[string]bool{}
	for _, f := range fs {
		p.targets = append(p.targets, newTarget(ProbeSpec{Name: f.name, Every: time.Second, Timeout: 3 * time.Second}, f))
		hosts[f.name] = true
	}
	p.network.hosts = len(hosts)
	return p
}

// lastOf asks for a counter and returns its last value.
func lastOf(t *testing.T, p *probes, text string) (float64, error) {
	t.Helper()
	got, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: text}}, time.Now().Add(-time.Hour), time.Now().Add(time.Second), time.Second)
	sum := 0.0
	for _, x := range got {
		sum += x.Points[len(x.Points)-1].V
	}
	return sum, err
}

func TestProbeRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, hangs := &fakeProber{name: "a", takes: 10 * time.Millisecond}, &fakeProber{name: "hangs", takes: time.Hour, dialled: true}
		p := probesOf(a, hangs)
		stop := p.Start(t.Context())
		if n, err := lastOf(t, p, `probe_requests_total{probe="a"}`); n != 0 || err != nil {
			t.Errorf("got %v, %v at the start, want 0: what comes is counted from there", n, err)
		}
		time.Sleep(100 * time.Second)
		if n, _ := lastOf(t, p, `probe_requests_total{probe="a",result="ok"}`); n < 98 || n > 101 {
			t.Errorf("got %v probes in 100 s, want one a second", n)
		}
		if n, _ := lastOf(t, p, `probe_requests_total{probe="hangs",reason="timeout"}`); n < 93 {
			t.Errorf("got %v time-outs: a service that hangs must be probed as often as one that does not", n)
		}
		if hangs.most.Load() > 5 {
			t.Errorf("%d were under way at once", hangs.most.Load())
		}
		stop()
		stop()
		before := a.sent.Load()
		time.Sleep(time.Minute)
		if a.sent.Load() != before || hangs.now.Load() != 0 {
			t.Error("it goes on behind its end")
		}
		if n, _ := lastOf(t, p, `probe_requests_total{probe="a"}`); n < 98 || a.sent.Load() != before+1 {
			t.Errorf("got %v and %d more, want what was counted, and one look", n, a.sent.Load()-before)
		}
	})
}

func TestProbeSameWindowTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := probesOf(&fakeProber{name: "a"})
		defer p.Start(t.Context())()
		q := []Query{{ID: "q", Kind: Counter, Text: "probe_requests_total"}, {ID: "h", Kind: Histogram, Text: "probe_duration_seconds"}}
		begin := time.Now()
		for range 5 {
			_, _ = p.Range(t.Context(), q, begin, time.Now().Add(time.Second), time.Second)
			time.Sleep(10 * time.Second)
		}
		end := time.Now().Add(-5 * time.Second)
		a, _ := p.Range(t.Context(), q, begin, end, time.Second)
		time.Sleep(10 * time.Second)
		b, _ := p.Range(t.Context(), q, begin, end, time.Second)
		if len(a) != 1+len(badReasons)+len(probeBounds) || len(a) != len(b) || len(a[0].Points) != 5 || len(b[0].Points) != 5 {
			t.Errorf("got %d and %d series, %d and %d points", len(a), len(b), len(a[0].Points), len(b[0].Points))
		}
	})
}

// A network that breaks here is neither a failure nor a success of the service.
func TestProbeNetworkHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Pointer[error]
		var healed atomic.Bool // b is
		set := func(e error) { broken.Store(&e) }
		a := &fakeProber{name: "a", err: func() error { return *broken.Load() }, dialled: true}
		b := &fakeProber{name: "b", dialled: true, err: func() error {
			if healed.Load() {
				return nil
			}
			return *broken.Load()
		}}
		p := probesOf(a, b)
		set(nil)
		defer p.Start(t.Context())()
		time.Sleep(10 * time.Second)
		before, err := lastOf(t, p, "probe_requests_total")
		if err != nil || before < 18 {
			t.Fatalf("got %v, %v", before, err)
		}
		for _, e := range []error{syscall.ENETUNREACH, context.DeadlineExceeded} {
			set(e)
			time.Sleep(10 * time.Second)
			_, err = lastOf(t, p, "probe_requests_total")
			if q := troubleOf(t, err); q.Trouble != BackendDown || !strings.Contains(err.Error(), "says nothing about the service") {
				t.Errorf("%v: got %v", e, err)
			}
			set(nil)
			time.Sleep(10 * time.Second)
			if n, err := lastOf(t, p, `probe_requests_total{result="bad"}`); n > 2 || err != nil {
				t.Errorf("%v: got %v failures, %v", e, n, err)
			}
		}
		healed.Store(true)
		set(context.DeadlineExceeded)
		time.Sleep(10 * time.Second)
		if n, err := lastOf(t, p, `probe_requests_total{result="bad",probe="a"}`); n < 8 || err != nil {
			t.Errorf("got %v, %v: the other host is heard, so that this one is gone", n, err)
		}
	})
}

func TestProbeStarts(t *testing.T) {
	now := time.Now()
	times := func(name string) (ts []time.Duration) {
		s := newStarts(ProbeSpec{Name: name, Every: time.Second})
		for range 50 {
			ts = append(ts, s.next(now).Sub(now))
		}
		return ts
	}
	a, again, b := times("a"), times("a"), times("b")
	same := true
	for i := range a {
		if a[i] != again[i] {
			t.Fatalf("start %d: %v and %v, want the same of the same name", i, a[i], again[i])
		}
		same = same && a[i] == b[i]
		if i > 0 && (a[i]-a[i-1] < 800*time.Millisecond || a[i]-a[i-1] > 1200*time.Millisecond) {
			t.Errorf("%v behind the one before", a[i]-a[i-1])
		}
	}
	if same {
		t.Error("two probes start at the same times")
	}
	s := newStarts(ProbeSpec{Name: "a", Every: time.Second})
	s.next(now)
	if late := s.next(now.Add(time.Hour)); now.Add(time.Hour).Sub(late) > time.Second {
		t.Errorf("%v late: it would catch up with a burst", now.Add(time.Hour).Sub(late))
	}
}
