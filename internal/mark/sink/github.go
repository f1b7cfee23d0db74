package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// githubOptions is the block `github:`.
type githubOptions struct {
	httpx.Remote
	Token          httpx.Secret `yaml:"token,required"` // deployments: write
	Repository     string       `yaml:"repository"`     // owner/name; default: the pipeline's
	Deployment     string       `yaml:"deployment"`     // the id of one that is there already; default: one is made
	EnvironmentURL string       `yaml:"environment-url"`
}

// github keeps a deployment of the commit, and its status: in_progress at the start, the verdict's at the end. Its payload carries the
// deploy id, by which it is found again.
type github struct {
	link
	options githubOptions
}

// githubDescription is the most that a description holds, in characters.
const githubDescription = 140

var githubRepository = lazyregexp.New(`^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$`)

func buildGitHub(decode func(any) error) (Sink, error) {
	o := githubOptions{Remote: httpx.Remote{URL: "https://api.github.com"}}
	if err := decode(&o); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(o.Deployment, 10, 64)
	switch {
	case o.Token.IsZero():
		return nil, errors.New("token is missing, want one with the permission deployments: write, as ${NAME}")
	case o.Repository != "" && !githubRepository.MatchString(o.Repository):
		return nil, fmt.Errorf("repository %q, want owner/name", clean.Cut(o.Repository, 80))
	case o.Deployment != "" && (err != nil || id <= 0):
		return nil, fmt.Errorf("deployment %q is not an id, want its number", clean.Cut(o.Deployment, 80))
	case o.EnvironmentURL != "" && (Marker{RunURL: o.EnvironmentURL}).link() == "":
		return nil, fmt.Errorf("environment-url %q, want https://host", clean.Cut(o.EnvironmentURL, 80))
	}
	l, err := connect(o.Remote, httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	return &github{link: l, options: o}, nil
}

// Traits implements Sink.
func (g *github) Traits() Traits { return Traits{Find: true, Update: true} }

// Open implements Sink.
func (g *github) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	id, err := g.deployment(ctx, "", m)
	if err != nil {
		return "", githubRefused(err)
	}
	return id, githubRefused(g.status(ctx, id, m, "in_progress"))
}

// Seal implements Sink.
func (g *github) Seal(ctx context.Context, id string, m Marker) error {
	id, err := g.deployment(ctx, id, m)
	if err != nil {
		return githubRefused(err)
	}
	return githubRefused(g.status(ctx, id, m, githubState(m.Verdict)))
}

// githubState is the verdict as a deployment's state. What nobody could decide is an error, not a failure of the deploy.
func githubState(verdict string) string {
	switch verdict {
	case "pass":
		return "success"
	case "superseded":
		return "inactive"
	case "rollback", "hold", "deploy-failed":
		return "failure"
	}
	return "error"
}

// path is where the repository's deployments are.
func (g *github) path(m Marker) (string, error) {
	repository := cmp.Or(g.options.Repository, m.Repository)
	if !githubRepository.MatchString(repository) {
		return "", notSent(fmt.Errorf("the pipeline names the repository %q, want owner/name: give repository", clean.Cut(repository, 80)))
	}
	return "/repos/" + repository + "/deployments", nil
}

var githubHeaders = http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}

// githubDeployment is a deployment as the API has it.
type githubDeployment struct {
	ID      int64           `json:"id"`
	Payload json.RawMessage `json:"payload"` // an object, or a string that holds one
}

func (d *githubDeployment) of(m Marker) bool {
	var text string
	if json.Unmarshal(d.Payload, &text) == nil {
		d.Payload = json.RawMessage(text)
	}
	var p struct {
		DeployID string `json:"deploy_id"`
	}
	return d.ID > 0 && json.Unmarshal(d.Payload, &p) == nil && p.DeployID != "" && p.DeployID == deployTag(m)
}

