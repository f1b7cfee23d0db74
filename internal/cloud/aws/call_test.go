package aws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	ecsHost = "ecs.eu-west-1.amazonaws.com"
	target  = "AmazonEC2ContainerServiceV20141113.DescribeClusters"
)

func TestCall(t *testing.T) {
	w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{ecsHost: service(t, "ecs", "eu-west-1", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"told":%q}`, r.Header.Get("X-Amz-Target")+" "+string(b))
	})}}
	var out struct{ Told string }
	if err := client(w, keys...).Call(t.Context(), "ecs", "", target, map[string]string{"k": "é\"<"}, &out); err != nil {
		t.Fatal(err)
	}
	if want := target + ` {"k":"é\"\u003c"}`; out.Told != want {
		t.Errorf("got %s, want %s", out.Told, want)
	}
}

func TestCallErrors(t *testing.T) {
	answers := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("X-Amzn-Errortype", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		code   string
	}{
		{"code in the body", answers(400, "", `{"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"Cluster not found."}`), "ecs DescribeClusters: HTTP 400 ClusterNotFoundException: Cluster not found.", "ClusterNotFoundException"},
		{"code in the header", answers(403, "AccessDeniedException:http://internal.amazon.com/x/", `{"Message":"User: arn:aws:sts::1:x is not authorized"}`), "HTTP 403 AccessDeniedException: User: arn:aws:sts::1:x is not authorized", "AccessDeniedException"},
		{"a plain code", answers(400, "", `{"code":"UnrecognizedClientException","message":"The security token is invalid"}`), "HTTP 400 UnrecognizedClientException: The security token is invalid", "UnrecognizedClientException"},
		{"no JSON", answers(403, "", "<html><body>Blocked by the proxy</body></html>"), "HTTP 403: <html><body>Blocked by the proxy</body></html>", ""},
		{"nothing", answers(404, "", ""), "ecs DescribeClusters: HTTP 404", ""},
		{"the secrets come back", answers(400, "X", `{"message":"you sent `+session+" \x1b[31m"+strings.ReplaceAll(session, "/", `\/`)+` and know `+secret+`"}`), "HTTP 400", "X"},
		{"a long one", answers(400, "X", `{"message":"`+strings.Repeat("m", 100_000)+`"}`), "mmm", ""},
		{"a redirect to elsewhere", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "leads away from https://ecs.eu-west-1.amazonaws.com", ""},
		{"a reply that is no JSON", says(secret), "that are not the JSON of this operation", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{ecsHost: service(t, "ecs", "eu-west-1", tt.answer)}}
			var out struct{ Told string }
			err := client(w, keys...).Call(t.Context(), "ecs", "", target, nil, &out)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 1000 {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			var e *aws.Error
			if tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code || e.Service != "ecs DescribeClusters" || e.Status < 400) {
				t.Errorf("got %+v, want the code %s", e, tt.code)
			}
			for _, s := range []string{secret, session} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error shows %s: %v", s, err)
				}
			}
		})
	}
}

// Throttling comes as HTTP 400, which no client repeats by itself. Each try is signed anew.
func TestThrottling(t *testing.T) {
	for name, tt := range map[string]struct {
		times int // that it is refused
		limit time.Duration
		calls int
		good  bool
		least time.Duration
		most  time.Duration
	}{
		"twice":             {2, time.Hour, 3, true, 750 * time.Millisecond, 1500 * time.Millisecond},
		"without end":       {99, time.Hour, 5, false, 3750 * time.Millisecond, 7500 * time.Millisecond},
		"longer than there": {99, 600 * time.Millisecond, 2, false, 600 * time.Millisecond, 600 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			signatures := map[string]bool{}
			w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{ecsHost: service(t, "ecs", "eu-west-1", func(w http.ResponseWriter, r *http.Request) {
				signatures[r.Header.Get("Authorization")] = true
				if n++; n <= tt.times {
					refuse(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
					return
				}
				_, _ = io.WriteString(w, "{}")
			})}}
			ctx, stop := context.WithTimeout(t.Context(), tt.limit)
			defer stop()
			start := time.Now()
			var out struct{}
			err := client(w, keys...).Call(ctx, "ecs", "", target, nil, &out)
			took := time.Since(start)
			if (err == nil) != tt.good || n != tt.calls || took < tt.least || took > tt.most {
				t.Errorf("%s: %v after %d calls and %s; want %d, %s to %s", name, err, n, took, tt.calls, tt.least, tt.most)
			}
			var e *aws.Error
			if !tt.good && (!errors.As(err, &e) || e.Code != "ThrottlingException") {
				t.Errorf("%s: got %v", name, err)
			}
			if tt.calls > 3 && len(signatures) < 3 {
				t.Errorf("%s: %d signatures for %d calls over seconds", name, len(signatures), tt.calls)
			}
		})
	}
}

