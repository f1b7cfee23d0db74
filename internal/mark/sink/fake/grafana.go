package fake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Annotation is one of Grafana's annotations as its API shows it.
type Annotation struct {
	ID           int64    `json:"id"`
	AlertID      int64    `json:"alertId"`
	DashboardID  int64    `json:"dashboardId"`
	DashboardUID string   `json:"dashboardUID"`
	PanelID      int64    `json:"panelId"`
	Created      int64    `json:"created"`
	Updated      int64    `json:"updated"`
	Time         int64    `json:"time"`
	TimeEnd      int64    `json:"timeEnd"`
	Text         string   `json:"text"`
	Tags         []string `json:"tags"`

	indexed []string // the tags by which a search finds it
}

// Grafana is a fake of Grafana's annotations, with the legacy HTTP API. Its ways are those of Grafana's SQL store.
type Grafana struct {
	server
	token       string
	annotations []*Annotation
	dashboards  map[string]int64
	lastID      int64
	loseTags    int
	losePatches int
	readOnly    bool
}

// tagsLength is the default of annotations.tags_length.
const tagsLength = 500

// NewGrafana makes an empty Grafana that knows one token.
func NewGrafana(token string) *Grafana {
	g := &Grafana{token: token, dashboards: map[string]int64{}}
	g.start(g.serve)
	return g
}

// AddDashboard makes a dashboard that annotations can belong to.
func (g *Grafana) AddDashboard(uid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dashboards[uid] = int64(len(g.dashboards) + 1)
}

// LoseTags makes the next n POSTs fail between saving the annotation and saving its tags: it carries them, and no search finds it.
func (g *Grafana) LoseTags(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loseTags = n
}

// LosePatches makes the next n PATCHes answer 200 and change nothing, as some versions do.
func (g *Grafana) LosePatches(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.losePatches = n
}

// ReadOnly takes the right to write from the token.
func (g *Grafana) ReadOnly() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readOnly = true
}

// Annotations are those that are there, by id.
func (g *Grafana) Annotations() []Annotation {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Annotation
	for _, a := range g.annotations {
		b := *a
		b.Tags = slices.Clone(a.Tags)
		all = append(all, b)
	}
	return all
}

// Put makes an annotation behind the API's back, or a second one of the same content.
func (g *Grafana) Put(a Annotation) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.insert(&a)
}

// Delete takes an annotation away.
func (g *Grafana) Delete(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.annotations = slices.DeleteFunc(g.annotations, func(a *Annotation) bool { return a.ID == id })
}

func (g *Grafana) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+g.token {
		message(w, http.StatusUnauthorized, "Invalid API key")
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.readOnly && r.Method != http.MethodGet {
		message(w, http.StatusForbidden, "You'll need additional permissions to perform this action. Permissions needed: annotations:create")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/annotations")
	id, err := strconv.ParseInt(strings.TrimPrefix(rest, "/"), 10, 64)
	switch {
	case ok && rest == "" && r.Method == http.MethodPost:
		g.post(w, r)
	case ok && rest == "" && r.Method == http.MethodGet:
		g.get(w, r.URL.Query())
	case ok && err == nil && r.Method == http.MethodPatch:
		g.patch(w, r, id)
	case ok && err == nil && r.Method == http.MethodDelete:
		g.annotations = slices.DeleteFunc(g.annotations, func(a *Annotation) bool { return a.ID == id })
		message(w, http.StatusOK, "Annotation deleted")
	default:
		message(w, http.StatusNotFound, "Not found")
	}
}

func (g *Grafana) post(w http.ResponseWriter, r *http.Request) {
	var a Annotation
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		message(w, http.StatusBadRequest, "bad request data")
		return
	}
	if a.Text == "" {
		message(w, http.StatusBadRequest, "Failed to save annotation")
		return
	}
	if !g.checkTags(w, a.Tags) {
		return
	}
	a.DashboardID = g.dashboards[a.DashboardUID]
	if a.DashboardID == 0 { // the trap: an unknown dashboard is no error
		a.DashboardUID = ""
	}
	if g.loseTags > 0 {
		g.loseTags--
		g.insert(&a)
		a.indexed = nil
		message(w, http.StatusInternalServerError, "Failed to save annotation")
		return
	}
	reply(w, http.StatusOK, map[string]any{"message": "Annotation added", "id": g.insert(&a)})
}

