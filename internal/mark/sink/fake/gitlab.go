package fake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GitLabDeployment is a deployment as GitLab's API shows it.
type GitLabDeployment struct {
	ID          int64          `json:"id"`
	SHA         string         `json:"sha"`
	Ref         string         `json:"ref"`
	Status      string         `json:"status"`
	CreatedAt   time.Time      `json:"created_at"`
	Deployable  any            `json:"deployable"`
	Environment map[string]any `json:"environment"`
}

// GitLab is a fake of GitLab's deployments.
type GitLab struct {
	server
	project, token string
	deployments    []*GitLabDeployment
}

// NewGitLab makes one with a project.
func NewGitLab(project, token string) *GitLab {
	g := &GitLab{project: project, token: token}
	g.start(g.serve)
	return g
}

// Add makes a deployment behind the API's back: that of a job, or an earlier one.
func (g *GitLab) Add(d GitLabDeployment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d.ID = int64(len(g.deployments) + 1)
	g.deployments = append(g.deployments, &d)
}

// Deployments are those that are there.
func (g *GitLab) Deployments() []GitLabDeployment {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []GitLabDeployment
	for _, d := range g.deployments {
		all = append(all, *d)
	}
	return all
}

// Marks implements what the tests ask of every fake.
func (g *GitLab) Marks() []string {
	var all []string
	for _, d := range g.Deployments() {
		text, _ := json.Marshal(d)
		all = append(all, string(text))
	}
	return all
}

func (g *GitLab) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/projects/"+url.PathEscape(g.project)+"/deployments")
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case r.Header.Get("PRIVATE-TOKEN") != g.token:
		message(w, http.StatusUnauthorized, "401 Unauthorized")
	case !ok:
		message(w, http.StatusNotFound, "404 Project Not Found")
	case rest == "" && r.Method == http.MethodGet:
		found := []*GitLabDeployment{}
		for _, d := range slices.Backward(g.deployments) {
			if d.Environment["name"] == r.URL.Query().Get("environment") {
				found = append(found, d)
			}
		}
		reply(w, http.StatusOK, found)
	case rest == "" && r.Method == http.MethodPost:
		g.create(w, r)
	case r.Method == http.MethodPut:
		g.put(w, r, strings.TrimPrefix(rest, "/"))
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

var gitlabStatuses = []string{"created", "running", "success", "failed", "canceled"}

func (g *GitLab) create(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Environment string `json:"environment"`
		SHA         string `json:"sha"`
		Ref         string `json:"ref"`
		Tag         *bool  `json:"tag"`
		Status      string `json:"status"`
	}
	if !read(w, r, 1<<20, &q) {
		return
	}
	if q.Environment == "" || len([]rune(q.Environment)) > 255 || q.SHA == "" || q.Ref == "" || q.Tag == nil || !slices.Contains(gitlabStatuses, q.Status) {
		message(w, http.StatusBadRequest, "400 Bad request - a parameter is missing or invalid")
		return
	}
	d := &GitLabDeployment{ID: int64(len(g.deployments) + 1), SHA: q.SHA, Ref: q.Ref, Status: q.Status, CreatedAt: time.Now().UTC(), Environment: map[string]any{"name": q.Environment}}
	g.deployments = append(g.deployments, d)
	reply(w, http.StatusCreated, d)
}

// put changes the status. The trap: the status that it has already is refused.
func (g *GitLab) put(w http.ResponseWriter, r *http.Request, id string) {
	n, _ := strconv.ParseInt(id, 10, 64)
	i := slices.IndexFunc(g.deployments, func(d *GitLabDeployment) bool { return d.ID == n })
	if i < 0 {
		message(w, http.StatusNotFound, "404 Deployment Not Found")
		return
	}
	var q struct {
		Status string `json:"status"`
	}
	if !read(w, r, 1<<20, &q) {
		return
	}
	d := g.deployments[i]
	if d.Status == q.Status {
		reply(w, http.StatusBadRequest, map[string]any{"message": map[string]any{"status": []string{"Cannot transition status via :succeed from :" + d.Status}}})
		return
	}
	d.Status = q.Status
	reply(w, http.StatusOK, d)
}
