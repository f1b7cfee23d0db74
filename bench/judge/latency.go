package main

import (
	"math"
	"sort"
)

// bounds are the histogram's upper bounds in ms; the 21st bucket has none.
var bounds = [20]float64{5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2500, 5000}

// buckets are counts of a histogram, or the chance of each.
type buckets = [21]float64

// mode is one way through the service: a log-normal time.
type mode struct {
	median, sigma float64 // ms
	known         map[int]*buckets
}

func newMode(median, sigma float64) mode { return mode{median, sigma, map[int]*buckets{}} }

// at gives the chance of each bucket when everything takes stretch times as long. It is kept by steps of 2%.
func (m *mode) at(stretch float64) *buckets {
	k := int(math.Round(math.Log(stretch) / 0.02))
	if b := m.known[k]; b != nil {
		return b
	}
	median, b, below := m.median*math.Exp(0.02*float64(k)), &buckets{}, 0.0
	for i, ms := range bounds {
		f := 0.5 * math.Erfc(-math.Log(ms/median)/m.sigma/math.Sqrt2)
		b[i], below = f-below, f
	}
	b[20] = 1 - below
	m.known[k] = b
	return b
}

// latency is the modes of a service and how much of the traffic takes each.
type latency struct {
	hit, miss, slow, deep, pause, fail mode
	hits                               float64 // share of the requests that the cache answers, when it is warm
	slowly                             float64 // share that takes the slow path
	timeout                            float64 // ms
}

func newLatency(d dice) latency {
	slow := d.between(350, 700)
	return latency{
		hit: newMode(d.scale(6, 20), d.between(0.3, 0.5)), miss: newMode(d.scale(50, 150), d.between(0.35, 0.6)),
		slow: newMode(slow, 0.35), deep: newMode(slow*3, 0.35), pause: newMode(250, 0.6), fail: newMode(8, 0.8),
		hits: d.between(0.6, 0.9), slowly: d.between(0.006, 0.013), timeout: 3000,
	}
}

// mix is the shares of the ways through the service for one pod in one tick; what is left is the cache's.
type mix struct {
	miss, slow, deep, pause float64
	stretch                 float64 // of everything that computes
}

// of adds the ways up to the chance of each bucket.
func (l *latency) of(m mix) buckets {
	var sum buckets
	ways := [...]struct {
		share float64
		mode  *mode
	}{
		{1 - m.miss - m.slow - m.deep - m.pause, &l.hit}, {m.miss, &l.miss}, {m.slow, &l.slow}, {m.deep, &l.deep}, {m.pause, &l.pause},
	}
	for _, w := range ways {
		if w.share <= 0 {
			continue
		}
		for i, p := range w.mode.at(m.stretch) {
			sum[i] += w.share * p
		}
	}
	return sum
}

// bucketOf says where a time falls.
func bucketOf(ms float64) int { return sort.SearchFloat64s(bounds[:], ms) }
