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
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// gitlabOptions is the block `gitlab:`.
type gitlabOptions struct {
	httpx.Remote
	Token   httpx.Secret `yaml:"token,required"` // a project's access token with the scope api
	Project string       `yaml:"project"`        // its path or id; default: the pipeline's
}

// gitlab keeps a deployment of the commit to the environment. GitLab has no field for an id of ours: a deployment by the API, of the same
// commit and environment, that is running or not older than this deploy is taken for ours.
type gitlab struct {
	link
	options gitlabOptions
}

// gitlabSkew is how far GitLab's clock may be behind.
const gitlabSkew = 2 * time.Minute

func buildGitLab(decode func(any) error) (Sink, error) {
	o := gitlabOptions{Remote: httpx.Remote{URL: "https://gitlab.com"}}
	if err := decode(&o); err != nil {
		return nil, err
	}
	if o.Token.IsZero() {
		return nil, errors.New("token is missing, want a project's access token with the scope api, as ${NAME}")
	}
	l, err := connect(o.Remote, httpx.WithHeader("PRIVATE-TOKEN", o.Token))
	if err != nil {
		return nil, err
	}
	return &gitlab{link: l, options: o}, nil
}

// Traits implements Sink.
func (g *gitlab) Traits() Traits { return Traits{Find: true, Update: true} }

// Open implements Sink.
func (g *gitlab) Open(ctx context.Context, m Marker) (string, error) {
	made, err := g.deployment(ctx, m, "running")
	if err != nil {
		return "", refused(err, gitlabHints)
	}
	return strconv.FormatInt(made.ID, 10), nil
}

// Seal implements Sink.
func (g *gitlab) Seal(ctx context.Context, id string, m Marker) error {
	return refused(g.seal(ctx, id, m, gitlabStatus(m.Verdict)), gitlabHints)
}

func (g *gitlab) seal(ctx context.Context, id string, m Marker, status string) error {
	if id != "" {
		if err := g.put(ctx, id, m, status); statusOf(err) != http.StatusNotFound {
			return err
		}
	}
	made, err := g.deployment(ctx, m, status)
	if err != nil || made.Status == status {
		return err
	}
	return g.put(ctx, strconv.FormatInt(made.ID, 10), m, status)
}

// gitlabStatus is the verdict as a deployment's status. What is not proved did not succeed.
func gitlabStatus(verdict string) string {
	switch verdict {
	case "pass":
		return "success"
	case "aborted", "superseded":
		return "canceled"
	}
	return "failed"
}

// gitlabDeployment is a deployment as the API has it.
type gitlabDeployment struct {
	ID         int64           `json:"id"`
	SHA        string          `json:"sha"`
	Status     string          `json:"status"`
	CreatedAt  time.Time       `json:"created_at"`
	Deployable json.RawMessage `json:"deployable"` // the job that made it; null for one by the API
}

func (d *gitlabDeployment) of(m Marker) bool {
	job := len(d.Deployable) > 0 && string(d.Deployable) != "null"
	running := d.Status == "running" || d.Status == "created"
	return d.ID > 0 && !job && d.SHA == gitlabSHA(m) && (running || !m.Started.IsZero() && !d.CreatedAt.Before(m.Started.Add(-gitlabSkew)))
}

func (g *gitlab) path(m Marker) (string, error) {
	project := cmp.Or(g.options.Project, m.Repository)
	if project == "" || clean.Cut(project, 200) != project {
		return "", notSent(fmt.Errorf("the pipeline names the project %q: give project, its path or id", clean.Cut(project, 80)))
	}
	return "/api/v4/projects/" + url.PathEscape(project) + "/deployments", nil
}

// deployment is the deploy's own, which is made with this status if it is not there.
func (g *gitlab) deployment(ctx context.Context, m Marker, status string) (*gitlabDeployment, error) {
	path, err := g.path(m)
	switch {
	case err != nil:
		return nil, err
	case m.Commit == "" || m.Environment == "":
		return nil, notSent(errors.New("a deployment needs a commit and an environment, and one of them is not known"))
	}
	find := func(ctx context.Context) (*gitlabDeployment, error) {
		q := url.Values{"environment": {gitlabEnvironment(m)}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {"50"}}
		return first(ctx, g.link, httpx.Request{Path: path, Query: q}, func(d *gitlabDeployment) bool { return d.of(m) })
	}
	return once(ctx, find, func(ctx context.Context) (*gitlabDeployment, error) {
		return create(ctx, g.link, httpx.Request{Path: path}, map[string]any{"environment": gitlabEnvironment(m), "sha": gitlabSHA(m),
			"ref": gitlabRef(m), "tag": strings.HasPrefix(m.Ref, "refs/tags/"), "status": status},
			"deployment", func(d *gitlabDeployment) bool { return d.ID > 0 })
	})
}

func gitlabSHA(m Marker) string { return clean.Cut(m.Commit, 64) }

func gitlabEnvironment(m Marker) string { return clean.Cut(m.Environment, 255) }

// gitlabRef is the name of the branch or tag; where it is not known, the commit.
func gitlabRef(m Marker) string {
	return clean.Cut(cmp.Or(strings.TrimPrefix(strings.TrimPrefix(m.Ref, "refs/heads/"), "refs/tags/"), m.Commit), 255)
}

// put changes the status. GitLab refuses the status that a deployment has already; it is what was asked for.
func (g *gitlab) put(ctx context.Context, id string, m Marker, status string) error {
	path, err := g.path(m)
	if err != nil {
		return err
	}
	resp, err := g.call(ctx, httpx.Request{Method: http.MethodPut, Path: path + "/" + url.PathEscape(id)}, map[string]string{"status": status})
	var refusal *httpx.StatusError
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && strings.Contains(refusal.Excerpt, "from :"+status):
		return nil
	case err != nil:
		return err
	}
	return httpx.DecodeJSON(resp, &gitlabDeployment{})
}

var gitlabHints = map[int]string{
	http.StatusUnauthorized: "GitLab does not know the token: make a project's access token with the scope api, of the same GitLab as the url",
	http.StatusForbidden:    "the token's role may not deploy to this environment: it needs Developer, or to be allowed to deploy to a protected one",
	http.StatusNotFound:     "check project, and that the token may see it; url ends before /api/v4",
}
