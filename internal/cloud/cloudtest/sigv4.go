package cloudtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Signature is what a service knows of who signs: it computes the signature once more.
type Signature struct {
	KeyID, Secret   string
	Token           string // X-Amz-Security-Token must be this
	Service, Region string
	// Skew is how far the time of the signature may be from now; 0: any.
	Skew time.Duration
}

// Verify checks the request's Signature Version 4, written from the specification and from nothing that signs. It leaves the body readable.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s Signature) Verify(r *http.Request) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("authorization %q", r.Header.Get("Authorization"))
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(part, "=")
		fields[k] = v
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	if d := time.Since(at).Abs(); s.Skew > 0 && d > s.Skew {
		return fmt.Errorf("signed %s away from now", d)
	}
	if got := r.Header.Get("X-Amz-Security-Token"); got != s.Token {
		return fmt.Errorf("session token %q, want %q", got, s.Token)
	}
	scope := strings.Join([]string{at.Format("20060102"), s.Region, s.Service, "aws4_request"}, "/")
	if want := s.KeyID + "/" + scope; fields["Credential"] != want {
		return fmt.Errorf("credential %q, want %q", fields["Credential"], want)
	}
	canonical, err := canonicalRequest(r, strings.Split(fields["SignedHeaders"], ";"))
	if err != nil {
		return err
	}
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", at.Format("20060102T150405Z"), scope, hexHash([]byte(canonical))}, "\n")
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{at.Format("20060102"), s.Region, s.Service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if got, want := fields["Signature"], hex.EncodeToString(key); got != want {
		return fmt.Errorf("signature %s, want %s of\n%s", got, want, canonical)
	}
	return nil
}

func canonicalRequest(r *http.Request, signed []string) (string, error) {
	for _, must := range []string{"host", "x-amz-date"} {
		if !slices.Contains(signed, must) {
			return "", fmt.Errorf("header %s is not signed", must)
		}
	}
	for name := range r.Header { // what begins with x-amz- must be signed
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") && !slices.Contains(signed, n) {
			return "", fmt.Errorf("header %s is not signed", name)
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var headers strings.Builder
	for _, name := range signed {
		v := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(len(body))
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(v), " "))
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{r.Method, encodeTwice(path), canonicalQuery(r.URL.Query()), headers.String(), strings.Join(signed, ";"), hexHash(body)}, "\n"), nil
}

// encodeTwice encodes each segment of a path that is encoded already, as every service but S3 wants it.
func encodeTwice(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = encode(parts[i])
	}
	return strings.Join(parts, "/")
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for k, vs := range q {
		for _, v := range vs {
			pairs = append(pairs, encode(k)+"="+encode(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// encode is RFC 3986 with the unreserved characters only, where a space is %20.
func encode(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}

func hexHash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
