package signed

import (
	"net/url"
	"path"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// commitForm is a commit of git, by SHA-1 or SHA-256.
var commitForm = lazyregexp.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// scpForm is git's short form of an ssh address: git@github.com:acme/app.git.
var scpForm = lazyregexp.New(`^(?:[A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+):([^/].*)$`)

// hostsWithoutCase serve a repository under any case of its name.
var hostsWithoutCase = map[string]bool{"github.com": true, "gitlab.com": true}

// splitSource reads where a source is, as SPDX writes it and provenance takes it over: a repository and, behind an @ in its path, a ref
// (git+https://github.com/acme/app@refs/heads/main). A ref may hold an @ itself, the path of a repository holds none.
func splitSource(uri string) (repository, ref string) {
	scheme, rest, ok := strings.Cut(uri, "://")
	slash := strings.IndexByte(rest, '/')
	if !ok || slash < 0 {
		return uri, ""
	}
	p, ref, _ := strings.Cut(rest[slash:], "@")
	return scheme + "://" + rest[:slash] + p, ref
}

// normalRepository writes the address of a repository in one way, HOST[:PORT]/PATH: https, ssh and git@ forms, .git behind it and the case of
// the host do not matter. Addresses that are not encrypted stay apart. "" for what is no such address: a bare path names no host, so that
// anybody's would do.
func normalRepository(s string) string {
	s = strings.TrimPrefix(strings.TrimSpace(s), "git+")
	if m := scpForm.FindStringSubmatch(s); m != nil && !strings.Contains(s, "://") {
		s = "ssh://" + m[1] + "/" + m[2]
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" {
		return ""
	}
	host, port, scheme := strings.ToLower(u.Hostname()), u.Port(), ""
	switch {
	case u.Scheme == "https" && port == "443", u.Scheme == "ssh" && port == "22":
		port = ""
	case u.Scheme == "http", u.Scheme == "git":
		scheme = u.Scheme + "://"
	case u.Scheme != "https" && u.Scheme != "ssh":
		return ""
	}
	if port != "" {
		port = ":" + port
	}
	p := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
	if len(p) < 2 || path.Clean(p) != p {
		return ""
	}
	if hostsWithoutCase[host] {
		p = strings.ToLower(p)
	}
	return scheme + host + port + p
}

// sameRef compares refs. A pipeline may know only the name of a branch or tag: main is refs/heads/main or refs/tags/main.
func sameRef(want, got string) bool {
	return want == got || !strings.HasPrefix(want, "refs/") && (got == "refs/heads/"+want || got == "refs/tags/"+want)
}
