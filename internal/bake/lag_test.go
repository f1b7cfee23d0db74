package bake

import (
	"math"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// The slowest series that is alive closes a window; one that is gone holds nobody up.
func TestWatermark(t *testing.T) {
	fast := ser("q", "fast", points(0, 1, 2, 3, 4, 5, 6, 7, 8))         // to 105 s
	slow := ser("q", "slow", points(3, 1, 2, 3, 4, 5, 6, 7))            // to 93 s
	gone := ser("q", "gone", points(0, 1, 2))                           // to 15 s
	ended := ser("q", "ended", points(0, 1, 2, 3, 4, 5, 6, math.NaN())) // says so at 90 s
	tests := []struct {
		name   string
		series []metric.Series
		want   float64
	}{
		{"one", []metric.Series{fast}, 105},
		{"the slower of two", []metric.Series{fast, slow}, 93},
		{"a vanished one", []metric.Series{gone, fast, slow}, 93},
		{"one that ended", []metric.Series{fast, ended}, 105},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a arrival
			a.see(tt.series, at(110))
			if !a.watermark().Equal(at(tt.want)) || a.interval != 15*time.Second || a.lag != 5*time.Second {
				t.Errorf("watermark %s, interval %s, lag %s, want %s, 15s, 5s", a.watermark(), a.interval, a.lag, at(tt.want))
			}
		})
	}
}

// The series of two polls belong together: a poll that brings nothing of a slow series does not forget it.
func TestWatermarkRemembers(t *testing.T) {
	var a arrival
	a.see([]metric.Series{ser("q", "fast", points(0, 1, 2, 3)), ser("q", "slow", points(2, 1, 2, 3))}, at(33))
	a.see([]metric.Series{ser("q", "fast", points(45, 4))}, at(46))
	if !a.watermark().Equal(at(32)) {
		t.Errorf("watermark %s, want %s", a.watermark(), at(32))
	}
}
