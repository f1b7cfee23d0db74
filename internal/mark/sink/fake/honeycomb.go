package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// HoneycombMarker is a marker as Honeycomb's API shows it.
type HoneycombMarker struct {
	ID      string `json:"id,omitempty"`
	Start   int64  `json:"start_time,omitempty"`
	End     int64  `json:"end_time,omitempty"`
	Message string `json:"message,omitempty"`
	Type    string `json:"type,omitempty"`
	URL     string `json:"url,omitempty"`
}

// Honeycomb is a fake of Honeycomb's markers.
type Honeycomb struct {
	server
	key, dataset string
	markers      []HoneycombMarker
}

// NewHoneycomb makes one that knows one key and one dataset.
func NewHoneycomb(key, dataset string) *Honeycomb {
	h := &Honeycomb{key: key, dataset: dataset}
	h.start(h.serve)
	return h
}

// Markers are those that are there.
func (h *Honeycomb) Markers() []HoneycombMarker {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]HoneycombMarker(nil), h.markers...)
}

// Marks implements what the tests ask of every fake.
func (h *Honeycomb) Marks() []string {
	var all []string
	for _, m := range h.Markers() {
		text, _ := json.Marshal(m)
		all = append(all, string(text))
	}
	return all
}

func (h *Honeycomb) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/1/markers/"+h.dataset)
	id := strings.TrimPrefix(rest, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case r.Header.Get("X-Honeycomb-Team") != h.key:
		reply(w, http.StatusUnauthorized, map[string]any{"error": "unknown API key - check your credentials"})
	case !ok:
		reply(w, http.StatusNotFound, map[string]any{"error": "dataset not found"})
	case r.Method == http.MethodGet && id == "":
		reply(w, http.StatusOK, h.markers)
	case r.Method == http.MethodPost && id == "":
		var m HoneycombMarker
		if read(w, r, 1<<20, &m) {
			m.ID = fmt.Sprintf("%06x", len(h.markers)+1)
			h.markers = append(h.markers, m)
			reply(w, http.StatusCreated, m)
		}
	case r.Method == http.MethodPut:
		h.put(w, r, id)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// put replaces a marker: the trap is that what is left out is erased.
func (h *Honeycomb) put(w http.ResponseWriter, r *http.Request, id string) {
	for i := range h.markers {
		if h.markers[i].ID != id {
			continue
		}
		var m HoneycombMarker
		if read(w, r, 1<<20, &m) {
			m.ID = id
			h.markers[i] = m
			reply(w, http.StatusOK, m)
		}
		return
	}
	reply(w, http.StatusNotFound, map[string]any{"error": "marker not found"})
}
