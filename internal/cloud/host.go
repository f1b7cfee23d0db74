package cloud

import "strings"

// Host brings the host of a registry into the form that is compared: lower case, without the port 443. It reports false for what is no
// DNS name, so that a suffix that matches is a whole domain: labels of letters, digits and hyphens.
func Host(host string) (string, bool) {
	h := strings.TrimSuffix(host, ":443")
	if len(h) > 253 || strings.ContainsFunc(h, func(r rune) bool { return r > '~' }) { // the Kelvin sign has a k for its lower case
		return "", false
	}
	h = strings.ToLower(h)
	for label := range strings.SplitSeq(h, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return h, true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}
