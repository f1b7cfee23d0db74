package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// datadogOptions is the block `datadog:`. Exactly one of Site and URL is set.
type datadogOptions struct {
	httpx.Remote
	Site    string       `yaml:"site"` // datadoghq.com, datadoghq.eu...
	APIKey  httpx.Secret `yaml:"api-key,required"`
	AppKey  httpx.Secret `yaml:"app-key"` // for backtest, which reads events, and for dora
	DORA    bool         `yaml:"dora"`    // count the deploy in DORA metrics, a failed one as a change failure
	Changes bool         `yaml:"changes"` // tell what of the configuration changed, as a change event
	Tags    []string     `yaml:"tags"`    // beside deploy-id, service, env, version and verdict
}

// datadog marks deploys as events of the v1 API. It can neither find nor change an event, so there is one at the start and one at the
// end, held together by the aggregation key.
type datadog struct {
	link
	intake  link // takes change events; empty without the option
	options datadogOptions
}

// Limits of POST /api/v1/events.
const (
	datadogText = 4000
	datadogTag  = 200
	datadogKey  = 100
	// Datadog takes no event older than 18 h; the rest is for the way there and clocks that differ.
	datadogOldest = 18*time.Hour - 10*time.Minute
)

// datadogSites are the sites that Datadog documents.
var datadogSites = []string{"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com",
	"uk1.datadoghq.com", "datadoghq.eu", "ddog-gov.com", "us2.ddog-gov.com"}

func buildDatadog(decode func(any) error) (Sink, error) {
	var o datadogOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	if err := checkTags(o.Tags, datadogTag); err != nil {
		return nil, err
	}
	if o.APIKey.IsZero() {
		return nil, errors.New("api-key is missing, want an API key of the organisation (not an application key), as ${NAME}")
	}
	if o.DORA && o.AppKey.IsZero() {
		return nil, errors.New("dora marks deploys that failed, which needs an application key beside the API key: give app-key, as ${NAME}")
	}
	if err := o.locate(); err != nil {
		return nil, err
	}
	with := []httpx.Option{httpx.WithHeader("DD-API-KEY", o.APIKey)}
	if !o.AppKey.IsZero() {
		with = append(with, httpx.WithHeader("DD-APPLICATION-KEY", o.AppKey))
	}
	l, err := connect(o.Remote, with...)
	if err != nil {
		return nil, err
	}
	d := &datadog{link: l, options: o}
	if o.Changes {
		o.URL = intakeURL(o.URL)
		d.intake, err = connect(o.Remote, with...)
	}
	return d, err
}

// locate makes the URL out of the site.
func (o *datadogOptions) locate() error {
	switch {
	case o.Site != "" && o.URL != "":
		return errors.New("site and url are both given, want one of them")
	case o.URL != "":
		return nil
	case o.Site == "":
		return fmt.Errorf("site is missing, want one of %s", strings.Join(datadogSites, ", "))
	}
	for _, s := range datadogSites {
		if o.Site == s {
			o.URL = "https://api." + s
			return nil
		}
	}
	if s := nearestSite(o.Site); s != "" {
		return fmt.Errorf("site %q is none of Datadog's: did you mean %q?", clean.Cut(o.Site, 80), s)
	}
	return fmt.Errorf("site %q is none of Datadog's, want one of %s; a site that is newer than bakegate can be given as url: https://api.SITE",
		clean.Cut(o.Site, 80), strings.Join(datadogSites, ", "))
}

// shortSites are names that people use for a site.
var shortSites = map[string]string{"us": "datadoghq.com", "us1": "datadoghq.com", "us3": "us3.datadoghq.com", "us5": "us5.datadoghq.com",
	"ap1": "ap1.datadoghq.com", "ap2": "ap2.datadoghq.com", "uk1": "uk1.datadoghq.com", "eu": "datadoghq.eu", "eu1": "datadoghq.eu",
	"gov": "ddog-gov.com", "us1-fed": "ddog-gov.com", "us2-fed": "us2.ddog-gov.com"}

