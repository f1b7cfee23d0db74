package diff

import (
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

const (
	secretText    = "[secret]"
	secretChanged = "[secret changed]"
)

// masker hides secrets in what is shown. It knows the values that are secret by their place, so that they are hidden where they stand
// elsewhere too.
type masker struct {
	kinds map[string]nameKind
	names map[string]string // what name gave
	known knownSecrets      // nil until the secrets of both trees are known
}

func newMasker() *masker { return &masker{kinds: map[string]nameKind{}, names: map[string]string{}} }

// Masked hides what looks secret in a text by its form alone (tokens, passwords in URLs, what is assigned to a secret name), and gives it
// on one line: for texts that no state is at hand for, as in messages about a file that can't be read.
func Masked(s string) string { return newMasker().name(s) }

// hints are what is known of a text's place.
type hints struct {
	hex bool // a digest or a commit may stand here
}

// maxMasked is the longest text that is looked through, in bytes. A longer one is not shown at all.
const maxMasked = 16 << 10

// mask hides what looks secret in a text, and says whether it did. The text may be of any length and form.
func (m *masker) mask(s string, h hints) (masked string, hidden bool) {
	if len(s) > maxMasked {
		return secretText, true
	}
	out := m.known.replace(s)
	if simple(out) {
		if beginsToken(out) {
			out = tokens.ReplaceAllString(out, secretText)
		}
		out = maskRandom(out, h)
		return out, out != s
	}
	if structured(out) && (marker.MatchString(out) || strings.Contains(out, secretText)) {
		return secretText, true
	}
	out = maskPEM(out)
	if strings.ContainsAny(out, ":@/") {
		out = maskURLs(out)
		out = pairAt.ReplaceAllStringFunc(out, maskPair)
	}
	out = m.maskAssignments(out)
	out = m.maskFlags(out)
	for _, c := range commands {
		out = c.ReplaceAllString(out, "${1}"+secretText)
	}
	out = tokens.ReplaceAllString(out, secretText)
	out = maskRandom(out, h)
	return out, out != s
}

// simple says whether a text has small letters, digits, dots and hyphens alone, as most names: nothing is assigned in it.
func simple(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// tokenBeginnings are those of tokens that are written in small letters, digits, dots and hyphens alone.
var tokenBeginnings = strings.Fields("gl xox xapp- sk- pypi- key- hv dapi sq0")

// beginsToken says whether such a token may be in a text.
func beginsToken(s string) bool {
	return slices.ContainsFunc(tokenBeginnings, func(b string) bool { return strings.Contains(s, b) })
}

// structured says whether a text is a document of its own, whose structure is not known here: several lines, JSON, XML. With a secret
// anywhere in it nothing of it is shown: what belongs to a key may stand on other lines.
func structured(s string) bool {
	t := strings.TrimSpace(s)
	return strings.ContainsAny(t, "\n\r") || t != "" && strings.ContainsRune("{[<", rune(t[0])) && !strings.HasPrefix(t, secretText)
}

// marker is any word that goes with a secret.
var marker = lazyregexp.New(`(?i)passw|passphrase|passcode|\bpass\b|_pass\b|pwd|secret|token|api[-_. ]?key|private[-_. ]?key|access[-_. ]?key|` +
	`auth[-_. ]?key|[a-z0-9]_keys?\b|[-.]key\b|credential|\bcreds?\b|bearer|authorization|cookie|\bdsn\b|connection[-_. ]?string|\bjwt\b|\bauth\b|` +
	`\$apr1\$|\$2[aby]\$|\$[156]\$|\{SSHA|://[^/\s]*@|-----BEGIN|hmac|\bpsk\b|\bsalt\b`)

// maskPEM hides PEM blocks, one that is cut off up to the end of the text.
func maskPEM(s string) string {
	const begin, end = "-----BEGIN", "-----END"
	for {
		i := strings.Index(s, begin)
		if i < 0 {
			return s
		}
		rest := ""
		if j := strings.Index(s[i:], end); j >= 0 {
			tail := s[i+j+len(end):]
			if k := strings.Index(tail, "-----"); k >= 0 {
				rest = tail[k+5:]
			}
		}
		s = s[:i] + secretText + rest
	}
}

// maskURLs hides the password of every URL, and a user that looks like a token. What stands before the last @ belongs to the
// password, as people write @ and / into passwords without escaping them.
func maskURLs(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		i += len("://")
		web := strings.HasSuffix(s[:i], "http://") || strings.HasSuffix(s[:i], "https://")
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexAny(s, " \t\r\n\"'`<>")
		if end < 0 {
			end = len(s)
		}
		if next := strings.Index(s[:end], "://"); next >= 0 && strings.LastIndexByte(s[:next], '@') < 0 {
			continue // a list of URLs: this one has no user
		}
		b.WriteString(maskUserinfo(s[:end], web))
		s = s[end:]
	}
}

// maskUserinfo takes what stands behind ://. A user without a password is a token on the web, and a name elsewhere (ssh://git@...).
func maskUserinfo(s string, web bool) string {
	authority := s
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		authority = s[:i]
	}
	last := strings.LastIndexByte(s, '@')
	if last < 0 {
		return s
	}
	user, password, hasPassword := strings.Cut(s[:last], ":")
	if !strings.Contains(authority, "@") {
		_, port, ok := strings.Cut(authority, ":")
		if !ok || digits(port) {
			return s // an @ in the path
		}
	}
	switch {
	case hasPassword && password != "":
		return shortUser(user) + ":" + secretText + s[last:]
	case hasPassword, web:
		return secretText + s[last:]
	}
	return shortUser(user) + s[strings.IndexByte(s, '@'):]
}

