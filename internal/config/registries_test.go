package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/registry"
)

func TestRegistries(t *testing.T) {
	opt := testOptions()
	opt.Environment = "staging"
	f, err := Load(corpus+"/ok/registries.yaml", opt)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]registry.Host{
		"docker.io":              {Mirrors: []string{"mirror.acme.dev/hub", "mirror.gcr.io"}},
		"mirror.acme.dev":        {CA: corpus + "/ok/acme-ca.pem", Username: "robot$bakegate", Password: httpx.NewSecret("Zq16-registry"), AtOnce: 4},
		"registry.acme.dev:5000": {Insecure: true}, // the overlay of staging
		"ghcr.io":                {PullSecret: "production/registry"},
		"[fd00::1]:5000":         {Insecure: true},
		"storage.acme.dev":       {},
	} {
		got, ok := f.Registries[host]
		if !ok {
			t.Errorf("%s is not there", host)
		}
		if got.Password.Reveal() != want.Password.Reveal() {
			t.Errorf("%s: the password is not the variable's", host)
		}
		got.Password, want.Password = httpx.Secret{}, httpx.Secret{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", host, got, want)
		}
	}
	if names := f.SecretNames(); len(names) != 1 || names[0] != "REGISTRY_PASSWORD" {
		t.Errorf("secrets: %v", names)
	}
}

// The criteria's digest tells who is believed, in one spelling, and nothing else about registries.
func TestDigestOfRegistries(t *testing.T) {
	digest := func(registries string) string { return mustParse(t, deploys+registries, testOptions()).Digest() }
	plain := digest("")
	for _, same := range []string{
		"registries:\n  ghcr.io:\n    at-once: 2\n",
		"registries:\n  ghcr.io:\n    username: bot\n    password: ${REGISTRY_PASSWORD}\n",
		"registries:\n  ghcr.io:\n    pull-secret: acme/registry\n",
	} {
		if digest(same) != plain {
			t.Errorf("another digest with\n%s", same)
		}
	}
	seen := map[string]string{plain: "nothing"}
	for _, other := range []string{
		"registries:\n  ghcr.io:\n    insecure: true\n",
		"registries:\n  ghcr.io:\n    plain-http: true\n",
		"registries:\n  ghcr.io:\n    ca: ca.pem\n",
		"registries:\n  ghcr.io:\n    mirrors: [mirror.acme.dev]\n",
		"registries:\n  quay.io:\n    mirrors: [mirror.acme.dev]\n",
	} {
		d := digest(other)
		if seen[d] != "" {
			t.Errorf("the digest of\n%s\nis that of\n%s", other, seen[d])
		}
		seen[d] = other
	}
	if digest("registries:\n  docker.io:\n    insecure: true\n") != digest("registries:\n  Index.docker.io:443:\n    insecure: true # what a comment\n") {
		t.Error("the digest depends on the spelling")
	}
}

// FuzzRegistryKeys wants a place and one clean line for every key that is no registry, and no panic.
func FuzzRegistryKeys(f *testing.F) {
	for _, s := range []string{"ghcr.io", "docker.io", "localhost", "[::1]:5000", "https://x", "a.b:0", "*.x", "${A}", "x/y", "ä.example", "a..b"} {
		f.Add(s, s+"/hub")
	}
	f.Fuzz(func(t *testing.T, host, mirror string) {
		if strings.ContainsAny(host+mirror, "\"\\\n\r\x00") || strings.Contains(host+mirror, "Zq") {
			return
		}
		_, err := Parse("bakegate.yaml", []byte(deploys+"registries:\n  \""+host+"\":\n    mirrors: [\""+mirror+"\"]\n"), testOptions())
		if err != nil {
			checkError(t, err)
			return
		}
		if _, err := registry.ParseHost(host); err != nil {
			t.Errorf("%q was taken: %v", host, err)
		}
	})
}
