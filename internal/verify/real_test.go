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
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// A real registry, which has no referrers API: signatures under a tag, and bundles under the fallback tag.
func TestRealRegistry(t *testing.T) {
	k := forge.NewKey(t)
	for name, sign := range map[string]func(w *fake.Registry, d string){
		"tag": func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d))) },
		"bundle": func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake.At(t, realtest.Registry(t, "", "").Addr)
			multi := fake.Index(t, "one", "linux/amd64", "linux/arm64")
			d := w.Push(":v1", multi)
			r, err := verifySigned(t, Image{Image: w.Ref(":v1")}, wanted(t, d), k.Path)
			must(t, err)
			if got := brief(r.Findings); got != "verify/digest pass; verify/signature fail signature" {
				t.Errorf("unsigned: %s", got)
			}
			sign(w, d)
			r, err = verifySigned(t, Image{Image: w.Ref(":v1")}, wanted(t, d), k.Path)
			must(t, err)
			if got := brief(r.Findings); got != "verify/digest pass; verify/signature pass" {
				t.Errorf("signed: %s\n%s", got, dump(r.Findings))
			}
			w.Push(":v1", fake.Image(t, "two", "linux/amd64"))
			r, err = verifyOne(t, Image{Image: w.Ref(":v1")}, wanted(t, d))
			must(t, err)
			if got := brief(r.Findings); got != "verify/digest fail digest" {
				t.Errorf("moved tag: %s", got)
			}
			r, err = verifyOne(t, Image{Image: w.Ref(":v2")}, wanted(t, d))
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
		r, err := Run(context.Background(), Options{Images: []Image{{Image: host + "/acme/app:v1"}}}, []built.Digest{wanted(t, digestA)}, c, BeforeDeploy)
		var e *registry.Error
		switch {
		case wantMissing && (err != nil || brief(r.Findings) != "verify/digest fail missing-image"):
			t.Errorf("right credential: %v, %s", err, brief(r.Findings))
		case !wantMissing && (!errors.As(err, &e) || e.Kind != registry.Unauthorized || len(r.Findings) > 0):
			t.Errorf("credential %q: %v, %s", password, err, brief(r.Findings))
		}
	}
}
