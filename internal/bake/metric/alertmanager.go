package metric

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// AlertmanagerOptions is the block of an Alertmanager. A query is matchers: {service="$service",severity="page"}.
type AlertmanagerOptions struct {
	httpx.Remote
	Token    httpx.Secret `yaml:"token"` // bearer
	Username string       `yaml:"username"`
	Password httpx.Secret `yaml:"password"`
}

// alertmanager says 1 while no alert fires that did not fire before the deploy, and 0 while one does.
type alertmanager struct {
	matched
	client *httpx.Client
}

var buildAlertmanager = built(AlertmanagerOptions{}, newAlertmanager)

func newAlertmanager(o AlertmanagerOptions) (*alertmanager, error) {
	c, err := login{o.Token, o.Username, o.Password}.client(o.Remote)
	if err != nil {
		return nil, err
	}
	a := &alertmanager{client: c}
	a.look = func(ctx context.Context, ms []*labels.Matcher) (sighting, error) {
		firing, err := a.firing(ctx, ms)
		return sighting{firing: firing}, err
	}
	return a, nil
}

// alert is one alert of the API.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Status      struct {
		State       string   `json:"state"`
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

// firing are the alerts that fire now and that nobody silenced. The server selects, and what it gives is looked at again: the filter's
// notation differs between its versions.
func (a *alertmanager) firing(ctx context.Context, ms []*labels.Matcher) ([]alarm, error) {
	query := url.Values{"active": {"true"}, "silenced": {"false"}, "inhibited": {"false"}, "unprocessed": {"false"}}
	for _, m := range ms {
		query.Add("filter", m.Name+m.Type.String()+`"`+alertQuoter.Replace(m.Value)+`"`)
	}
	all, err := askAlerts(ctx, a.client, "", query)
	if err != nil {
		return nil, err
	}
	var out []alarm
	for _, x := range all {
		quiet := x.Status.State != "active" || len(x.Status.SilencedBy)+len(x.Status.InhibitedBy) > 0 || !x.EndsAt.After(time.Now())
		if !quiet && matchesAll(ms, x.Labels) {
			out = append(out, alarm{seriesKey(x.Labels), a.client.Redact(x.text()), x.StartsAt})
		}
	}
	return out, nil
}

// askAlerts asks an Alertmanager's API below a path.
func askAlerts(ctx context.Context, c *httpx.Client, prefix string, query url.Values) ([]alert, error) {
	var all []alert
	if err := askJSON(ctx, c, httpx.Request{Path: prefix + "/api/v2/alerts", Query: query, Header: http.Header{"Accept": {"application/json"}}}, &all); err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.Labels == nil || x.StartsAt.IsZero() {
			return nil, troublef(BackendDown, "%s%s: an alert of the reply has no labels or no start: is that an Alertmanager?", c.URL(), prefix)
		}
	}
	return all, nil
}

// alertQuoter writes a matcher's value as every version of Alertmanager reads it.
var alertQuoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func matchesAll(ms []*labels.Matcher, ls map[string]string) bool {
	for _, m := range ms {
		if !m.Matches(ls[m.Name]) {
			return false
		}
	}
	return true
}

// text is an alert for people: its name, the labels that tell it from others, and its summary.
func (x alert) text() string { return alertText(x.Labels, x.Annotations) }

func alertText(labels, annotations map[string]string) string {
	var ls []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k != model.AlertNameLabel && !strings.HasPrefix(k, "__") {
			ls = append(ls, k+"="+clean.Cut(labels[k], 80))
		}
	}
	text := clean.Cut(cmp.Or(labels[model.AlertNameLabel], "an alert without a name"), 80)
	if len(ls) > 0 {
		text += " {" + clean.Cut(strings.Join(ls, ", "), 120) + "}"
	}
	if summary := cmp.Or(annotations["summary"], annotations["message"]); summary != "" {
		text += " (" + clean.Cut(summary, 60) + ")"
	}
	return text
}
