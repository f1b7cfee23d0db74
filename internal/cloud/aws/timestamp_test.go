package aws_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cloud/aws"
)

func TestTimestamp(t *testing.T) {
	for in, want := range map[string]string{
		`1448878779.809`: "2015-11-30T10:19:39.809Z", `1.448878779809E9`: "2015-11-30T10:19:39.809Z", `0`: "1970-01-01T00:00:00Z",
		`"2026-01-02T03:04:05Z"`: "2026-01-02T03:04:05Z", `"2026-01-02T03:04:05+01:00"`: "2026-01-02T02:04:05Z", `null`: "", `""`: "",
		`-1`: "error", `1e300`: "error", `"soon"`: "error", `true`: "error", `{}`: "error",
	} {
		var got aws.Timestamp
		err := json.Unmarshal([]byte(in), &got)
		switch {
		case want == "error" && err == nil, want != "error" && err != nil, want == "" && !got.IsZero():
			t.Errorf("%s: %v, %v", in, got, err)
		case want != "error" && want != "" && got.Format(time.RFC3339Nano) != want:
			t.Errorf("%s: %s, want %s", in, got.Format(time.RFC3339Nano), want)
		}
	}
}

func FuzzTimestamp(f *testing.F) {
	f.Add(`1448878779.809`)
	f.Add(`"2026-01-02T03:04:05Z"`)
	f.Fuzz(func(t *testing.T, in string) {
		var got aws.Timestamp
		if json.Unmarshal([]byte(in), &got) == nil && !got.IsZero() && (got.Year() < 0 || got.Year() > 9999) {
			t.Errorf("%q: %s", in, got)
		}
	})
}