// insert saves an annotation. A time that is missing is now, an end that is missing is the start, and the two are put into order.
func (g *Grafana) insert(a *Annotation) int64 {
	g.lastID++
	a.ID = g.lastID
	a.Created = time.Now().UnixMilli()
	a.Updated = a.Created
	if a.Time == 0 {
		a.Time = a.Created
	}
	a.indexed = slices.Clone(a.Tags)
	a.order()
	g.annotations = append(g.annotations, a)
	return a.ID
}

func (a *Annotation) order() {
	if a.TimeEnd == 0 {
		a.TimeEnd = a.Time
	}
	if a.TimeEnd < a.Time {
		a.Time, a.TimeEnd = a.TimeEnd, a.Time
	}
}

// checkTags knows both limits: all tags together, and the columns of the table of tags (an error of the database).
func (g *Grafana) checkTags(w http.ResponseWriter, tags []string) bool {
	n := 1
	for _, t := range tags {
		n += len(t) + 3
		key, value, _ := strings.Cut(t, ":")
		if len(key) > 100 || len(value) > 100 {
			message(w, http.StatusInternalServerError, "Failed to save annotation")
			return false
		}
	}
	if n > tagsLength {
		reply(w, http.StatusBadRequest, map[string]any{"messageId": "annotations.tag-limit-exceeded", "statusCode": 400, "message": "Tags length exceeds the maximum allowed."})
		return false
	}
	return true
}

func (g *Grafana) patch(w http.ResponseWriter, r *http.Request, id int64) {
	i := slices.IndexFunc(g.annotations, func(a *Annotation) bool { return a.ID == id })
	if i < 0 {
		message(w, http.StatusNotFound, "Annotation not found")
		return
	}
	var p Annotation
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		message(w, http.StatusBadRequest, "bad request data")
		return
	}
	if !g.checkTags(w, p.Tags) {
		return
	}
	if g.losePatches > 0 {
		g.losePatches--
	} else {
		g.annotations[i].change(p)
	}
	message(w, http.StatusOK, "Annotation patched")
}

// change takes what is neither empty nor zero: the other traps.
func (a *Annotation) change(p Annotation) {
	if p.Text != "" {
		a.Text = p.Text
	}
	if p.Tags != nil {
		a.Tags, a.indexed = p.Tags, slices.Clone(p.Tags)
	}
	if p.Time != 0 {
		a.Time = p.Time
	}
	if p.TimeEnd != 0 {
		a.TimeEnd = p.TimeEnd
	}
	a.order()
	a.Updated = time.Now().UnixMilli()
}

func (g *Grafana) get(w http.ResponseWriter, q url.Values) {
	uid := q.Get("dashboardUID")
	if _, ok := g.dashboards[uid]; uid != "" && !ok {
		message(w, http.StatusBadRequest, "Invalid dashboard UID in annotation request")
		return
	}
	found := []*Annotation{}
	for _, a := range g.annotations {
		if (uid == "" || a.DashboardUID == uid) && a.within(number(q, "from"), number(q, "to")) && a.tagged(q["tags"], q.Get("matchAny") == "true") &&
			(q.Get("type") == "" || q.Get("type") == "annotation") {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b *Annotation) int {
		return cmp.Or(cmp.Compare(b.TimeEnd, a.TimeEnd), cmp.Compare(b.Time, a.Time))
	})
	limit := number(q, "limit")
	if limit == 0 {
		limit = 100
	}
	reply(w, http.StatusOK, found[:min(int64(len(found)), limit)])
}

func (a *Annotation) within(from, to int64) bool {
	return from <= 0 || to <= 0 || a.Time <= to && a.TimeEnd >= from
}

func (a *Annotation) tagged(want []string, matchAny bool) bool {
	n := 0
	for _, t := range want {
		if slices.Contains(a.indexed, t) {
			n++
		}
	}
	return len(want) == 0 || n == len(want) || matchAny && n > 0
}

func number(q url.Values, key string) int64 {
	n, _ := strconv.ParseInt(q.Get(key), 10, 64)
	return n
}

func message(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]any{"message": text})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		_, _ = fmt.Fprintln(w, err)
	}
}
