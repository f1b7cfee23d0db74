package sink

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// doraID is what Datadog takes as the id of a deployment, by which one that arrives twice is the same.
var (
	doraID     = lazyregexp.New(`^[A-Za-z0-9_.:-]{16,128}$`)
	doraCommit = lazyregexp.New(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

func datadogDoraID(m Marker) string {
	if id := deployTag(m); doraID.MatchString(id) {
		return id
	}
	return derivedID("dora", m, 16)
}

type (
	doraDeployment struct {
		ID         string   `json:"id"`
		Service    string   `json:"service"`
		Env        string   `json:"env,omitempty"`
		Version    string   `json:"version,omitempty"`
		StartedAt  int64    `json:"started_at"` // nanoseconds
		FinishedAt int64    `json:"finished_at"`
		Git        *doraGit `json:"git,omitempty"`
		CustomTags []string `json:"custom_tags,omitempty"` // key:value, 100 at most
	}
	doraGit struct {
		CommitSHA     string `json:"commit_sha"`
		RepositoryURL string `json:"repository_url"`
	}
	doraPatch struct {
		ID         string      `json:"id"`
		Type       string      `json:"type"`
		Attributes doraOutcome `json:"attributes"`
	}
	doraOutcome struct {
		ChangeFailure bool             `json:"change_failure"`
		Remediation   *doraRemediation `json:"remediation,omitempty"`
	}
	doraRemediation struct {
		ID   string `json:"id"`   // of the deployment that made it good
		Type string `json:"type"` // rollback, rollforward
	}
)

// dora counts the deploy in DORA metrics, and a deploy that failed as a change failure; a good one ends the failures before it, from which
// Datadog has the time to recover. A trouble here leaves the event as it is.
func (d *datadog) dora(ctx context.Context, m Marker) error {
	switch m.Verdict {
	case "aborted", "superseded", "error", "blocked":
		return nil // nothing was proved to be deployed
	}
	if m.Service == "" {
		return &Warning{Text: "a DORA deployment needs a service: give service"}
	}
	start, end := m.interval()
	a := doraDeployment{ID: datadogDoraID(m), Service: clean.Cut(m.Service, datadogTag), Env: clean.Cut(m.Environment, datadogTag), Version: clean.Cut(m.Version, datadogTag),
		StartedAt: start.UnixNano(), FinishedAt: end.UnixNano(), Git: m.git(),
		CustomTags: tags([]pair{{"deploy-id", deployTag(m)}, {"verdict", m.Verdict}}, keyed(d.options.Tags), datadogTag)}
	// Repeatable: the id makes a second one the same.
	_, err := d.call(ctx, httpx.Request{Path: "/api/v2/dora/deployment", Repeatable: true}, map[string]any{"data": map[string]any{"attributes": a}})
	if err == nil && alertType(m.Verdict) == "error" {
		err = d.doraFailed(ctx, a.ID, nil)
	}
	if err == nil {
		err = d.doraRemedied(ctx, a.ID, m)
	}
	if err == nil {
		return nil
	}
	return &Warning{Text: "the deploy is not in the DORA metrics: " + err.Error(),
		Hint: "check that app-key has the permission dora_metrics_write, and that the site has DORA metrics"}
}

func (d *datadog) doraFailed(ctx context.Context, id string, r *doraRemediation) error {
	patch := doraPatch{ID: id, Type: "dora_deployment_patch_request", Attributes: doraOutcome{ChangeFailure: true, Remediation: r}}
	_, err := d.call(ctx, httpx.Request{Method: http.MethodPatch, Path: "/api/v2/dora/deployments/" + url.PathEscape(id), Repeatable: true}, map[string]any{"data": patch})
	return err
}

// doraRemedied says of the deployments that failed that this one made them good. One that Datadog does not know was never counted.
func (d *datadog) doraRemedied(ctx context.Context, id string, m Marker) error {
	r := &doraRemediation{ID: id, Type: "rollforward"}
	if m.Rollback {
		r.Type = "rollback"
	}
	for _, failed := range m.Remedied {
		if err := d.doraFailed(ctx, datadogDoraID(Marker{DeployID: failed}), r); err != nil && statusOf(err) != http.StatusNotFound {
			return err
		}
	}
	return nil
}

// git is the commit, where Datadog can use it: a full one, with the address of the repository.
func (m Marker) git() *doraGit {
	repository := m.repositoryURL()
	if repository == "" || !doraCommit.MatchString(m.Commit) {
		return nil
	}
	return &doraGit{CommitSHA: m.Commit, RepositoryURL: repository}
}

// keyed are the tags that are key:value; DORA refuses others.
func keyed(all []string) []string {
	var kept []string
	for _, t := range all {
		if strings.Contains(t, ":") && len(kept) < 90 {
			kept = append(kept, t)
		}
	}
	return kept
}