// A call without credentials says so in the form that lets the caller go on without.
func TestCallWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out struct{}
		err := client(&cloudtest.World{}, "AWS_REGION", "eu-west-1").Call(t.Context(), "ecs", "", target, nil, &out)
		if !errors.Is(err, cloud.ErrNone) || !strings.HasPrefix(err.Error(), "no AWS credentials: no AWS_ACCESS_KEY_ID, ") {
			t.Errorf("got %v", err)
		}
		if err := client(&cloudtest.World{}, keys[:6]...).Call(t.Context(), "ecs", "", target, nil, &out); err == nil || !strings.Contains(err.Error(), "set AWS_REGION") {
			t.Errorf("without a region: %v", err)
		}
	})
}

// Over a real connection: what is signed is what arrives.
func TestRealServer(t *testing.T) {
	sig := cloudtest.Signature{KeyID: keyID, Secret: secret, Token: session, Service: "ecs", Region: "eu-west-1", Skew: time.Minute}
	var answer http.HandlerFunc
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sig.Verify(r); err != nil {
			t.Error(err)
		}
		answer(w, r)
	}))
	defer s.Close()
	env := append([]string{"AWS_ENDPOINT_URL", s.URL + "/prefix~/a b"}, keys...)
	c := aws.New(cloud.Options{Getenv: cloudtest.Env(env...)})
	var out struct{ OK bool }

	answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix~/a b/" || r.ContentLength != 2 {
			t.Errorf("path %q, %d bytes", r.URL.Path, r.ContentLength)
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
	if err := c.Call(t.Context(), "ecs", "", target, struct{}{}, &out); err != nil || !out.OK {
		t.Errorf("got %v, %v", out, err)
	}

	answer = func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			_, _ = w.Write(make([]byte, 16<<10))
		}
	}
	var large *httpx.TooLargeError
	if err := c.Call(t.Context(), "ecs", "", target, struct{}{}, &out); !errors.As(err, &large) {
		t.Errorf("a huge reply: %v", err)
	}

	answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"ok":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if err := c.Call(ctx, "ecs", "", target, struct{}{}, &out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow reply: %v", err)
	}
}

// Queries, paths and bodies of Prometheus, signed anew for each try.
func TestSigner(t *testing.T) {
	sig := cloudtest.Signature{KeyID: keyID, Secret: secret, Token: session, Service: "aps", Region: "eu-west-1", Skew: time.Minute}
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sig.Verify(r); err != nil {
			t.Error(err)
		}
		if n++; n%2 == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), b)
	}))
	defer s.Close()
	c, err := httpx.New(httpx.Remote{URL: s.URL + "/workspaces/ws-1"}, httpx.WithRepeatable(), httpx.WithSigner(aws.New(cloud.Options{Getenv: cloudtest.Env(keys...)}).Signer("aps", "")))
	if err != nil {
		t.Fatal(err)
	}
	h := c.HTTP()
	for _, tt := range []struct{ method, uri, body string }{
		{"GET", "/workspaces/ws-1/api/v1/query?query=sum%28rate%28x%7Ba%3D~%22b+c%22%7D%5B1m%5D%29%29&time=1", ""},
		{"GET", "/workspaces/ws-1/api/v1/label/a%2Fb/values?match%5B%5D=a&match%5B%5D=b", ""},
		{"POST", "/workspaces/ws-1/api/v1/query", "query=up%20%2B%201"},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		r, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.uri, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := h.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		// The signer writes the query in its canonical form: a space is %20, the names are in order.
		if want := tt.method + " " + strings.ReplaceAll(tt.uri, "+", "%20") + " " + tt.body; strings.ReplaceAll(string(got), "+", "%20") != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("the caller's request was changed")
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/", strings.NewReader(strings.Repeat("x", 8<<20+1)))
	if _, err := h.Do(r); err == nil || !strings.Contains(err.Error(), "too large to be signed") {
		t.Errorf("got %v", err)
	}
}
