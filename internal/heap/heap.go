// Package heap lets the first megabytes of a run go uncollected. A step of a pipeline that starts, asks a registry four questions and
// ends would otherwise collect twice: once for what the packages make when they start, and once in the middle of its work.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// first is the heap, in percent of the 4 MiB at which Go collects for the first time: 32 MiB.
const first = 800

// usual is Go's own: a collection when the heap has doubled. Long runs and large states keep their bounds.
const usual = 100

// Packages are initialised in the order of their import paths, so that this runs before nearly all that is linked in.
func init() {
	runtime.MemProfileRate = 0   // nothing here writes a profile of the heap: Go would note the callers of every 512 KiB for one
	if os.Getenv("GOGC") == "" { // whoever set it meant it
		relax()
	}
}

func relax() {
	debug.SetGCPercent(first)
	seen := new([16]byte)                                            // not a tiny object: those share a block
	runtime.SetFinalizer(seen, func(*[16]byte) { relaxed.settle() }) // the first collection finds that nobody holds it
}

// ample is for work that keeps nearly all that it makes: a collection when the heap has grown to three times what is in use.
const ample = 200

// percent is when to collect after the first collection.
type percent struct {
	mu      sync.Mutex
	settled bool // the first collection is over
	wanted  int
}

var relaxed = percent{wanted: usual}

func (p *percent) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = true
	debug.SetGCPercent(p.wanted)
}

func (p *percent) want(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted = n; p.settled {
		debug.SetGCPercent(n)
	}
}

// Ample lets the heap grow more between collections, until the returned function is called. It is for reading what is ours and is bounded:
// two states of a configuration are held as a whole, and collecting while they are read finds next to nothing.
func Ample() (done func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	relaxed.want(ample)
	return func() { relaxed.want(usual) }
}

// Within asks Go to collect early enough that the process stays about within a number of bytes, until the returned function is called. It is
// for work on what a stranger sends: garbage is no reason to need more. It bounds nothing that is in use.
func Within(bytes int64) (done func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(bytes)
	return func() { debug.SetMemoryLimit(before) }
}
