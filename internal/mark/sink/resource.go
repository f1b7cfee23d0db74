package sink

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/release"
)

// resource is what is deployed in the words of OpenTelemetry's semantic conventions 1.44: the same on the deploy's spans and on what the
// workload tells, so that the two can be put together. The most important come first.
func (m Marker) resource() []pair {
	ref, kind := m.ref()
	repository := strings.TrimSuffix(strings.TrimRight(m.Repository, "/"), ".git")
	all := []pair{{"service.name", m.Service}, {"service.version", m.Version}, {"deployment.environment.name", m.Environment}, {"deployment.id", m.DeployID},
		{"oci.manifest.digest", m.Digest}, {"container.image.name", release.Repository(m.Image)},
		{"vcs.ref.head.revision", m.Commit}, {"vcs.ref.head.name", ref}, {"vcs.ref.type", kind}}
	if repository != "" {
		all = append(all, pair{"vcs.repository.name", path.Base(repository)}, pair{"vcs.repository.url.full", m.repositoryURL()})
	}
	return all
}

// ref is the name of the branch or tag, and which of the two it is where that is known.
func (m Marker) ref() (name, kind string) {
	if name, ok := strings.CutPrefix(m.Ref, "refs/heads/"); ok {
		return name, "branch"
	}
	if name, ok := strings.CutPrefix(m.Ref, "refs/tags/"); ok {
		return name, "tag"
	}
	return strings.TrimPrefix(m.Ref, "refs/"), ""
}

// repositoryURL is the repository's address for a browser, "" where it is not known. Of owner/name, the host is that of the pipeline's run.
func (m Marker) repositoryURL() string {
	repository := m.Repository
	if !strings.Contains(repository, "://") {
		u, err := url.Parse(m.link())
		if err != nil || u.Host == "" || repository == "" || !strings.Contains(u.Path, repository) {
			return ""
		}
		repository = u.Scheme + "://" + u.Host + "/" + repository
	}
	u, err := url.Parse(repository)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return clean.Cut(strings.TrimSuffix(u.String(), ".git"), 500)
}

// Bounds of OTEL_RESOURCE_ATTRIBUTES: of one of our values, and of what the job's own variable may hold.
const (
	resourceValue = 255
	resourceJob   = 8 << 10
	resourceCount = 128
)

// ResourceAttributes is OTEL_RESOURCE_ATTRIBUTES for the workload that is deployed. job is the variable of the job, whose attributes stay
// where ours do not say otherwise: by the specification of the resource SDK the variable is the secondary resource, and what the user
// gives (here the configuration) the primary one. With an error, which says why it was not taken, ours alone are there.
func ResourceAttributes(m Marker, job string) (string, error) {
	theirs, err := parseResource(job)
	var items []string
	for _, p := range m.resource() {
		v := clean.Cut(p.value, 4*resourceValue)
		if v == "" || len(v) > resourceValue { // a part of a version or of an address is another one
			continue
		}
		delete(theirs, p.key)
		items = append(items, p.key+"="+resourceEscape(v))
	}
	for _, k := range slices.Sorted(maps.Keys(theirs)) {
		items = append(items, resourceEscape(k)+"="+resourceEscape(theirs[k]))
	}
	return strings.Join(items, ","), err
}

// parseResource reads the variable. By the specification, one mistake in it discards all of it.
func parseResource(s string) (map[string]string, error) {
	if len(s) > resourceJob || strings.Count(s, ",") >= resourceCount {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES of the job: got %d bytes and %d attributes, want at most %d and %d: none of it is taken",
			len(s), strings.Count(s, ",")+1, resourceJob, resourceCount)
	}
	all := map[string]string{}
	for i, item := range strings.Split(s, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		key, value, err := parseAttribute(item)
		if err != nil {
			return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES of the job: attribute %d: got %q, want key=value with %w: none of it is taken", i+1, clean.Cut(item, 80), err)
		}
		all[key] = value
	}
	return all, nil
}

func parseAttribute(item string) (key, value string, err error) {
	k, v, ok := strings.Cut(item, "=") // an = in a value should be percent-encoded; the SDKs take it as it is, and so does this
	if !ok {
		return "", "", errors.New("an =")
	}
	key, kerr := url.PathUnescape(strings.TrimSpace(k))
	value, verr := url.PathUnescape(strings.TrimSpace(v))
	if kerr != nil || verr != nil {
		return "", "", errors.New("a % only in front of two hexadecimal digits")
	}
	if key == "" || clean.Cut(key, resourceJob) != key {
		return "", "", errors.New("a key that can be printed")
	}
	return key, clean.Cut(value, resourceJob), nil
}

// resourceEscape percent-encodes all but what means the same to every reader of the variable, to a shell without quotes and to the files in
// which platforms keep it: a plus is a space to some decoders, and a dollar a variable to GitLab.
func resourceEscape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:/@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
