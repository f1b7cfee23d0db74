package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// GitHubDeployment is a deployment with its statuses, the newest first.
type GitHubDeployment struct {
	ID          int64           `json:"id"`
	Ref         string          `json:"ref"`
	Task        string          `json:"task"`
	Environment string          `json:"environment"`
	Description string          `json:"description"`
	Payload     json.RawMessage `json:"payload"`
	Statuses    []GitHubStatus  `json:"-"`
}

// GitHubStatus is a deployment's status.
type GitHubStatus struct {
	ID             int64  `json:"id"`
	State          string `json:"state"`
	Description    string `json:"description"`
	LogURL         string `json:"log_url"`
	EnvironmentURL string `json:"environment_url,omitempty"`
}

// GitHub is a fake of GitHub's deployments.
type GitHub struct {
	server
	repository, token string
	deployments       []*GitHubDeployment
	last              int64
}

// NewGitHub makes one with a repository.
func NewGitHub(repository, token string) *GitHub {
	g := &GitHub{repository: repository, token: token, last: 100}
	g.start(g.serve)
	return g
}

// AddJob makes the deployment that a job with `environment:` has, in progress.
func (g *GitHub) AddJob(environment string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	g.deployments = append(g.deployments, &GitHubDeployment{ID: g.last, Environment: environment, Task: "deploy", Payload: json.RawMessage(`""`),
		Statuses: []GitHubStatus{{ID: 1, State: "in_progress"}}})
	return g.last
}

// Deployments are those that are there.
func (g *GitHub) Deployments() []GitHubDeployment {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []GitHubDeployment
	for _, d := range g.deployments {
		c := *d
		c.Statuses = slices.Clone(d.Statuses)
		all = append(all, c)
	}
	return all
}

// Marks implements what the tests ask of every fake.
func (g *GitHub) Marks() []string {
	var all []string
	for _, d := range g.Deployments() {
		text, _ := json.Marshal(d)
		for _, s := range d.Statuses {
			status, _ := json.Marshal(s)
			text = append(text, "\n"+string(status)...)
		}
		all = append(all, string(text))
	}
	return all
}

func (g *GitHub) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/repos/"+g.repository+"/deployments")
	id, statuses := strings.CutSuffix(strings.TrimPrefix(rest, "/"), "/statuses")
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+g.token:
		message(w, http.StatusUnauthorized, "Bad credentials")
	case !ok:
		message(w, http.StatusNotFound, "Not Found")
	case statuses:
		g.statuses(w, r, id)
	case r.Method == http.MethodGet:
		found := []*GitHubDeployment{}
		for _, d := range g.deployments {
			if d.Environment == r.URL.Query().Get("environment") && d.Task == r.URL.Query().Get("task") {
				found = append([]*GitHubDeployment{d}, found...)
			}
		}
		reply(w, http.StatusOK, found)
	default:
		g.create(w, r)
	}
}

func (g *GitHub) create(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Ref              string            `json:"ref"`
		Task             string            `json:"task"`
		AutoMerge        *bool             `json:"auto_merge"`
		RequiredContexts []string          `json:"required_contexts"`
		Payload          map[string]string `json:"payload"`
		Environment      string            `json:"environment"`
		Description      string            `json:"description"`
	}
	switch {
	case !read(w, r, 1<<20, &q):
		return
	case q.Ref == "" || utf8.RuneCountInString(q.Description) > 140:
		message(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	case q.AutoMerge == nil || *q.AutoMerge: // the trap: the default branch is merged, and there is no deployment
		message(w, http.StatusAccepted, "Auto-merged main into "+q.Ref+" on deployment.")
		return
	case q.RequiredContexts == nil: // the other one: every check of the commit must have passed, ours among them
		message(w, http.StatusConflict, "Conflict: Commit status checks failed for "+q.Ref)
		return
	}
	payload, _ := json.Marshal(q.Payload)
	text, _ := json.Marshal(string(payload)) // some versions give it back as a string
	g.last++
	d := &GitHubDeployment{ID: g.last, Ref: q.Ref, Task: q.Task, Environment: q.Environment, Description: q.Description, Payload: text}
	g.deployments = append(g.deployments, d)
	reply(w, http.StatusCreated, d)
}

var githubStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

func (g *GitHub) statuses(w http.ResponseWriter, r *http.Request, id string) {
	n, _ := strconv.ParseInt(id, 10, 64)
	i := slices.IndexFunc(g.deployments, func(d *GitHubDeployment) bool { return d.ID == n })
	if i < 0 {
		message(w, http.StatusNotFound, "Not Found")
		return
	}
	d := g.deployments[i]
	if r.Method == http.MethodGet {
		reply(w, http.StatusOK, append([]GitHubStatus{}, d.Statuses...))
		return
	}
	var s GitHubStatus
	if !read(w, r, 1<<20, &s) {
		return
	}
	if !slices.Contains(githubStates, s.State) || utf8.RuneCountInString(s.Description) > 140 {
		message(w, http.StatusUnprocessableEntity, fmt.Sprintf("Validation Failed: %s", s.State))
		return
	}
	g.last++
	s.ID = g.last
	d.Statuses = append([]GitHubStatus{s}, d.Statuses...)
	reply(w, http.StatusCreated, s)
}
