package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

func TestGitHub(t *testing.T) {
	for verdict, state := range map[string]string{"pass": "success", "rollback": "failure", "hold": "failure", "deploy-failed": "failure", "inconclusive": "error", "aborted": "error", "superseded": "inactive"} {
		bubble(t, verdict, func(t *testing.T, ctx context.Context) {
			m, f := tellAll(t, ctx, "github", verdict)
			d := f.(*fake.GitHub).Deployments()[0]
			if d.Ref != "c0ffee" || d.Environment != "production" || d.Description != "deploy of checkout v2.4.0 to production" || len(d.Statuses) != 2 {
				t.Fatalf("%+v", d)
			}
			if s := d.Statuses; s[0].State != state || s[1].State != "in_progress" || s[0].LogURL != m.RunURL || !strings.Contains(s[0].Description, ": "+verdict+" (") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The deployment of the job is taken where its id is given: none is made, and its own first status is not doubled.
func TestGitHubJob(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		s := conformance["github"]
		f := fake.NewGitHub("acme/checkout", secretToken)
		o := s.options.(githubOptions)
		o.Deployment, o.EnvironmentURL = fmt.Sprint(f.AddJob("production")), "https://shop.acme.dev"
		s.options, s.tool = o, func() tool { return f }
		k, _ := s.make(t)
		id, err := k.Open(ctx, marker())
		good(t, "open", err)
		good(t, "seal", k.Seal(ctx, id, sealed(marker(), "pass")))
		d := f.Deployments()
		if len(d) != 1 || id != o.Deployment || len(d[0].Statuses) != 2 || d[0].Statuses[0].State != "success" || d[0].Statuses[0].EnvironmentURL != o.EnvironmentURL {
			t.Errorf("%s %+v", id, d)
		}
	})
}

// A 403 that is the rate limit is waited for like a 429, once only one deployment is made; where the wait is too long, the hint is not about rights.
func TestGitHubRateLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		fault fake.Fault
		good  bool
		wait  time.Duration
		hint  string
	}{
		"Retry-After":           {fake.Fault{Header: http.Header{"Retry-After": {"3"}}}, true, 3 * time.Second, ""},
		"the quota comes back":  {fake.Fault{Header: http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946684807"}}}, true, 7 * time.Second, ""},
		"in an hour":            {fake.Fault{Times: 100, Header: http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946688400"}}}, false, 0, "more requests than GitHub takes"},
		"without any time":      {fake.Fault{Times: 100, Body: `{"message":"You have exceeded a secondary rate limit."}`}, false, 0, "more requests than GitHub takes"},
		"no matter of requests": {fake.Fault{Times: 100, Header: http.Header{"X-Ratelimit-Remaining": {"4999"}}}, false, 0, "deployments: write"},
	} {
		bubble(t, name, func(t *testing.T, ctx context.Context) {
			k, f := conformance["github"].make(t)
			tt.fault.Status, tt.fault.Method = http.StatusForbidden, http.MethodPost
			f.Fail(tt.fault)
			began := time.Now()
			_, err := k.Open(ctx, marker())
			if tt.good {
				good(t, "open", err)
				if n := len(f.(*fake.GitHub).Deployments()); n != 1 || time.Since(began) < tt.wait {
					t.Errorf("%d deployments after %s", n, time.Since(began))
				}
				return
			}
			var h *Hinted
			if !errors.As(err, &h) || !strings.Contains(h.Hint, tt.hint) || Uncertain(err) {
				t.Errorf("got %v, %+v", err, h)
			}
		})
	}
}

// What GitHub would guess, or merge, or wait for is refused before anything is sent.
func TestForgeNeeds(t *testing.T) {
	for name, change := range map[string]func(*Marker){"environment": func(m *Marker) { m.Environment = "" }, "commit": func(m *Marker) { m.Commit = "" }} {
		for _, forge := range []string{"github", "gitlab"} {
			k, f := conformance[forge].make(t)
			m := marker()
			change(&m)
			if _, err := k.Open(t.Context(), m); err == nil || Uncertain(err) || !strings.Contains(err.Error(), name) || f.Count("") != 0 {
				t.Errorf("%s without %s: %v", forge, name, err)
			}
		}
	}
	for want, build := range map[string]func() (Sink, error){
		"deployments: write": func() (Sink, error) { return buildGitHub(fill(githubOptions{})) },
		"want owner/name": func() (Sink, error) {
			return buildGitHub(fill(githubOptions{Token: httpx.NewSecret("x"), Repository: "a/b/../c"}))
		},
		"is not an id": func() (Sink, error) {
			return buildGitHub(fill(githubOptions{Token: httpx.NewSecret("x"), Deployment: "1/../2"}))
		},
		"environment-url": func() (Sink, error) {
			return buildGitHub(fill(githubOptions{Token: httpx.NewSecret("x"), EnvironmentURL: "javascript:x"}))
		},
		"the scope api":  func() (Sink, error) { return buildGitLab(fill(gitlabOptions{})) },
		"want binary or": func() (Sink, error) { return buildCDEvents(fill(cdeventsOptions{Mode: "x"})) },
		"URI reference":  func() (Sink, error) { return buildCDEvents(fill(cdeventsOptions{Mode: "binary", Source: "%zz"})) },
		"an application ke": func() (Sink, error) {
			return buildDatadog(fill(datadogOptions{APIKey: httpx.NewSecret("x"), DORA: true}))
		},
	} {
		if _, err := build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A deployment of a job, of another commit, or of an earlier deploy is not ours.
func TestGitLab(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, tool := conformance["gitlab"].make(t)
		f := tool.(*fake.GitLab)
		m := marker()
		m.Ref = "refs/heads/main"
		production := map[string]any{"name": "production"}
		f.Add(fake.GitLabDeployment{SHA: m.Commit, Status: "running", Deployable: map[string]any{"id": 1}, CreatedAt: time.Now(), Environment: production})
		f.Add(fake.GitLabDeployment{SHA: "other", Status: "running", CreatedAt: time.Now(), Environment: production})
		f.Add(fake.GitLabDeployment{SHA: m.Commit, Status: "success", CreatedAt: m.Started.Add(-time.Hour), Environment: production})
		id, err := k.Open(ctx, m)
		good(t, "open", err)
		good(t, "seal", k.Seal(ctx, id, sealed(m, "pass")))
		good(t, "seal again, which GitLab refuses", k.Seal(ctx, id, sealed(m, "pass")))
		all := f.Deployments()
		if len(all) != 4 || id != "4" || all[3].Status != "success" || all[3].Ref != "main" || all[3].SHA != m.Commit || all[0].Status != "running" || all[1].Status != "running" {
			t.Errorf("%s %+v", id, all)
		}
	})
}

func TestCDEvents(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		_, f := tellAll(t, ctx, "cdevents", "rollback")
		marks := f.Marks()
		for i, want := range []string{`"type":"dev.cdevents.taskrun.started.0.3.0"`,
			`"artifactId":"pkg:oci/checkout@sha256%3Aaa?repository_url=ghcr.io%2Facme%2Fcheckout"`, `"outcome":"failure"`} {
			if !strings.Contains(marks[i], want) {
				t.Errorf("%s is not in %s", want, marks[i])
			}
		}
		_, f = tellAll(t, ctx, "cdevents structured", "pass")
		if r := f.Requests()[0]; r.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" || r.Header.Get("Ce-Id") != "" || r.Path != "/events" {
			t.Errorf("%+v", r)
		}
		k, f := conformance["cdevents"].make(t)
		good(t, "seal", k.Seal(ctx, "", sealed(marker(), "deploy-failed")))
		if got := shown(t, f, 1); strings.Contains(got, "service.deployed") {
			t.Errorf("a deploy that failed deployed the service: %s", got)
		}
	})
}

func TestCDArtifact(t *testing.T) {
	for image, want := range map[string]string{
		"ghcr.io/acme/Checkout:v1":       "pkg:oci/checkout@sha256%3Aaa?repository_url=ghcr.io%2Facme%2FCheckout",
		"localhost:5000/shop":            "pkg:oci/shop@sha256%3Aaa?repository_url=localhost%3A5000%2Fshop",
		"shop@sha256:aa":                 "pkg:oci/shop@sha256%3Aaa?repository_url=shop",
		"":                               "",
		"localhost:5000/shop:v1@sha256:": "pkg:oci/shop@sha256%3Aaa?repository_url=localhost%3A5000%2Fshop",
	} {
		if got := cdArtifact(Marker{Image: image, Digest: "sha256:aa"}); got != want {
			t.Errorf("%q: got %q, want %q", image, got, want)
		}
	}
	if got := ceHeader("é \"%\r\n"); got != "%C3%A9%20%22%25%0D%0A" {
		t.Error(got)
	}
}

func TestDatadogDORA(t *testing.T) {
	for verdict, failed := range map[string]any{"pass": nil, "rollback": true, "hold": true, "deploy-failed": true, "inconclusive": nil} {
		bubble(t, verdict, func(t *testing.T, ctx context.Context) {
			k, tool := conformance["datadog with dora"].make(t)
			m := sealed(marker(), verdict)
			m.Commit, m.Repository, m.RunURL = strings.Repeat("ab", 20), "acme/checkout", "https://github.com/acme/checkout/actions/runs/1"
			good(t, "seal", k.Seal(ctx, "", m))
			d := tool.(*fake.Datadog).DORA()[m.DeployID]
			if d == nil || d["change_failure"] != failed || d["started_at"] != float64(m.Started.UnixNano()) || d["version"] != "v2.4.0" ||
				fmt.Sprint(d["git"]) != "map[commit_sha:"+m.Commit+" repository_url:https://github.com/acme/checkout]" {
				t.Errorf("%+v", d)
			}
		})
	}
	bubble(t, "a good one ends the failures before it", func(t *testing.T, ctx context.Context) {
		k, tool := conformance["datadog with dora"].make(t)
		failed := sealed(marker(), "rollback")
		failed.DeployID = "checkout-production-0123456789ab-6"
		good(t, "seal", k.Seal(ctx, "", failed))
		m := sealed(marker(), "pass")
		m.Remedied, m.Rollback = []string{"never-counted-in-datadog", failed.DeployID}, true
		good(t, "seal", k.Seal(ctx, "", m))
		d := tool.(*fake.Datadog).DORA()
		if f := d[failed.DeployID]; f["change_failure"] != true || fmt.Sprint(f["remediation"]) != "map[id:"+m.DeployID+" type:rollback]" || d[m.DeployID]["change_failure"] != nil {
			t.Errorf("%+v", d)
		}
	})
	bubble(t, "trouble is a warning", func(t *testing.T, ctx context.Context) {
		k, f := conformance["datadog with dora"].make(t)
		f.Fail(fake.Fault{Path: "/api/v2/dora", Status: 403, Times: 9})
		var w *Warning
		if err := k.Seal(ctx, "", sealed(marker(), "pass")); !errors.As(err, &w) || !strings.Contains(w.Hint, "dora_metrics_write") {
			t.Errorf("%v", err)
		}
		shown(t, f, 1)
		good(t, "seal", k.Seal(ctx, "", sealed(marker(), "aborted")))
	})
}
