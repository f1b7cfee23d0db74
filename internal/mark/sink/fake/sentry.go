package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SentryDeploy is a deploy as Sentry's API shows it.
type SentryDeploy struct {
	ID          string   `json:"id"`
	Environment string   `json:"environment"`
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Projects    []string `json:"projects,omitempty"`
	Started     string   `json:"dateStarted"`
	Finished    string   `json:"dateFinished"`
}

// Sentry is a fake of Sentry's releases and their deploys.
type Sentry struct {
	server
	organization, project, token string
	releases                     []string
	deploys                      map[string][]SentryDeploy
}

// NewSentry makes one with an organisation and a project.
func NewSentry(organization, project, token string) *Sentry {
	s := &Sentry{organization: organization, project: project, token: token, deploys: map[string][]SentryDeploy{}}
	s.start(s.serve)
	return s
}

// Marks implements what the tests ask of every fake.
func (s *Sentry) Marks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.releases {
		all = append(all, "release "+r)
		for _, d := range s.deploys[r] {
			text, _ := json.Marshal(d)
			all = append(all, string(text))
		}
	}
	return all
}

func (s *Sentry) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/0/organizations/"+s.organization+"/releases/")
	version, deploys := strings.CutSuffix(rest, "/deploys/")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.token:
		reply(w, http.StatusUnauthorized, map[string]any{"detail": "Invalid token"})
	case !ok || !strings.HasSuffix(r.URL.Path, "/"):
		reply(w, http.StatusNotFound, map[string]any{"detail": "The requested resource does not exist"})
	case rest == "" && r.Method == http.MethodPost:
		s.release(w, r)
	case !deploys || !slices.Contains(s.releases, version):
		reply(w, http.StatusNotFound, map[string]any{"detail": "The requested resource does not exist"})
	case r.Method == http.MethodGet:
		reply(w, http.StatusOK, append([]SentryDeploy{}, s.deploys[version]...))
	default:
		s.deploy(w, r, version)
	}
}

// release makes a release, or answers 208 for one that is there.
func (s *Sentry) release(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Version  string   `json:"version"`
		Projects []string `json:"projects"`
		URL      string   `json:"url"`
	}
	switch {
	case !read(w, r, 1<<20, &q):
	case q.Version == "" || len(q.Version) > 200 || strings.ContainsAny(q.Version, "/\\\n\t") || !slices.Equal(q.Projects, []string{s.project}):
		reply(w, http.StatusBadRequest, map[string]any{"version": []string{"Invalid"}})
	case slices.Contains(s.releases, q.Version):
		reply(w, http.StatusAlreadyReported, map[string]any{"version": q.Version})
	default:
		s.releases = append(s.releases, q.Version)
		reply(w, http.StatusCreated, map[string]any{"version": q.Version})
	}
}

func (s *Sentry) deploy(w http.ResponseWriter, r *http.Request, version string) {
	var d SentryDeploy
	if !read(w, r, 1<<20, &d) {
		return
	}
	_, err1 := time.Parse(time.RFC3339, d.Started)
	_, err2 := time.Parse(time.RFC3339, d.Finished)
	if d.Environment == "" || len(d.Environment) > 64 || strings.ContainsAny(d.Environment, "/\n") || len(d.Name) > 64 || err1 != nil || err2 != nil {
		reply(w, http.StatusBadRequest, map[string]any{"detail": fmt.Sprintf("%+v", d)})
		return
	}
	d.ID = strconv.Itoa(len(s.deploys[version]) + 1)
	s.deploys[version] = append(s.deploys[version], d)
	reply(w, http.StatusCreated, d)
}
