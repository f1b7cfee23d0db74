package azure

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Whatever is in a token or a reply, what is kept ends, and not later than it may.
func FuzzEnds(f *testing.F) {
	f.Add(`{"access_token":"a","expires_in":"3599","expires_on":"4000000000"}`, "a.eyJleHAiOjE3MDAwMDAwMDB9.c")
	f.Add(`{"expires_in":1e3}`, "a.e30.c")
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, reply, token string) {
		if at := end(httpx.NewSecret(token), now); at.Before(now) || at.After(now.Add(24*time.Hour)) {
			t.Errorf("%q ends at %s", token, at)
		}
		var out tokenReply
		if json.Unmarshal([]byte(reply), &out) != nil {
			return
		}
		if at, ok := out.end(now); ok && (at.After(now.Add(48*time.Hour)) || out.ExpiresOn == "" && !at.After(now)) {
			t.Errorf("%q ends at %s", reply, at)
		}
	})
}
