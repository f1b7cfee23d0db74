package aws

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// AWS's published examples: get-vanilla of the test suite of Signature Version 4, ListUsers of the documentation.
func TestSignPublishedVectors(t *testing.T) {
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	creds := Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: httpx.NewSecret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}
	for _, tt := range []struct{ url, kind, service, want string }{
		{"https://example.amazonaws.com/", "", "service", "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "application/x-www-form-urlencoded; charset=utf-8", "iam",
			"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
	} {
		r, err := http.NewRequest(http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.kind != "" {
			r.Header.Set("Content-Type", tt.kind)
		}
		if err := sign(t.Context(), r, nil, creds, tt.service, "us-east-1", at); err != nil {
			t.Fatal(err)
		}
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/" + tt.service + "/aws4_request, " + tt.want
		if got := r.Header.Get("Authorization"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSignRefusesWhatIsNoRegion(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "https://example.amazonaws.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]string{"": "no AWS region is known", "eu-west-1\r\nX: y": "is no AWS region", "evil.com/": "is no AWS region"} {
		if err := sign(t.Context(), r, nil, Credentials{}, "ecr", region, time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", region, err, want)
		}
	}
}
