package cloudtest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// AWS's published examples: the test suite of Signature Version 4 (get-vanilla, get-vanilla-query-order-key-case,
// post-x-www-form-urlencoded) and the documentation's ListUsers.
func TestVerifyPublishedVectors(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for _, tt := range []struct {
		name, method, url, kind, body, service, signed, signature string
	}{
		{"get-vanilla", "GET", "https://example.amazonaws.com/", "", "", "service", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "", "", "service", "host;x-amz-date",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"post-x-www-form-urlencoded", "POST", "https://example.amazonaws.com/", "application/x-www-form-urlencoded", "Param1=value1", "service",
			"content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"ListUsers", "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "application/x-www-form-urlencoded; charset=utf-8", "", "iam",
			"content-type;host;x-amz-date", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := func(signature string) *http.Request {
				r := httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
				r.Header.Set("X-Amz-Date", "20150830T123600Z")
				if tt.kind != "" {
					r.Header.Set("Content-Type", tt.kind)
				}
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"+tt.service+
					"/aws4_request, SignedHeaders="+tt.signed+", Signature="+signature)
				return r
			}
			s := cloudtest.Signature{KeyID: "AKIDEXAMPLE", Secret: secret, Service: tt.service, Region: "us-east-1"}
			if err := s.Verify(r(tt.signature)); err != nil {
				t.Error(err)
			}
			if s.Verify(r(strings.Repeat("0", 64))) == nil {
				t.Error("any signature passes")
			}
			s.Secret += "x"
			if s.Verify(r(tt.signature)) == nil {
				t.Error("any secret passes")
			}
		})
	}
}
