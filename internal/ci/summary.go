package ci

import "strings"

// maxSummary is what GitHub takes as the summary of one step, in bytes; above it, it drops the whole.
const maxSummary = 1024 * 1024

const cutNote = "\n\n*The summary was cut here: GitHub takes 1 MiB a step. `summary.md` in the out directory has all of it.*\n"

// cutSummary cuts Markdown to limit bytes, at the end of a line and never inside a code block (half of a diagram is an error on the
// page), and says so.
func cutSummary(md string, limit int) string {
	md = strings.ToValidUTF8(md, "\ufffd")
	if len(md)+1 <= limit { // one byte is for the end of an unended line before it
		return md
	}
	room := limit - len(cutNote) - 1
	if room <= 0 {
		return ""
	}
	head := md[:room]
	head = head[:strings.LastIndexByte(head, '\n')+1]
	if open := openFence(head); open >= 0 {
		head = head[:open]
	}
	return head + cutNote
}

// openFence is where a code block begins that does not end, else -1.
func openFence(md string) int {
	open, at := -1, 0
	for line := range strings.Lines(md) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			if open < 0 {
				open = at
			} else {
				open = -1
			}
		}
		at += len(line)
	}
	return open
}
