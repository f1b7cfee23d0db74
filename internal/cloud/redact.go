package cloud

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// shortestSecret is the length from which a value is taken out of messages: shorter ones would garble every number.
const shortestSecret = 4

// redactor takes secrets out of a text from outside, in all the forms in which a server may give them back, and sanitises it: before and
// behind, because a character that is removed could stand in the middle of one.
func redactor(secrets []httpx.Secret) func(s string, limit int) string {
	var forms []string
	for _, secret := range secrets {
		s := secret.Reveal()
		if len(s) < shortestSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always has a JSON form
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) }) // no part of a longer one stays behind
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, httpx.NewSecret(f).String())
	}
	r := strings.NewReplacer(pairs...)
	return func(s string, limit int) string {
		s = r.Replace(s[:min(len(s), maxErrorBody)])
		return clean.Cut(r.Replace(clean.Cut(s, 4*clean.MaxText)), limit)
	}
}

// Redact sanitises a text from outside and takes secrets out of it.
func Redact(text string, secrets ...httpx.Secret) string { return redactor(secrets)(text, maxMessage) }
