package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
)

// A real registry, which has no referrers API: signatures under a tag, and bundles under the fallback tag.
func TestRealRegistry(t *testing.T) {
	k := newKey(t)
	for name, sign := range map[string]func(w *world, d string){
		"tag":    func(w *world, d string) { w.signTag(d, k.layer(t, claim(w.ref(""), d))) },
		"bundle": func(w *world, d string) { w.refer(d, k.bundle(t, statement(d, signType))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, host: realtest.Registry(t, "", "").Addr}
			multi := idx(t, "one", "linux/amd64", "linux/arm64")
			d := w.push(":v1", multi)
			r, err := signed(t, w, d, keyPolicy(t, k))
			expectSignature(t, r, err, verdict.Fail, "has no signature")
			sign(w, d)
			r, err = signed(t, w, d, keyPolicy(t, k))
			expectSignature(t, r, err, verdict.Pass, "is signed by")
			w.push(":v1", img(t, "two", "linux/amd64"))
			r, err = verifyOne(t, Image{Image: w.ref(":v1")}, built(t, d))
			must(t, err)
			if got := brief(r.Findings); got != "verify/digest fail digest" {
				t.Errorf("moved tag: %s", got)
			}
			r, err = verifyOne(t, Image{Image: w.ref(":v2")}, built(t, d))
			must(t, err)
			if got := brief(r.Findings); got != "verify/digest fail missing-image" {
				t.Errorf("absent tag: %s", got)
			}
		})
	}
}

// A real registry that asks who we are: a wrong credential and none are errors, never a missing image.
func TestRealRegistryWithLogin(t *testing.T) {
	host := realtest.Registry(t, "bake", "right-password").Addr
	for password, wantMissing := range map[string]bool{"right-password": true, "wrong-password": false, "": false} {
		var cred registry.Credentials
		if password != "" {
			auth := base64.StdEncoding.EncodeToString([]byte("bake:" + password))
			cred.DockerAuth = httpx.NewSecret(fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth))
		}
		c := registry.New(cred, registry.Options{RetryWait: time.Millisecond})
		r, err := Run(context.Background(), Options{Images: []Image{{Image: host + "/acme/app:v1"}}}, []BuiltDigest{built(t, digestA)}, c, BeforeDeploy)
		var e *registry.Error
		switch {
		case wantMissing && (err != nil || brief(r.Findings) != "verify/digest fail missing-image"):
			t.Errorf("right credential: %v, %s", err, brief(r.Findings))
		case !wantMissing && (!errors.As(err, &e) || e.Kind != registry.Unauthorized || len(r.Findings) > 0):
			t.Errorf("credential %q: %v, %s", password, err, brief(r.Findings))
		}
	}
}
