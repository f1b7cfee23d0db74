package config

import (
	"fmt"
	"strings"
)

// suggest returns the candidate that word was most likely meant to be, or "".
func suggest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if len(c) > 64 || c == word {
			continue
		}
		if d := distance(fold(word), fold(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// fold makes the spellings equal that people mix up without a typing error.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// distance is the optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours each count one.
// See Boytsov, Indexing methods for approximate dictionary searching (2011), section 2.2.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// didYouMean is the hint for a word that is none of the allowed ones.
func didYouMean(word string, allowed []string) string {
	if s := suggest(word, allowed); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	if len(allowed) == 0 {
		return ""
	}
	return "allowed here: " + strings.Join(allowed, ", ")
}
