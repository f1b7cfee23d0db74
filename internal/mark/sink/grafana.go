package sink

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// grafanaOptions is the block `grafana:`.
type grafanaOptions struct {
	httpx.Remote
	Token     httpx.Secret `yaml:"token"`     // of a service account: annotations:read, annotations:create, annotations:write
	Dashboard string       `yaml:"dashboard"` // uid; without it the marker belongs to the organisation, and any dashboard can show it by its tags
	Panel     int64        `yaml:"panel"`     // of that dashboard
	Tags      []string     `yaml:"tags"`      // beside deploy-id, service, environment, version and verdict
}

// grafana marks deploys as annotations: one region a deploy, found again by its tag deploy-id:ID.
type grafana struct {
	link
	options grafanaOptions
}

// Limits of Grafana's tables: a tag's key and value have 100 characters each, and all tags of an annotation 500 bytes with their quotes
// and commas (the default of annotations.tags_length).
const (
	grafanaTag     = 100
	grafanaAllTags = 500
	grafanaText    = 4000
)

func buildGrafana(decode func(any) error) (Sink, error) {
	var o grafanaOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	switch {
	case o.Token.IsZero() && len(o.Headers) == 0:
		return nil, errors.New("token is missing, want that of a Grafana service account with the role Editor, as ${NAME}")
	case o.Panel != 0 && o.Dashboard == "":
		return nil, errors.New("panel is given without dashboard, want the dashboard's uid too (it is in its URL, behind /d/)")
	case o.Panel < 0:
		return nil, fmt.Errorf("panel %d, want the number of a panel", o.Panel)
	case len(o.Dashboard) > 40 || strings.ContainsAny(o.Dashboard, "/:?# "):
		return nil, fmt.Errorf("dashboard %q is not a uid, want the part of the dashboard's URL behind /d/", clean.Cut(o.Dashboard, 80))
	}
	if err := checkTags(o.Tags, grafanaTag); err != nil {
		return nil, err
	}
	l, err := connect(o.Remote, httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	return &grafana{link: l, options: o}, nil
}

// Traits implements Sink.
func (g *grafana) Traits() Traits { return Traits{Find: true, Update: true} }

// Open implements Sink.
func (g *grafana) Open(ctx context.Context, m Marker) (string, error) {
	at := m.Started
	if at.IsZero() {
		at = time.Now()
	}
	w := g.write(m)
	w.Time = at.UnixMilli()
	found, err := g.findLost(ctx, m, w)
	if err != nil {
		return "", hintGrafana(err)
	}
	if found != nil {
		return found.id(), g.move(ctx, found, m)
	}
	made, err := g.create(ctx, m, w)
	if err != nil {
		return "", hintGrafana(err)
	}
	return made.id(), g.compare(made, w)
}

// move corrects the start of a marker that an earlier attempt made with a worse idea of it.
func (g *grafana) move(ctx context.Context, found *annotation, m Marker) error {
	if m.Started.IsZero() || found.Time == m.Started.UnixMilli() || found.sealed() {
		return nil
	}
	if err := g.patch(ctx, found.ID, annotationWrite{Time: m.Started.UnixMilli()}); err != nil {
		return &Warning{Text: "the marker is there, but its start could not be corrected: " + err.Error()}
	}
	return nil
}

// Seal implements Sink. The annotation becomes a region from the deploy's start to the end of the bake.
func (g *grafana) Seal(ctx context.Context, id string, m Marker) error {
	w := g.write(m)
	end := m.Ended
	if end.IsZero() {
		end = time.Now()
	}
	w.TimeEnd = end.UnixMilli()
	if !m.Started.IsZero() {
		w.Time = m.Started.UnixMilli()
		w.TimeEnd = max(w.Time, w.TimeEnd) // Grafana would swap them
	}
	sealed, err := g.seal(ctx, id, m, w)
	if err != nil {
		return hintGrafana(err)
	}
	return g.compare(sealed, w)
}

// seal changes the annotation that Open made; if it is not known or not there any more, the one with the deploy's tag; if there is none
// of those, it makes a complete one.
func (g *grafana) seal(ctx context.Context, id string, m Marker, w annotationWrite) (*annotation, error) {
	known, _ := strconv.ParseInt(id, 10, 64)
	var patched error
	if known > 0 {
		if patched = g.patch(ctx, known, w); patched == nil {
			return g.readBack(ctx, m, known, w)
		}
		if s := statusOf(patched); s != http.StatusNotFound && s != http.StatusInternalServerError {
			return nil, patched // only these may mean that the annotation is gone, by Grafana's version
		}
	}
	found, err := g.findLost(ctx, m, w)
	switch {
	case err != nil:
		return nil, errors.Join(patched, err)
	case found != nil && found.ID == known, found == nil && statusOf(patched) == http.StatusInternalServerError:
		return nil, patched
	case found != nil:
		if err := g.patch(ctx, found.ID, w); err != nil {
			return nil, err
		}
		return g.readBack(ctx, m, found.ID, w)
	}
	if w.Time == 0 {
		w.Time = w.TimeEnd
	}
	return g.create(ctx, m, w)
}

// readBack looks at the marker as it is now, since some versions answer 200 to a change that they don't make, and merges duplicates that
// arrived late. Where it can't be read, the answer counts.
func (g *grafana) readBack(ctx context.Context, m Marker, id int64, w annotationWrite) (*annotation, error) {
	if found, err := g.find(ctx, m); err == nil && found != nil {
		return found, nil
	}
	return &annotation{ID: id, Time: w.Time, TimeEnd: w.TimeEnd, Tags: w.Tags, DashboardUID: w.DashboardUID}, nil
}

// compare says where the marker differs from what was asked for.
func (g *grafana) compare(got *annotation, want annotationWrite) error {
	switch {
	case want.TimeEnd != 0 && !got.sealed():
		return &Warning{Text: fmt.Sprintf("Grafana took the end of the deploy but annotation %d does not show it", got.ID),
			Hint: "some versions of Grafana lose changes of annotations: update Grafana"}
	case g.options.Dashboard != "" && got.DashboardUID == "" && got.DashboardID == 0:
		return &Warning{Text: fmt.Sprintf("there is no dashboard with the uid %q that the token may use, so annotation %d was saved for the whole organisation", g.options.Dashboard, got.ID),
			Hint: "check the dashboard's uid (the part of its URL behind /d/) and that the service account may edit it"}
	case len(want.left) > 0:
		return &Warning{Text: fmt.Sprintf("%d tags did not fit into Grafana's %d bytes: %s", len(want.left), grafanaAllTags, clean.Cut(strings.Join(want.left, ", "), 200)),
			Hint: "use fewer or shorter tags"}
	}
	return nil
}

// write is the annotation's content.
func (g *grafana) write(m Marker) annotationWrite {
	w := annotationWrite{DashboardUID: g.options.Dashboard, PanelID: g.options.Panel, Text: grafanaBody(m)}
	all := tags([]pair{{"deploy-id", deployTag(m)}, {"verdict", m.Verdict}, {"service", m.Service}, {"environment", m.Environment}, {"version", m.Version}},
		g.options.Tags, grafanaTag)
	w.Tags, w.left = fit(append(all, "deploy"), grafanaAllTags)
	return w
}

// fit keeps the tags that fit into Grafana's limit, which counts brackets, quotes and commas but no escapes.
func fit(all []string, limit int) (kept, left []string) {
	n := 1
	for _, t := range all {
		if n+len(t)+3 > limit {
			left = append(left, t)
			continue
		}
		n += len(t) + 3
		kept = append(kept, t)
	}
	return kept, left
}

// grafanaBody is the text, which Grafana shows as HTML: what comes from outside is escaped.
func grafanaBody(m Marker) string {
	var b strings.Builder
	b.WriteString("<b>" + html.EscapeString(title(m)) + "</b>")
	for _, p := range details(m) {
		line := "\n" + p.key + ": " + html.EscapeString(p.value)
		if p.key == "run" && (strings.HasPrefix(p.value, "https://") || strings.HasPrefix(p.value, "http://")) {
			line = fmt.Sprintf("\n<a href=\"%s\">pipeline run</a>", html.EscapeString(p.value))
		}
		if b.Len()+len(line) <= grafanaText {
			b.WriteString(line)
		}
	}
	return b.String()
}

// hintGrafana adds what to do.
func hintGrafana(err error) error {
	hint := ""
	switch s := statusOf(err); {
	case s == http.StatusUnauthorized:
		hint = "Grafana does not know the token: make a new one for the service account, and check that the url is of the same Grafana"
	case s == http.StatusForbidden:
		hint = "the service account may not do this: give it the role Editor, or the permissions annotations:read, annotations:create and annotations:write"
	case s == http.StatusNotFound:
		hint = "check the url: it ends where Grafana begins, before /api"
	case s == http.StatusBadRequest && strings.Contains(err.Error(), "ashboard"):
		hint = "check the dashboard's uid (the part of its URL behind /d/)"
	default:
		return err
	}
	return &Hinted{Err: err, Hint: hint}
}
