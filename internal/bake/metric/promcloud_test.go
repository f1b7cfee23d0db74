package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/cloud/google"
	"github.com/bakegate/bakegate/internal/httpx"
)

func getCloudWatchKey(name string) string { return cloudWatchKeys[name] }

// managedAt is a workspace of Amazon's managed Prometheus.
func managedAt(r httpx.Remote) (*prometheus, error) {
	p, err := newPrometheus(PrometheusOptions{Remote: r, SigV4: &SigV4Options{}, ScrapeInterval: new(time.Second)})
	if err != nil {
		return nil, err
	}
	return p, p.Use(Env{Getenv: getCloudWatchKey})
}

// What is asked of Amazon's service is signed, each try anew, the tenant's header with it.
func TestPrometheusSigV4(t *testing.T) {
	signature := cloudtest.Signature{KeyID: "AKIDEXAMPLE", Secret: cloudWatchKeys["AWS_SECRET_ACCESS_KEY"], Token: "hunter2hunter2", Service: "aps", Region: "eu-west-1", Skew: time.Minute}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := signature.Verify(r); err != nil || r.Header.Get("X-Scope-OrgID") != "tenant-1" {
			t.Errorf("got %v, %v", err, r.Header)
		}
		if n++; n == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if got := r.PostFormValue("query"); r.URL.Path != "/workspaces/ws-1/api/v1/query" || got != `x{app="check\"out"}[10s]` {
			t.Errorf("asked %s for %s", r.URL, got)
		}
		fmt.Fprint(w, reply(t, "prometheus/raw.json"))
	}))
	defer server.Close()
	p, err := managedAt(httpx.Remote{URL: server.URL + "/workspaces/ws-1", Headers: map[string]httpx.Secret{"X-Scope-OrgID": httpx.NewSecret("tenant-1")}})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Kind: Counter, Text: `x{app="$service"}`, Vars: map[string]string{"service": `check"out`}}
	if got := ask(t, p, q, time.UnixMilli(1795250240000), time.UnixMilli(1795250250000), time.Second); len(got) != 1 || n != 2 {
		t.Errorf("got %v after %d tries", got, n)
	}
}

func TestPrometheusWithoutCredentials(t *testing.T) {
	none := Env{Getenv: func(name string) string {
		return map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "AWS_REGION": "eu-west-1"}[name]
	}}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer server.Close()
	p, err := newPrometheus(PrometheusOptions{Remote: httpx.Remote{URL: server.URL}, SigV4: &SigV4Options{}, ScrapeInterval: new(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		use     func() error
		trouble Trouble
		text    string
	}{
		{func() error { return nil }, BackendDown, "no environment yet"},
		{func() error { return p.Use(none) }, Unauthorized, "no AWS credentials"},
	} {
		if err := want.use(); err != nil {
			t.Fatal(err)
		}
		_, err = p.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "up"}}, time.Now().Add(-time.Minute), time.Now(), time.Second)
		if q := troubleOf(t, err); q.Trouble != want.trouble || !strings.Contains(err.Error(), want.text) {
			t.Errorf("got %v, want %s", err, want.text)
		}
	}
	if err := p.Use(Env{Getenv: func(string) string { return "" }}); err == nil || !strings.Contains(err.Error(), "give region") {
		t.Errorf("got %v", err)
	}
}

// Google's service takes no forms; the token is that of the job.
func TestPrometheusGoogle(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, []byte(`{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	world := &cloudtest.World{Hosts: map[string]http.HandlerFunc{
		"oauth2.googleapis.com": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"hunter2hunter2","expires_in":3599,"token_type":"Bearer"}`)
		},
		"monitoring.googleapis.com": func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer hunter2hunter2" || r.URL.Path != "/v1/projects/acme-prod/location/global/prometheus/api/v1/query" {
				t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
			}
			if r.URL.Query().Get("query") == "refuse[10s]" {
				http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
				return
			}
			fmt.Fprint(w, reply(t, "prometheus/raw.json"))
		},
	}}
	p, err := newPrometheus(PrometheusOptions{Google: &GoogleOptions{Project: "acme-prod"}, ScrapeInterval: new(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	p.signer = google.New(cloud.Options{Network: world, Getenv: cloudtest.Env("GOOGLE_APPLICATION_CREDENTIALS", key)}).Signer()
	c, err := httpx.New(p.options.Remote, httpx.WithNetwork(world), httpx.WithSigner(p.sign), httpx.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	p.http, p.redact = c.HTTP(), c.Redact
	from, to := time.UnixMilli(1795250240000), time.UnixMilli(1795250250000)
	if got := ask(t, p, Query{Kind: Counter, Text: "x"}, from, to, time.Second); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	_, err = p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "refuse"}}, from, to, time.Second)
	if q := troubleOf(t, err); q.Trouble != Unauthorized || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "query=") {
		t.Errorf("got %v", err)
	}
}

func TestPrometheusCloudOptions(t *testing.T) {
	const url = "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1"
	for want, o := range map[string]PrometheusOptions{
		"want one of them":        {SigV4: &SigV4Options{}, Token: suiteToken},
		"more than one of":        {SigV4: &SigV4Options{}, Google: &GoogleOptions{Project: "acme"}},
		"is no AWS region":        {SigV4: &SigV4Options{Region: "Ireland"}},
		"want its ARN":            {SigV4: &SigV4Options{Role: "monitoring"}},
		"want its name":           {SigV4: &SigV4Options{Service: "a/b"}},
		"want its id":             {Google: &GoogleOptions{Project: "../acme"}},
		"goes to":                 {Google: &GoogleOptions{Project: "acme"}},
		"leave it out":            {Google: &GoogleOptions{Project: "acme"}, Lookback: time.Minute},
		"that wants signed":       {SigV4: &SigV4Options{}, Remote: httpx.Remote{Headers: map[string]httpx.Secret{"Authorization": suiteToken}}},
		"token, password, oauth2": {SigV4: &SigV4Options{}, Remote: httpx.Remote{OAuth2: &httpx.OAuth2{TokenURL: url, ClientID: "a", ClientSecret: suiteToken}}},
	} {
		o.URL, o.ScrapeInterval = url, new(time.Second)
		if _, err := newPrometheus(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
