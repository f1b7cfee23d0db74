package bake

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Plan is one bake.
type Plan struct {
	Options Options                  // with defaults
	Sources map[string]metric.Source // by the name that Metric.From and ReadyWhen.From use
	Vars    map[string]string        // $service, $environment, $version; $step is added by the source
	Deploy  release.Deploy
	// Excluded is left out of the baseline: earlier deploys and rollbacks.
	Excluded []Interval
	// Earlier are deploys of this service that passed: how it warms up. Their samples are fetched where the backend still has them.
	Earlier []release.Deploy
	Resume  Resume
	// Once judges what is known by now and returns; Result.Pending says that the window is not over.
	Once bool
	// Observe takes what happens as it happens, one event at a time. It must not block for long.
	Observe func(Event)
	// Superseded says whether another deploy took over, and which. It is asked at the start and then once a minute. nil: never.
	Superseded func(context.Context) (by string, yes bool, err error)

	newJudge  func(judge.Spec, []judge.Sample) judging // nil: judge.New
	newDeploy func(judge.DeploySpec, iter.Seq[judge.History]) deployJudge
}

// Resume is what an earlier process of the same bake left in its journal, by the metric's name.
type Resume struct {
	Serving  time.Time // when that process found the new version serving; zero: it did not
	Samples  map[string]judge.Packed
	Baseline map[string]judge.Packed
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of an event, and the fields they set beside At and Text.
const (
	EventServing   EventKind = "serving"   // From: when the bake's clock starts; To: the window's end
	EventBaseline  EventKind = "baseline"  // Metric, Samples: of the time before the deploy
	EventSample    EventKind = "sample"    // Metric, Samples: of the window
	EventJudgement EventKind = "judgement" // Metric, Judgement
	EventTrouble   EventKind = "trouble"   // Metric, Reason: no answer, or one that is no evidence
	EventRecovered EventKind = "recovered" // Metric, Reason, From, To: the trouble lasted so long; what was missed is fetched now
	EventGap       EventKind = "gap"       // Metric, Reason, From, To: nothing was observed, and nothing will be
	EventHeartbeat EventKind = "heartbeat" // Text alone
	EventNote      EventKind = "note"      // Text alone
)

// Event is one thing that happened: a line of the live log where it has a Text, an entry of the journal where it has data.
type Event struct {
	At        time.Time
	Kind      EventKind
	Metric    string
	Of        string // the metric that Metric is a group of; "" where it is none
	Samples   []judge.Sample
	Judgement *judge.Judgement
	From, To  time.Time
	Reason    string
	Text      string
}

// Gap is a part of the window in which nothing was observed.
type Gap struct {
	Metric   string
	From, To time.Time
	Reason   string
}

// Result is what the bake found.
type Result struct {
	Findings             []verdict.Finding
	Judgements           []judge.Judgement // in the order of the metrics, each with those of its groups that failed; a metric that could not be judged has none
	Serving              time.Time         // zero: the new version never served
	WindowFrom, WindowTo time.Time
	Pending              bool   // Once: the window is not over
	Aborted              bool   // the context was cancelled; Findings is what was found so far
	Superseded           string // by which deploy; "" by none
	Gaps                 []Gap
}

// observer hands events on, one at a time, until the bake is over: a source that answers late tells nobody.
type observer struct {
	mu     sync.Mutex
	to     func(Event)
	closed bool
}

func (o *observer) tell(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.to == nil {
		return
	}
	e.At = time.Now()
	o.to(e)
}

func (o *observer) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}
