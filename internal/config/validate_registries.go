package config

import (
	"strings"

	"github.com/bakegate/bakegate/internal/registry"
)

// maxAtOnce is more requests at a time than any registry of a deploy needs; more look like a mistyped number.
const maxAtOnce = 100

func (v *validator) registries() {
	section := v.root.get("registries")
	if section == nil {
		return
	}
	seen := map[string]string{}
	for _, e := range section.entries {
		path := join("registries", e.key.value)
		host, err := registry.ParseHost(e.key.value)
		switch {
		case err != nil:
			v.d.c.add(e.key, path, err.Error(), "got %s, want the HOST or HOST:PORT of a registry", quote(e.key.value))
			continue
		case seen[host] != "":
			v.d.c.add(e.key, path, "keep one of them", "%s is the same registry as %s", quote(e.key.value), quote(seen[host]))
		}
		seen[host] = e.key.value
		v.registry(path, host, v.f.Registries[e.key.value])
	}
}

func (v *validator) registry(path, host string, h registry.Host) {
	v.mirrors(path+".mirrors", host, h.Mirrors)
	v.account(path, h)
	if at := path + ".pull-secret"; v.has(at) && v.fine(at) {
		if _, _, err := registry.ParsePullSecret(h.PullSecret); err != nil {
			v.at(at, "", "got %s, %v", v.shown(at), err)
		}
	}
	if at := path + ".at-once"; v.has(at) && v.fine(at) && (h.AtOnce < 1 || h.AtOnce > maxAtOnce) {
		v.at(at, "", "got %s, want a number from 1 to %d", v.shown(at), maxAtOnce)
	}
	if at := path + ".ca"; v.d.empty(v.root, at) {
		v.at(at, "", "got an empty text, want a PEM file")
	}
	for _, key := range []string{"ca", "insecure"} {
		if at := join(path, key); h.PlainHTTP && v.has(at) && (key == "ca" || h.Insecure) {
			v.at(at, "remove one of them", "%s is about TLS, and with plain-http there is none", key)
		}
	}
}

func (v *validator) mirrors(path, host string, mirrors []string) {
	if !v.fine(path) {
		return
	}
	if v.has(path) && len(mirrors) == 0 {
		v.at(path, "leave it out for none", "the list is empty")
	}
	seen := map[registry.Mirror]bool{}
	for i, text := range mirrors {
		at := index(path, i)
		m, err := registry.ParseMirror(text)
		switch {
		case err != nil:
			v.at(at, v.d.env.hide(err.Error()), "got %s, want HOST[:PORT][/PREFIX] of a mirror", v.shown(at))
		case m == registry.Mirror{Host: host}:
			v.at(at, "it is asked by itself when no mirror has answered", "%s is the registry itself", v.shown(at))
		case seen[m]:
			v.at(at, "", "%s is there already", v.shown(at))
		}
		seen[m] = true
	}
}

// account looks at the credentials: one of the two kinds, and whole.
func (v *validator) account(path string, h registry.Host) {
	user, password, secret := path+".username", path+".password", path+".pull-secret"
	switch {
	case v.has(user) && !v.has(password):
		v.at(user, "", "username needs password")
	case v.has(password) && !v.has(user):
		v.at(password, "", "password needs username")
	case !v.has(user):
	case v.d.empty(v.root, user):
		v.at(user, "", "got an empty text, want the name of a user")
	case v.fine(user) && strings.Contains(h.Username, ":"):
		v.at(user, "", "got %s: a user name with a colon can't be sent", v.shown(user))
	case v.has(secret):
		v.at(secret, "remove one of them", "pull-secret is never asked where username is given")
	}
}