// deployment is the id of the deploy's own: the one that is given, the one that Open made, one with the deploy id, or a new one.
func (g *github) deployment(ctx context.Context, id string, m Marker) (string, error) {
	if id = cmp.Or(g.options.Deployment, id); id != "" {
		return id, nil
	}
	path, err := g.path(m)
	if err != nil {
		return "", err
	}
	ref := cmp.Or(m.Commit, m.Ref)
	switch {
	case ref == "":
		return "", notSent(errors.New("a deployment needs a commit, and the pipeline names none"))
	case m.Environment == "": // GitHub would take it for production
		return "", notSent(errors.New("a deployment needs an environment: give environment"))
	}
	find := func(ctx context.Context) (*githubDeployment, error) {
		q := url.Values{"environment": {clean.Cut(m.Environment, 255)}, "task": {"deploy"}, "per_page": {"100"}}
		return first(ctx, g.link, httpx.Request{Path: path, Query: q, Header: githubHeaders}, func(d *githubDeployment) bool { return d.of(m) })
	}
	made, err := once(ctx, find, func(ctx context.Context) (*githubDeployment, error) { return g.create(ctx, path, ref, m) })
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(made.ID, 10), nil
}

func (g *github) create(ctx context.Context, path, ref string, m Marker) (*githubDeployment, error) {
	m.Verdict = ""
	return create(ctx, g.link, httpx.Request{Path: path, Header: githubHeaders}, map[string]any{
		"ref": clean.Cut(ref, 255), "task": "deploy", "environment": clean.Cut(m.Environment, 255), "description": clean.Cut(title(m), githubDescription),
		"payload": map[string]string{"deploy_id": deployTag(m), "version": clean.Cut(m.Version, 200), "digest": clean.Cut(m.Digest, 200)},
		// What is deployed is verified by bakegate; GitHub must neither merge the default branch into it nor wait for checks.
		"auto_merge": false, "required_contexts": []string{},
	}, "deployment", func(d *githubDeployment) bool { return d.ID > 0 })
}

// githubStatus is a status of a deployment as the API has it. The newest is the first of a list.
type githubStatus struct {
	ID    int64  `json:"id"`
	State string `json:"state"`
}

// status gives the deployment a state, unless it has it already: the job's own deployment is in progress before bakegate starts.
func (g *github) status(ctx context.Context, id string, m Marker, state string) error {
	path, err := g.path(m)
	if err != nil {
		return err
	}
	path += "/" + url.PathEscape(id) + "/statuses"
	c := &cutter{}
	text := title(m)
	if m.Reason != "" {
		text += " (" + m.Reason + ")"
	}
	body := map[string]any{"state": state, "description": c.text("description", text, githubDescription), "log_url": m.link()}
	if g.options.EnvironmentURL != "" {
		body["environment_url"] = g.options.EnvironmentURL
	}
	find := func(ctx context.Context) (*githubStatus, error) {
		resp, err := g.call(ctx, httpx.Request{Path: path, Query: url.Values{"per_page": {"10"}}, Header: githubHeaders}, nil)
		if err != nil {
			return nil, err
		}
		var all []githubStatus
		if err := httpx.DecodeJSON(resp, &all); err != nil || len(all) == 0 || all[0].State != state {
			return nil, err
		}
		return &all[0], nil
	}
	_, err = once(ctx, find, func(ctx context.Context) (*githubStatus, error) {
		resp, err := g.call(ctx, httpx.Request{Path: path, Header: githubHeaders}, body)
		if err != nil {
			return nil, err
		}
		made := &githubStatus{}
		return made, httpx.DecodeJSON(resp, made)
	})
	if err == nil {
		err = c.warning("GitHub")
	}
	return err
}

// githubRefused says what to do. A 403 may be the rate limit: then the rights are in order.
func githubRefused(err error) error {
	var status *httpx.StatusError
	if errors.As(err, &status) && (status.Limited() || strings.Contains(status.Excerpt, "secondary rate limit")) {
		return &Hinted{Err: err, Hint: "the token made more requests than GitHub takes: of all jobs that share it, or too many at once; it is free again later"}
	}
	return refused(err, githubHints)
}

var githubHints = map[int]string{
	http.StatusUnauthorized: "GitHub does not know the token: give github.token or another, as ${NAME}",
	http.StatusForbidden:    "the token may not do this: the job needs `permissions: deployments: write`",
	http.StatusNotFound:     "check repository, and that the token may see it; a deployment that is given must be of this repository",
	http.StatusConflict:     "GitHub has a conflict with this commit: is it pushed?",
}
