package mark

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/mark/sink"
)

// Limit is how long one tool may take. It is a marker, not the deploy: a tool that hangs must not hold it up for longer.
const Limit = 20 * time.Second

// Phase is one of the two things that a tool is told.
type Phase string

// The phases.
const (
	PhaseOpen Phase = "open"
	PhaseSeal Phase = "seal"
)

// Key names one message of a deploy.
type Key struct {
	Sink  string
	Phase Phase
}

// Told is what earlier attempts of the same deploy told the tools, by the journal or the ledger. Nil is nothing. A message is sent at
// most once to a tool that can't find its own: what may have arrived is not sent again.
type Told map[Key]Message

// Message is what is known of one message.
type Message struct {
	ID        string
	Uncertain bool // it was about to be sent, or its fate is not known: it may or may not have arrived
}

// Add takes one journal entry, in the journal's order: the intent before sending, then the result. An entry with an error and no intent
// says that the message surely did not arrive.
func (t Told) Add(tool string, phase Phase, intent bool, id, failed string) {
	k := Key{tool, phase}
	switch {
	case intent:
		t[k] = Message{ID: t[k].ID, Uncertain: true}
	case failed != "":
		delete(t, k)
	default:
		t[k] = Message{ID: id}
	}
}

// Result is what became of one message.
type Result struct {
	Sink  string
	Phase Phase
	ID    string // the marker's id in the tool, "" where its API gives none
	Err   error
	// Uncertain says that the message may have arrived in spite of Err. The caller journals it as an intent that is still open.
	Uncertain bool
	Warning   string // the marker was made, but not as asked for
	Hint      string // what to do about Err or Warning
	Skipped   string // why nothing was sent; "" if something was
}

// AtEnd is why nothing is sent at the start to a tool that takes a deploy only as a whole.
const AtEnd = "it takes a deploy as a whole, when it has ended"

// Before is called before a message is sent, one call at a time. The caller writes the intent to the journal; with an error nothing is
// sent, since a crash could then lead to a second marker.
type Before func(tool string, phase Phase) error

// Open tells every tool that the deploy starts. The results are in the order of the options. It never takes longer than Limit (unless
// the context ends earlier), and no failure of a tool is an error of the deploy.
func Open(ctx context.Context, o Options, m sink.Marker, told Told, before Before) []Result {
	m.Verdict, m.Reason, m.Summary, m.Ended = "", "", "", time.Time{}
	return tell(ctx, o, m, told, before, PhaseOpen, func(ctx context.Context, s Spec) (string, error) { return s.Sink.Open(ctx, m) })
}

// Seal tells every tool the end and the verdict. A marker that Open could not make is made now.
func Seal(ctx context.Context, o Options, m sink.Marker, told Told, before Before) []Result {
	told = maps.Clone(told) // Before may write to the caller's while the tools are told
	return tell(ctx, o, m, told, before, PhaseSeal, func(ctx context.Context, s Spec) (string, error) {
		id := told[Key{s.Kind, PhaseOpen}].ID
		return id, s.Sink.Seal(ctx, id, m)
	})
}

type send func(ctx context.Context, s Spec) (id string, err error)

func tell(ctx context.Context, o Options, m sink.Marker, told Told, before Before, phase Phase, send send) []Result {
	ctx, stop := context.WithTimeout(ctx, Limit)
	defer stop()
	results := make([]Result, len(o))
	for i, s := range o {
		results[i] = prepare(s, m, told, before, phase)
	}
	var wg sync.WaitGroup
	for i, s := range o {
		if results[i].Skipped != "" || results[i].Err != nil {
			continue
		}
		wg.Go(func() { results[i].sent(send(ctx, s)) })
	}
	wg.Wait()
	return results
}

// prepare decides whether a message is sent at all.
func prepare(s Spec, m sink.Marker, told Told, before Before, phase Phase) Result {
	r := Result{Sink: s.Kind, Phase: phase}
	earlier, known := told[Key{s.Kind, phase}]
	switch {
	case m.DeployID == "":
		r.Err = errors.New("the deploy has no id by which its marker could be found again")
		return r
	case known && !earlier.Uncertain:
		r.ID, r.Skipped = earlier.ID, "an earlier attempt of this deploy did it"
		return r
	case phase == PhaseOpen && s.Sink.Traits().AtEnd:
		r.Skipped = AtEnd
		return r
	case known && !s.Sink.Traits().Find:
		r.ID, r.Uncertain = earlier.ID, true
		r.Skipped = "an earlier attempt of this deploy may have sent it, and nobody can look: it is not sent twice"
		return r
	}
	if before != nil {
		if err := before(s.Kind, phase); err != nil {
			r.Err = fmt.Errorf("nothing was sent, because the intent could not be written down: %w", err)
		}
	}
	return r
}

// sent takes what the tool answered.
func (r *Result) sent(id string, err error) {
	r.ID = clean.Cut(id, 100)
	var w *sink.Warning
	var h *sink.Hinted
	switch {
	case err == nil:
	case errors.As(err, &w):
		r.Warning, r.Hint = w.Text, w.Hint
	default:
		r.Err, r.Uncertain = err, sink.Uncertain(err)
		if errors.As(err, &h) {
			r.Hint = h.Hint
		}
	}
}
