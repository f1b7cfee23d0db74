package diff

import (
	"math"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// maskAssignments hides what is given to a secret name: password=x, "token": "x", --api-key=x, Pwd=x;.
func (m *masker) maskAssignments(s string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '=' && s[i] != ':' || i < done {
			continue
		}
		if key := keyBefore(s[:i], s[i] == ':', s[i+1:]); key == "" || !m.kind(key).secret {
			continue
		}
		from := i + 1
		for from < len(s) && strings.IndexByte("=:> \t", s[from]) >= 0 {
			from++
		}
		end := valueEnd(s, from)
		if end == from || saysNothing(s[from:end]) || strings.HasPrefix(s[from:end], secretText) && end-from == len(secretText) {
			continue
		}
		b.WriteString(s[done:from] + secretText)
		done, i = end, end-1
	}
	if done == 0 {
		return s
	}
	return b.String() + s[done:]
}

var keyAtEnd = lazyregexp.New(`[A-Za-z_][A-Za-z0-9_.\-]*$`)

// keyBefore gives the name in front of = or :. A colon with nothing behind it but text assigns only where the name begins a word:
// arn:aws:secretsmanager:... assigns nothing.
func keyBefore(s string, colon bool, rest string) string {
	quoted := strings.HasSuffix(s, `"`) || strings.HasSuffix(s, "'")
	s = strings.TrimRight(s, " \t\"'\\]:")
	if len(s) > 200 {
		s = s[len(s)-200:]
	}
	key := keyAtEnd.FindString(s)
	if key == "" {
		return ""
	}
	before := strings.TrimRight(s[:len(s)-len(key)], "-")
	if colon && !quoted && rest != "" && rest[0] != ' ' && rest[0] != '\t' && before != "" && strings.IndexByte(" \t,;{[(\"'&?", before[len(before)-1]) < 0 {
		return ""
	}
	return key
}

// nextPair is what ends an unquoted value: the next name=value.
var nextPair = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_.\- ]{0,60}=`)

// valueEnd says where the value that begins at from ends.
func valueEnd(s string, from int) int {
	if from >= len(s) {
		return len(s)
	}
	if q := strings.TrimLeft(s[from:], `\`); q != "" && (q[0] == '"' || q[0] == '\'' || q[0] == '`') {
		open := len(s) - len(q)
		for i := open + 1; i < len(s); i++ {
			if s[i] == q[0] && (open > from || s[i-1] != '\\') {
				return i + 1
			}
		}
		return len(s)
	}
	for i := from; i < len(s); i++ {
		switch s[i] {
		case '\n', '\r':
			return i
		case '&', ';', ' ', ',':
			if nextPair.MatchString(strings.TrimLeft(s[i+1:], " -")) {
				return i
			}
		}
	}
	return len(s)
}

var flagValue = lazyregexp.New(`(^|[\s"'])(--?[A-Za-z][A-Za-z0-9_.\-]*)(\s+)("[^"]*"?|'[^']*'?|[^\s"']+)`)

// maskFlags hides the argument of a flag with a secret name in a command line: --password x.
func (m *masker) maskFlags(s string) string {
	if !strings.Contains(s, "-") {
		return s
	}
	for from := 0; ; {
		loc := flagValue.FindStringSubmatchIndex(s[from:])
		if loc == nil {
			return s
		}
		name, value := s[from+loc[4]:from+loc[5]], s[from+loc[8]:from+loc[9]]
		if m.kind(strings.TrimLeft(name, "-")).secret && !strings.HasPrefix(value, "-") && value != secretText {
			s = s[:from+loc[8]] + secretText + s[from+loc[9]:]
			from += loc[8] + len(secretText)
			continue
		}
		from += loc[7] // the value may be the next flag
		if loc[7] == 0 {
			return s
		}
	}
}

// A run of at least minRandom characters is looked at: an AWS key has 20.
const (
	minRandom = 20
	minHex    = 32
)

// maskRandom hides runs that no person would write: keys and tokens of no known form.
func maskRandom(s string, h hints) string {
	if len(s) < minRandom {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		end := i
		for end < len(s) && inRun(s[end]) {
			end++
		}
		if end == i {
			b.WriteByte(s[i])
			i++
			continue
		}
		run := s[i:end]
		if len(run) >= minRandom && !digest(s[:i], run) && random(run, h) {
			run = secretText
		}
		b.WriteString(run)
		i = end
	}
	return b.String()
}

func inRun(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+/=_-", c) >= 0
}

// digest says whether the run is the digest of something: sha256:..., sha512-...
func digest(before, run string) bool {
	for _, p := range []string{"sha256", "sha384", "sha512", "sha1"} {
		if strings.HasSuffix(before, p+":") || strings.HasPrefix(run, p+"-") {
			return true
		}
	}
	return false
}

// random judges a run as a whole where it mixes capitals, small letters and digits as base64 does, and else in its parts between
// punctuation, as names are made of words.
func random(run string, h hints) bool {
	lower, upper, digit, turns := classes(run)
	if lower > 1 && upper > 1 && worded(run) < 0.5 && entropy(run) >= 3.5 && (digit > 0 && turns >= 0.18 || upper > 3 && turns >= 0.14) {
		return true
	}
	for _, part := range strings.FieldsFunc(run, func(r rune) bool { return strings.ContainsRune("+/=_-", r) }) {
		if randomPart(part, h) {
			return true
		}
	}
	return false
}

func randomPart(p string, h hints) bool {
	lower, upper, digit, turns := classes(p)
	if strings.Trim(p, "0123456789abcdefABCDEF") == "" && (lower == 0 || upper == 0) {
		return !h.hex && len(p) >= minHex && digit < len(p)
	}
	return len(p) >= minRandom && digit >= 3 && turns >= 0.25 && entropy(p) >= 3
}

// classes counts small letters, capitals and digits, and gives the share of neighbours that are of different classes, a capital before
// a small letter and punctuation left out, as they begin words: about 0.4 in base64 and base36, below 0.15 in names.
func classes(s string) (lower, upper, digit int, turns float64) {
	last, changes := 0, 0
	for i := 0; i < len(s); i++ {
		class := 4
		switch c := s[i]; {
		case c >= 'a' && c <= 'z':
			lower++
			class = 1
		case c >= 'A' && c <= 'Z':
			upper++
			class = 2
		case c >= '0' && c <= '9':
			digit++
			class = 3
		}
		if i > 0 && class != last && class != 4 && last != 4 && !(last == 2 && class == 1) {
			changes++
		}
		last = class
	}
	return lower, upper, digit, float64(changes) / float64(max(1, len(s)-1))
}

// worded gives the share of characters that stand in words: four small letters or more, with the capital in front. It is about 0.9 in
// names, and below 0.3 in nearly all of base64.
func worded(s string) float64 {
	in, run := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= 'a' && s[i] <= 'z' {
			run++
			continue
		}
		if run >= 4 {
			in += run
			if first := i - run - 1; first >= 0 && s[first] >= 'A' && s[first] <= 'Z' {
				in++
			}
		}
		run = 0
	}
	return float64(in) / float64(max(1, len(s)))
}

// entropy is Shannon's, in bits a character.
func entropy(s string) float64 {
	var count [256]int
	for i := 0; i < len(s); i++ {
		count[s[i]]++
	}
	h := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			h -= p * math.Log2(p)
		}
	}
	return h
}
