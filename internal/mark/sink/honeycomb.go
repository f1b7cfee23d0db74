package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// honeycombOptions is the block `honeycomb:`.
type honeycombOptions struct {
	httpx.Remote
	APIKey  httpx.Secret `yaml:"api-key,required"` // a configuration key with the permission Manage Markers
	Dataset string       `yaml:"dataset"`          // default: the whole environment
	Type    string       `yaml:"type"`             // default: deploy; markers of one type have one colour
	Region  string       `yaml:"region"`           // us (default), eu
}

// honeycomb makes one marker a deploy, which becomes a range at the end. It has no field for an id of ours, so that the deploy id stands
// at the end of its message.
type honeycomb struct {
	link
	options honeycombOptions
}

// honeycombText is the longest message that is made: it is shown above a graph.
const honeycombText = 400

func buildHoneycomb(decode func(any) error) (Sink, error) {
	o := honeycombOptions{Dataset: "__all__", Type: "deploy"}
	if err := decode(&o); err != nil {
		return nil, err
	}
	switch {
	case o.APIKey.IsZero():
		return nil, errors.New("api-key is missing, want a configuration key with the permission Manage Markers, as ${NAME}")
	case o.Dataset == "" || url.PathEscape(o.Dataset) != o.Dataset:
		return nil, fmt.Errorf("dataset %q is not a slug, want the part of the dataset's URL behind /datasets/", clean.Cut(o.Dataset, 80))
	case len(o.Type) > 50 || clean.Text(o.Type) != o.Type || o.Type == "":
		return nil, fmt.Errorf("type %q, want a short word", clean.Cut(o.Type, 80))
	}
	var err error
	if o.URL, err = regional(o.URL, o.Region, map[string]string{"us": "https://api.honeycomb.io", "eu": "https://api.eu1.honeycomb.io"}); err != nil {
		return nil, err
	}
	l, err := connect(o.Remote, httpx.WithHeader("X-Honeycomb-Team", o.APIKey))
	if err != nil {
		return nil, err
	}
	return &honeycomb{link: l, options: o}, nil
}

// Traits implements Sink.
func (h *honeycomb) Traits() Traits { return Traits{Find: true, Update: true} }

// honeycombMarker is a marker as the API has it. PUT erases what is left out, so that everything is always sent.
type honeycombMarker struct {
	ID      string `json:"id,omitempty"`
	Start   int64  `json:"start_time"` // seconds
	End     int64  `json:"end_time,omitempty"`
	Message string `json:"message"`
	Type    string `json:"type"`
	URL     string `json:"url,omitempty"`
}

// Open implements Sink.
func (h *honeycomb) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	w, c := h.write(m)
	w.Start = m.at().Unix()
	made, err := h.once(ctx, m, w)
	if err != nil {
		return "", refused(err, honeycombHints)
	}
	return made.ID, c.warning("Honeycomb")
}

// Seal implements Sink.
func (h *honeycomb) Seal(ctx context.Context, id string, m Marker) error {
	w, c := h.write(m)
	start, end := m.interval()
	w.Start, w.End = start.Unix(), max(end.Unix(), start.Unix()+1) // a range of no length is a point
	err := h.seal(ctx, id, m, w)
	if err != nil {
		return refused(err, honeycombHints)
	}
	return c.warning("Honeycomb")
}

// seal changes the marker that Open made, or the one that carries the deploy id; if there is none of those, it makes a complete one.
func (h *honeycomb) seal(ctx context.Context, id string, m Marker, w honeycombMarker) error {
	if id != "" {
		if err := h.put(ctx, id, w); statusOf(err) != http.StatusNotFound {
			return err
		}
	}
	made, err := h.once(ctx, m, w)
	if err != nil || made.End == w.End && made.Message == w.Message {
		return err
	}
	return h.put(ctx, made.ID, w)
}

func (h *honeycomb) path() string { return "/1/markers/" + h.options.Dataset }

func (h *honeycomb) put(ctx context.Context, id string, w honeycombMarker) error {
	w.ID = ""
	resp, err := h.call(ctx, httpx.Request{Method: http.MethodPut, Path: h.path() + "/" + url.PathEscape(id)}, w)
	if err != nil {
		return err
	}
	return httpx.DecodeJSON(resp, &honeycombMarker{})
}

func (h *honeycomb) once(ctx context.Context, m Marker, w honeycombMarker) (*honeycombMarker, error) {
	find := func(ctx context.Context) (*honeycombMarker, error) {
		return first(ctx, h.link, httpx.Request{Path: h.path()}, func(w *honeycombMarker) bool { return w.ID != "" && strings.HasSuffix(w.Message, honeycombID(m)) })
	}
	return once(ctx, find, func(ctx context.Context) (*honeycombMarker, error) {
		return create(ctx, h.link, httpx.Request{Path: h.path()}, w, "marker", func(w *honeycombMarker) bool { return w.ID != "" })
	})
}

func honeycombID(m Marker) string { return " (" + deployTag(m) + ")" }

func (h *honeycomb) write(m Marker) (honeycombMarker, *cutter) {
	c := &cutter{}
	text := title(m)
	for _, s := range []string{m.Reason, m.Summary} {
		if s != "" {
			text += "; " + s
		}
	}
	id := honeycombID(m)
	return honeycombMarker{Message: c.text("message", text, honeycombText-len(id)) + id, Type: h.options.Type, URL: m.link()}, c
}

var honeycombHints = map[int]string{
	http.StatusUnauthorized: "check that api-key is a configuration key (not an ingest key) of the environment, with the permission Manage Markers, of the region at this url",
	http.StatusForbidden:    "check that api-key has the permission Manage Markers",
	http.StatusNotFound:     "check the dataset's slug: the dataset must be there before the marker",
}
