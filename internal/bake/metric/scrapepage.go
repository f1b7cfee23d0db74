package metric

import (
	"maps"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// page is what one scrape of one target found.
type page struct {
	at       time.Time
	watched  map[string]*watch
	instance string

	samples []exposed
	started float64            // process_start_time_seconds, 0: not there
	created map[string]float64 // by counterKey: what lines NAME_created say
}

// add takes one sample of the page.
func (p *page) add(x exposed) error {
	if x.name == "process_start_time_seconds" && len(x.labels) == 0 {
		p.started = x.v
	}
	x.labels = p.labelled(x.labels)
	if base, ok := strings.CutSuffix(x.name, "_created"); ok && len(p.created) < scrapeWatched {
		if p.created == nil {
			p.created = map[string]float64{}
		}
		p.created[counterKey(base, x.labels)] = x.v
	}
	for _, w := range p.watched {
		if w.takes(x) {
			p.samples = append(p.samples, x)
			break
		}
	}
	if len(p.samples) > scrapeWatched {
		return troublef(TooMany, "the queries select more than %d series of the page together: narrow the selectors", scrapeWatched)
	}
	return nil
}

// labelled are the labels with that of the target. One of the page's own that has this name is renamed, as Prometheus does.
func (p *page) labelled(ls map[string]string) map[string]string {
	if p.instance == "" {
		return ls
	}
	if own, ok := ls[model.InstanceLabel]; ok {
		ls[model.ExportedLabelPrefix+model.InstanceLabel] = own
	}
	ls[model.InstanceLabel] = p.instance
	return ls
}

// counterKey is the same for everything that is counted from one moment on: all series of one histogram.
func counterKey(base string, ls map[string]string) string {
	for _, name := range bounds {
		if _, ok := ls[name]; ok {
			ls = maps.Clone(ls)
			delete(ls, name)
		}
	}
	return base + "\x00" + seriesKey(ls)
}

// beganAt is when the page says that a sample's counter began, in seconds; 0: it does not say.
func (p *page) beganAt(x exposed) float64 {
	if x.began != 0 || len(p.created) == 0 {
		return x.began
	}
	for _, suffix := range []string{"_total", "_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(x.name, suffix); ok {
			return p.created[counterKey(base, x.labels)]
		}
	}
	return p.created[counterKey(x.name, x.labels)]
}

// began reports whether a counter began anew after the scrape at since. A page that says when its process started is believed in that
// alone. A time that is the time of the scrape is one that the exporter makes up.
func (p *page) began(x exposed, have *scraped, since float64) bool {
	if p.started != 0 || have.began == 0 {
		return false
	}
	at := p.beganAt(x)
	return at > have.began && at > since && at < unixSeconds(p.at)-1
}