// nearestSite is what was probably meant: the host of the web application or the API, a site's short name, or a slip of the finger.
func nearestSite(got string) string {
	s := strings.ToLower(strings.TrimSpace(got))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	s, _, _ = strings.Cut(s, "/")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "app."), "api.")
	if m, ok := shortSites[s]; ok {
		return m
	}
	best, least := "", 4
	for _, site := range datadogSites {
		if d := distance(s, site); d < least {
			best, least = site, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or changed (Levenshtein 1966). Long texts are far from everything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Traits implements Sink.
func (d *datadog) Traits() Traits { return Traits{} }

// Open implements Sink.
func (d *datadog) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason = "", ""
	id, err := d.send(ctx, m, m.Started, "info")
	var w *Warning
	if again := err != nil && !errors.As(err, &w) && !Uncertain(err); again || !d.options.Changes || len(m.Changes.Changes) == 0 {
		return id, err // what was refused is told again by a rerun, with the changes
	}
	if changed := d.change(ctx, m); err == nil {
		err = changed
	}
	return id, err
}

// Seal implements Sink.
func (d *datadog) Seal(ctx context.Context, _ string, m Marker) error {
	_, err := d.send(ctx, m, m.Ended, alertType(m.Verdict))
	if !d.options.DORA {
		return err
	}
	if counted := d.dora(ctx, m); err == nil {
		err = counted
	}
	return err
}

// alertType is the colour of the event.
func alertType(verdict string) string {
	switch verdict {
	case "pass":
		return "success"
	case "rollback", "hold", "deploy-failed":
		return "error"
	case "":
		return "info"
	}
	return "warning"
}

type datadogEvent struct {
	Title          string   `json:"title"`
	Text           string   `json:"text"`
	Tags           []string `json:"tags"`
	AggregationKey string   `json:"aggregation_key"`
	AlertType      string   `json:"alert_type"`
	DateHappened   int64    `json:"date_happened"` // seconds
	SourceTypeName string   `json:"source_type_name"`
}

func (d *datadog) send(ctx context.Context, m Marker, at time.Time, alert string) (string, error) {
	at, warning := happened(at, time.Now())
	e := datadogEvent{
		Title:          mute(title(m)),
		Text:           datadogBody(m, warning),
		AggregationKey: datadogAggregation(m),
		AlertType:      alert,
		DateHappened:   at.Unix(),
		SourceTypeName: "my_apps", // Datadog's own word for what is none of its integrations
		Tags: append(tags([]pair{{"deploy-id", deployTag(m)}, {"verdict", m.Verdict}, {"service", m.Service}, {"env", m.Environment}, {"version", m.Version}},
			d.options.Tags, datadogTag), "source:bakegate"),
	}
	body, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	// Not repeatable: an event that was taken twice cannot be taken back.
	resp, err := d.api.Do(ctx, httpx.Request{Method: http.MethodPost, Path: "/api/v1/events", Body: body})
	if err != nil {
		return "", d.hint(err)
	}
	id, err := taken(resp)
	if err == nil && warning != nil {
		return id, warning
	}
	return id, err
}

// happened keeps the time within what Datadog takes.
func happened(at, now time.Time) (time.Time, *Warning) {
	if at.IsZero() {
		return now, nil
	}
	if oldest := now.Add(-datadogOldest); at.Before(oldest) {
		return oldest, &Warning{Text: fmt.Sprintf("this happened at %s; Datadog takes no event older than 18 h and shows it at %s", stamp(at), stamp(oldest))}
	}
	return at, nil
}

func datadogAggregation(m Marker) string {
	key := deployTag(m)
	return key[:min(len(key), datadogKey)]
}

// datadogBody is the text, cut to what Datadog takes.
func datadogBody(m Marker, w *Warning) string {
	var b strings.Builder
	b.WriteString(mute(title(m)))
	add := func(line string) {
		if line = "\n" + line; b.Len()+len(line) <= datadogText {
			b.WriteString(line)
		}
	}
	if w != nil {
		add(w.Text)
	}
	for _, p := range details(m) {
		add(p.key + ": " + mute(p.value))
	}
	return b.String()
}

// mute takes the meaning from what Datadog reads as a command: "@name" notifies people, "%%%" begins Markdown.
func mute(s string) string {
	s = strings.ReplaceAll(s, "@", "(at)")
	for strings.Contains(s, "%%%") {
		s = strings.ReplaceAll(s, "%%%", "%%")
	}
	return s
}

// taken reads the reply: 202 means that the event is taken. Any other success must say so in its body.
func taken(resp *httpx.Response) (string, error) {
	var reply struct {
		Status string `json:"status"`
		Event  struct {
			ID json.Number `json:"id"`
		} `json:"event"`
	}
	err := httpx.DecodeJSON(resp, &reply)
	id := ""
	if n, parse := strconv.ParseInt(reply.Event.ID.String(), 10, 64); parse == nil && n > 0 {
		id = strconv.FormatInt(n, 10)
	}
	switch {
	case resp.Status == http.StatusAccepted:
		return id, nil
	case err != nil:
		return "", err
	case reply.Status != "ok":
		return "", fmt.Errorf("%s %s: HTTP %d with status %q, want 202: is this Datadog?", resp.Method, resp.URL, resp.Status, clean.Cut(reply.Status, 40))
	}
	return id, nil
}

func (d *datadog) hint(err error) error {
	switch statusOf(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &Hinted{Err: fmt.Errorf("the api-key was refused: %w", err),
			Hint: fmt.Sprintf("check that api-key is an API key (not an application key) of the organisation at %s: each Datadog site has keys of its own", d.api.URL())}
	case http.StatusTooManyRequests:
		return &Hinted{Err: err, Hint: "the organisation sends more events than Datadog takes: nothing was marked"}
	}
	return err
}
