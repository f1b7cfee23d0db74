package judge

import (
	"math"
	"time"
)

// A fresh process has cold caches and empty pools. The default band was measured on simulated services that warm up in 2 to 5 minutes:
// latency and error ratio up to x(1 + 2.1 e^(-t/160 s)), errors up to 0.4 percentage points e^(-t/60 s) more. A warm-up of another length
// stretches the band; 5 minutes give it as measured.
const (
	warmDefault = 5 * time.Minute
	warmHeight  = 2.1
	warmDecay   = 160.0 // s
	warmAdd     = 0.004
	warmAddTime = 60.0 // s
)

// warmth is the band at one moment: a factor of at least 1 and a probability to add.
type warmth struct{ factor, add float64 }

// warmAt gives the band t seconds after the start.
func warmAt(t float64, length time.Duration) warmth {
	if length <= 0 {
		return warmth{1, 0}
	}
	t = math.Max(0, t) * warmDefault.Seconds() / length.Seconds()
	return warmth{1 + warmHeight*math.Exp(-t/warmDecay), warmAdd * math.Exp(-t/warmAddTime)}
}

// settled says that the band has come down so far that a doubling shows above it.
func (w warmth) settled() bool { return w.factor < 1.5 }
