package metric

import (
	"slices"

	"github.com/bakegate/bakegate/internal/clean"
)

// What a source may say beside its numbers.
const (
	maxNotes = 10  // of one series
	maxNote  = 300 // bytes
)

// addNote adds a text from outside, without the block's secrets, to what is known already: clean, short, once, and not without end.
func addNote(notes []string, text string) []string {
	text = clean.Cut(text, maxNote)
	if text == "" || len(notes) >= maxNotes || slices.Contains(notes, text) {
		return notes
	}
	return append(notes, text)
}