// shortUser gives a user's name, hidden where it is no name but a token.
func shortUser(u string) string {
	if len(u) >= 16 || strings.ContainsAny(u, "/?#@") {
		return secretText
	}
	return u
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// pairAt is user:password@host without a scheme, as in the DSN of Go's MySQL driver. A digest (name:tag@sha256:...) is none.
var pairAt = lazyregexp.New(`[A-Za-z0-9_.+\-]+:[^\s:/@"']+[^\s"']*@(?:[A-Za-z0-9_.\-]+|\[)[:(]?`)

func maskPair(s string) string {
	i := strings.LastIndexByte(s, '@')
	host := s[i+1:]
	user, password, _ := strings.Cut(s, ":")
	port, _, slash := strings.Cut(password, "/")
	switch {
	case slash && digits(port): // host:port/path/@scope
		return s
	case host == "sha256:", host == "sha512:", user == "mailto", user == "sip", user == "npm", user == "acct":
		return s
	}
	return user + ":" + secretText + s[i:]
}

// commands hold a secret behind a flag with a short name, or behind a word.
var commands = []*lazyregexp.Regexp{
	lazyregexp.New(`(?i)(\b(?:bearer|basic|digest|negotiate|apikey)\s+)[A-Za-z0-9+/=_.~\-]{6,}`),
	lazyregexp.New(`(\b(?:mysql|mysqladmin|mysqldump|mariadb|mariadb-dump)\b[^|;&]*?\s-p)[^\s'"]+`),
	lazyregexp.New(`(\bsshpass\s+-p\s*)\S+`),
	lazyregexp.New(`(\bredis-cli\b[^|;&]*?\s-a\s+)\S+`),
	lazyregexp.New(`((?:^|\s)(?:-u|--user|--proxy-user)[ =]*['"]?[^\s:'"]+:)[^\s'"]+`),
	lazyregexp.New(`(?i)(\b(?:password|passwd|passphrase|requirepass|masterauth|auth-pass)\s+)[^\s=:]\S*`),
	lazyregexp.New(`(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?BY\s+)\S+`),
	lazyregexp.New(`(hooks\.slack\.com/(?:services|workflows|triggers)/)\S+`),
	lazyregexp.New(`(discord(?:app)?\.com/api/webhooks/)\S+`),
	lazyregexp.New(`(webhook\.office\.com/)\S+`),
	lazyregexp.New(`(api\.telegram\.org/bot)[^\s/]+`),
	lazyregexp.New(`(?i)([?&](?:sig|signature|x-amz-signature|x-amz-security-token|key|code|auth)=)[^&\s"']+`),
}

// tokens begin like those of a well-known issuer.
var tokens = lazyregexp.New(`\b(?:gh[pousr]_[A-Za-z0-9]{10,}|github_pat_\w{10,}|gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[\w\-]{10,}|xox[a-z]-[\w\-]{8,}|xapp-[\w\-]{8,}|` +
	`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}|AIza[\w\-]{20,}|ya29\.[\w\-.]{10,}|[sprw]k_(?:live|test)_\w{8,}|whsec_\w{8,}|sk-[\w\-]{16,}|SG\.[\w\-]{10,}\.[\w\-]{10,}|` +
	`eyJ[\w\-]{8,}\.[\w\-.]*|npm_\w{16,}|dop_v1_\w{16,}|hv[sbr]\.[\w\-]{10,}|glsa_\w{10,}|glc_\w{10,}|pypi-[\w\-]{16,}|shp(?:at|ss|ca|pa)_\w{10,}|` +
	`dapi[0-9a-f]{20,}|NRAK-\w{10,}|PMAK-[\w\-]{10,}|lin_api_\w{10,}|AGE-SECRET-KEY-\w+|dckr_pat_[\w\-]{10,}|sq0[a-z]{3}-[\w\-]{10,}|key-[0-9a-f]{32})` +
	`|\$(?:apr1|2[aby]|[1567]|y|argon2\w*)\$\S+|\{S?SHA\d*\}\S+`)
