package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// sentryOptions is the block `sentry:`.
type sentryOptions struct {
	httpx.Remote
	Organization string       `yaml:"organization,required"` // its slug
	Projects     []string     `yaml:"projects,required"`     // their slugs
	Token        httpx.Secret `yaml:"token,required"`        // an organisation's token, or one with the scope project:releases
	Package      string       `yaml:"package"`               // the release is PACKAGE@VERSION, as some SDKs name it; default: VERSION
}

// sentry tells the release at the start, and the deploy of it with its interval at the end: Sentry knows no deploy that is under way, and
// can't change one.
type sentry struct {
	link
	options sentryOptions
}

// Limits of Sentry's tables.
const (
	sentryVersion = 200
	sentryName    = 64
)

func buildSentry(decode func(any) error) (Sink, error) {
	o := sentryOptions{Remote: httpx.Remote{URL: "https://sentry.io"}}
	if err := decode(&o); err != nil {
		return nil, err
	}
	switch {
	case o.Token.IsZero():
		return nil, errors.New("token is missing, want an organisation's token, as ${NAME}")
	case o.Organization == "" || url.PathEscape(o.Organization) != o.Organization:
		return nil, fmt.Errorf("organization %q is not a slug, want the name in its URL", clean.Cut(o.Organization, 80))
	case len(o.Projects) == 0:
		return nil, errors.New("projects is empty, want the slugs of the projects that the service reports to")
	}
	l, err := connect(o.Remote, httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	return &sentry{link: l, options: o}, nil
}

// Traits implements Sink: a release that is there is taken, a deploy is looked for by its name, and changed is neither.
func (s *sentry) Traits() Traits { return Traits{Find: true} }

func (s *sentry) releases() string {
	return "/api/0/organizations/" + s.options.Organization + "/releases/"
}

// Open implements Sink.
func (s *sentry) Open(ctx context.Context, m Marker) (string, error) {
	version, err := s.version(m)
	if err != nil {
		return "", err
	}
	return version, s.release(ctx, version, m)
}

// release makes the release, or takes the one that is there: to Sentry that is the same.
func (s *sentry) release(ctx context.Context, version string, m Marker) error {
	body := map[string]any{"version": version, "projects": s.options.Projects}
	if at := m.link(); at != "" {
		body["url"] = at
	}
	resp, err := s.call(ctx, httpx.Request{Path: s.releases(), Repeatable: true}, body)
	if err != nil {
		return refused(err, sentryHints)
	}
	var made struct {
		Version string `json:"version"`
	}
	if err := httpx.DecodeJSON(resp, &made); err != nil {
		return err
	}
	if made.Version != version {
		return fmt.Errorf("%s %s: the reply names release %q, want %q: is this Sentry?", resp.Method, resp.URL, clean.Cut(made.Version, 80), clean.Cut(version, 80))
	}
	return nil
}

// version is the release's name. Sentry's rules for it are checked here, since a name that is changed would be another release.
func (s *sentry) version(m Marker) (string, error) {
	v := m.Version
	if s.options.Package != "" {
		v = s.options.Package + "@" + v
	}
	switch {
	case m.Version == "":
		return "", notSent(errors.New("the deploy has no version, and Sentry names a release by it: give version"))
	case len(v) > sentryVersion, strings.ContainsAny(v, "/\\\n\r\t\f"), clean.Text(v) != v, v == ".", v == "..", strings.EqualFold(v, "latest"):
		return "", notSent(fmt.Errorf("%q cannot be the name of a release in Sentry: want at most %d characters without slashes, and not \"latest\"", clean.Cut(v, 80), sentryVersion))
	}
	return v, nil
}

// sentryDeploy is a deploy of a release as the API has it.
type sentryDeploy struct {
	ID          string   `json:"id,omitempty"`
	Environment string   `json:"environment"`
	Name        string   `json:"name"`
	URL         string   `json:"url,omitempty"`
	Projects    []string `json:"projects,omitempty"`
	Started     string   `json:"dateStarted"`
	Finished    string   `json:"dateFinished"`
}

// Seal implements Sink.
func (s *sentry) Seal(ctx context.Context, _ string, m Marker) error {
	version, err := s.version(m)
	if err != nil {
		return err
	}
	if err := s.release(ctx, version, m); err != nil {
		return err
	}
	c := &cutter{}
	start, end := m.interval()
	environment := strings.NewReplacer("/", "-", "\\", "-").Replace(c.text("environment", m.Environment, sentryName))
	d := sentryDeploy{Environment: cmp.Or(environment, "unknown"), Name: sentryDeployName(m), URL: m.link(), Projects: s.options.Projects,
		Started: start.UTC().Format(time.RFC3339), Finished: end.UTC().Format(time.RFC3339)}
	if _, err := s.deploy(ctx, s.releases()+url.PathEscape(version)+"/deploys/", m, d); err != nil {
		return refused(err, sentryHints)
	}
	return c.warning("Sentry")
}

// sentryID is how the deploy is found again. It and the verdict must fit into a name.
func sentryID(m Marker) string {
	if id := deployTag(m); len(id) <= sentryName-len("deploy-failed ") {
		return id
	}
	return derivedID("sentry", m, 16)
}

func sentryDeployName(m Marker) string { return clean.Cut(m.Verdict, 13) + " " + sentryID(m) }

func (s *sentry) deploy(ctx context.Context, path string, m Marker, d sentryDeploy) (*sentryDeploy, error) {
	find := func(ctx context.Context) (*sentryDeploy, error) {
		ours := func(d *sentryDeploy) bool { return strings.HasSuffix(d.Name, " "+sentryID(m)) }
		found, err := first(ctx, s.link, httpx.Request{Path: path}, ours)
		if statusOf(err) == http.StatusNotFound && pause(ctx, oncePause) == nil { // some versions show a release that was just made a moment later
			return first(ctx, s.link, httpx.Request{Path: path}, ours)
		}
		return found, err
	}
	return once(ctx, find, func(ctx context.Context) (*sentryDeploy, error) {
		return create(ctx, s.link, httpx.Request{Path: path}, d, "deploy", func(d *sentryDeploy) bool { return d.ID != "" })
	})
}

var sentryHints = map[int]string{
	http.StatusUnauthorized: "Sentry does not know the token: make an organisation's token (Settings, Developer Settings), of the same Sentry as the url",
	http.StatusForbidden:    "the token may not do this: it needs the scope org:ci or project:releases for these projects",
	http.StatusNotFound:     "check the organisation's slug, and the url: https://sentry.io, https://de.sentry.io, or your own",
}
