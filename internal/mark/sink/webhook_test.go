package sink

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

func TestWebhook(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, tool := conformance["webhook"].make(t)
		f := tool.(*fake.Webhook)
		m := marker()
		_, err := k.Open(ctx, m)
		good(t, "open", err)
		good(t, "seal", k.Seal(ctx, "", sealed(m, "pass")))
		rs := f.Requests()
		if len(rs) != 2 || rs[0].Path != "/hooks/deploy" {
			t.Fatalf("%+v", rs)
		}
		for i, want := range []string{"open", "seal"} {
			var d document
			if err := json.Unmarshal(rs[i].Body, &d); err != nil || d.Phase != want || d.RunURL != m.RunURL || d.Started != stamp(m.Started) {
				t.Errorf("%+v %v", d, err)
			}
			if rs[i].Header.Get("Idempotency-Key") != m.DeployID+"-"+want || rs[i].Header.Get("X-Bakegate-Event") != "deploy."+want {
				t.Errorf("%+v", rs[i].Header)
			}
		}
	})
}

// The signature is that of any other implementation: openssl dgst -sha256 -hmac.
func TestWebhookSignature(t *testing.T) {
	got := signature("0123456789abcdef", "1700000000", []byte(`{"a":1}`))
	if want := "9eb18f49"; len(got) != 64 || !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s...", got, want)
	}
}

func TestWebhookOptions(t *testing.T) {
	for want, o := range map[string]webhookOptions{
		"url is missing":    {},
		"is too short":      {Remote: at("https://x.example/y"), Secret: httpx.NewSecret("short")},
		"has a query":       {Remote: at("https://x.example/y?token=1")},
		"is plain http":     {Remote: at("http://x.example/y")},
		"user or password":  {Remote: at("https://u:p@x.example/y")},
		"given twice":       {Remote: httpx.Remote{URL: "https://x.example", Headers: map[string]httpx.Secret{"Authorization": httpx.NewSecret("x")}}, Token: httpx.NewSecret("y")},
		"want https://host": {Remote: at("ftp://x.example/y")},
	} {
		if _, err := buildWebhook(fill(o)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
