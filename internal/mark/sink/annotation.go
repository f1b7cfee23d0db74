package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// annotation is what Grafana gives back (GET /api/annotations).
type annotation struct {
	ID           int64    `json:"id"`
	DashboardID  int64    `json:"dashboardId"`
	DashboardUID string   `json:"dashboardUID"`
	Time         int64    `json:"time"` // ms
	TimeEnd      int64    `json:"timeEnd"`
	Tags         []string `json:"tags"`
}

func (a *annotation) id() string { return strconv.FormatInt(a.ID, 10) }

func (a *annotation) sealed() bool {
	return slices.ContainsFunc(a.Tags, func(t string) bool { return strings.HasPrefix(t, "verdict:") })
}

// annotationWrite is what POST and PATCH /api/annotations take. PATCH leaves alone what is zero or empty.
type annotationWrite struct {
	DashboardUID string   `json:"dashboardUID,omitempty"`
	PanelID      int64    `json:"panelId,omitempty"`
	Time         int64    `json:"time,omitempty"` // ms
	TimeEnd      int64    `json:"timeEnd,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Text         string   `json:"text,omitempty"`

	left []string // tags that did not fit
}

// How a POST whose fate is not known is repeated: each time the deploy's tag is looked for first, after a pause in which a server that
// is only slow can finish.
const (
	grafanaPosts = 3
	grafanaPause = time.Second
)

// deployTag is the value by which the deploy is found again. It is exact: an id that a tag can't carry is replaced by its hash.
func deployTag(m Marker) string {
	if id := tagValue(m.DeployID, 80); id == m.DeployID && id != "" && !strings.ContainsAny(id, ": ") {
		return id
	}
	h := sha256.Sum256([]byte(m.DeployID))
	return "sha256-" + hex.EncodeToString(h[:16])
}

// create makes the deploy's annotation, once. Grafana has no key against duplicates, so a POST that may have been taken is repeated only
// when the deploy is not to be found, and what arrives twice all the same is merged by find.
func (g *grafana) create(ctx context.Context, m Marker, w annotationWrite) (*annotation, error) {
	var failed error
	for n := range grafanaPosts {
		if n > 0 {
			if err := pause(ctx, grafanaPause<<(n-1)); err != nil {
				return nil, failed
			}
			found, err := g.findLost(ctx, m, w)
			if err != nil {
				return nil, errors.Join(failed, err)
			}
			if found != nil {
				return found, nil
			}
		}
		id, err := g.post(ctx, w)
		switch {
		case err == nil && (n > 0 || g.options.Dashboard != ""):
			return g.readBack(ctx, m, id, w)
		case err == nil:
			return &annotation{ID: id, Time: w.Time, TimeEnd: w.TimeEnd, Tags: w.Tags}, nil
		case !Uncertain(err):
			return nil, err
		}
		failed = err
	}
	if found, err := g.findLost(ctx, m, w); err == nil && found != nil {
		return found, nil
	}
	return nil, failed
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (g *grafana) post(ctx context.Context, w annotationWrite) (int64, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	resp, err := g.api.Do(ctx, httpx.Request{Method: http.MethodPost, Path: "/api/annotations", Body: body})
	if err != nil {
		return 0, err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	if err := httpx.DecodeJSON(resp, &made); err != nil {
		return 0, err
	}
	if made.ID <= 0 {
		return 0, fmt.Errorf("%s %s: the reply names no annotation, want its id", resp.Method, resp.URL)
	}
	return made.ID, nil
}

// patch sends the same values however often it is repeated.
func (g *grafana) patch(ctx context.Context, id int64, w annotationWrite) error {
	w.DashboardUID, w.PanelID = "", 0 // an annotation stays where it is
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	_, err = g.api.Do(ctx, httpx.Request{Method: http.MethodPatch, Path: "/api/annotations/" + strconv.FormatInt(id, 10), Body: body, Repeatable: true})
	return err
}

// find returns the deploy's annotation, nil if there is none. Where there are several (two attempts at the same time, a POST that was
// taken after its time-out), the oldest stays and the others are deleted.
func (g *grafana) find(ctx context.Context, m Marker) (*annotation, error) {
	return g.search(ctx, m, url.Values{"tags": {"deploy-id:" + deployTag(m)}, "limit": {"100"}})
}

// findLost looks at all annotations of the moment too: Grafana saves an annotation and its tags in two steps, and one whose second step
// failed carries its tags but is not found by them. Writing the tags again mends it.
func (g *grafana) findLost(ctx context.Context, m Marker, w annotationWrite) (*annotation, error) {
	if found, err := g.find(ctx, m); err != nil || found != nil {
		return found, err
	}
	from, to := strconv.FormatInt(w.Time, 10), strconv.FormatInt(max(w.Time, w.TimeEnd), 10)
	found, err := g.search(ctx, m, url.Values{"from": {from}, "to": {to}, "limit": {"1000"}})
	if found != nil {
		_ = g.patch(ctx, found.ID, annotationWrite{Tags: w.Tags, Text: w.Text}) // if it fails, it is found by its time again
	}
	return found, err
}

func (g *grafana) search(ctx context.Context, m Marker, q url.Values) (*annotation, error) {
	q.Set("type", "annotation")
	resp, err := g.api.Do(ctx, httpx.Request{Path: "/api/annotations", Query: q})
	if err != nil {
		return nil, err
	}
	var all []annotation
	if err := httpx.DecodeJSON(resp, &all); err != nil {
		return nil, err
	}
	tag := "deploy-id:" + deployTag(m)
	all = slices.DeleteFunc(all, func(a annotation) bool { return a.ID <= 0 || !slices.Contains(a.Tags, tag) })
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b annotation) int { return int(a.ID - b.ID) })
	all = slices.CompactFunc(all, func(a, b annotation) bool { return a.ID == b.ID })
	for _, twin := range all[1:] {
		// A token that may not delete leaves the duplicate; the deploy is marked all the same.
		_, _ = g.api.Do(ctx, httpx.Request{Method: http.MethodDelete, Path: "/api/annotations/" + twin.id()})
	}
	return &all[0], nil
}
