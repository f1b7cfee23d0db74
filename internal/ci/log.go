package ci

import (
	"io"
	"sync"
)

// LogWriter keeps text that is written to w from commanding the runner that reads the log: GitHub takes a line that begins with "::"
// (behind any space) and "##[" anywhere in a line, Azure "##vso[". One space inside the marker makes it text. Everything else
// passes byte for byte, however it is cut into writes. The writer may be used by several goroutines.
//
// A LogWriter of a LogWriter is the same one.
func LogWriter(w io.Writer) io.Writer {
	if l, ok := w.(*logWriter); ok {
		return l
	}
	return &logWriter{w: w}
}

type logWriter struct {
	mu     sync.Mutex
	w      io.Writer
	line   place
	last   byte
	hashes int  // how much of "##[" or "##vso[" has been seen
	mid    bool // the last byte written did not end a line
}

// place is how far a line has come.
type place uint8

const (
	begin  place = iota // nothing that a runner would take for text
	colon               // one colon, which may be the first of two
	inText              // text: no command can begin here
)

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]byte, 0, len(p)+8)
	for _, c := range p {
		if l.marks(c) {
			out = append(out, ' ')
		}
		out = append(out, c)
	}
	if len(p) > 0 {
		l.mid = p[len(p)-1] != '\n'
	}
	if _, err := l.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// marks takes the next byte and reports whether it would complete a marker.
func (l *logWriter) marks(c byte) bool {
	colons := l.line == colon && c == ':'
	hash := l.hash(c)
	switch {
	case c == '\n', c == '\r':
		l.line = begin
	case l.line == begin && c == ':':
		l.line = colon
	case l.line == colon, c > ' ' && c < 0x7f:
		// Bytes outside printable ASCII leave the begin open: which of them a runner trims is its own affair.
		l.line = inText
	}
	l.last = c
	return colons || hash
}

// marker is Azure's; GitHub's is its first two bytes and its last.
const marker = "##vso["

// hash follows "##[" and "##vso[" through the text and reports their last byte.
func (l *logWriter) hash(c byte) bool {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	switch {
	case c == '[' && (l.hashes == 2 || l.hashes == len(marker)-1):
		l.hashes = 0
		return true
	case c == '#':
		l.hashes = min(l.hashes+1, 2)
		if l.last != '#' {
			l.hashes = 1
		}
	case l.hashes >= 2 && l.hashes < len(marker) && c == marker[l.hashes]:
		l.hashes++
	default:
		l.hashes = 0
	}
	return false
}

// commands writes lines that are meant for the runner, each on a line of its own, past a LogWriter.
type commands struct{ w io.Writer }

func (c commands) line(s string) {
	l, ok := c.w.(*logWriter)
	if !ok {
		_, _ = io.WriteString(c.w, s+"\n")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mid {
		s = "\n" + s
	}
	l.mid, l.line, l.last, l.hashes = false, begin, '\n', 0
	_, _ = io.WriteString(l.w, s+"\n")
}

// raw is the writer behind a LogWriter: a child process gets it as it is, so that a file stays a file.
func raw(w io.Writer) io.Writer {
	if l, ok := w.(*logWriter); ok {
		return l.w
	}
	return w
}
