package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// newrelicOptions is the block `newrelic:`.
type newrelicOptions struct {
	httpx.Remote
	APIKey httpx.Secret `yaml:"api-key,required"` // a user key, NRAK-...
	Entity string       `yaml:"entity,required"`  // the guid of the service's entity
	Region string       `yaml:"region"`           // us (default), eu
}

// newrelic sends change tracking events by NerdGraph: the deployment at its start, and an event of the same group with the verdict at the
// end, since an event can't be changed. A second one of the category Deployment would count as a second deploy.
type newrelic struct {
	link
	options newrelicOptions
}

// newrelicOldest is how far back an event may lie; New Relic takes 24 h, the rest is for clocks that differ.
const newrelicOldest = 24*time.Hour - 10*time.Minute

var newrelicGUID = lazyregexp.New(`^[A-Za-z0-9+/_-]{8,200}={0,2}$`)

func buildNewRelic(decode func(any) error) (Sink, error) {
	var o newrelicOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	switch {
	case o.APIKey.IsZero():
		return nil, errors.New("api-key is missing, want a user key (NRAK-...), as ${NAME}")
	case !newrelicGUID.MatchString(o.Entity):
		return nil, fmt.Errorf("entity %q is not a guid, want that of the service's entity (See metadata and manage tags)", clean.Cut(o.Entity, 80))
	}
	var err error
	if o.URL, err = regional(o.URL, o.Region, map[string]string{"us": "https://api.newrelic.com", "eu": "https://api.eu.newrelic.com"}); err != nil {
		return nil, err
	}
	l, err := connect(o.Remote, httpx.WithHeader("API-Key", o.APIKey))
	if err != nil {
		return nil, err
	}
	return &newrelic{link: l, options: o}, nil
}

// Traits implements Sink.
func (n *newrelic) Traits() Traits { return Traits{} }

// Every text is a variable, so that none can become a part of the query. The kinds are written out: the variable's own type has had two
// names in New Relic's schema.
const (
	newrelicDeployment = `mutation($query: String!, $version: String!, $commit: String, $link: String, $user: String, $short: String, $description: String, $group: String, $at: EpochMilliseconds) {
  changeTrackingCreateEvent(changeTrackingEvent: {
    categoryAndTypeData: {kind: {category: "DEPLOYMENT", type: "BASIC"}, categoryFields: {deployment: {version: $version, commit: $commit, deepLink: $link}}},
    entitySearch: {query: $query}, user: $user, shortDescription: $short, description: $description, groupId: $group, timestamp: $at
  }) { changeTrackingEvent { changeTrackingId } messages }
}`
	newrelicVerdict = `mutation($query: String!, $kind: String!, $user: String, $short: String, $description: String, $group: String, $at: EpochMilliseconds) {
  changeTrackingCreateEvent(changeTrackingEvent: {
    categoryAndTypeData: {kind: {category: "DEPLOYMENT VERDICT", type: $kind}},
    entitySearch: {query: $query}, user: $user, shortDescription: $short, description: $description, groupId: $group, timestamp: $at
  }, dataHandlingRules: {validationFlags: [ALLOW_CUSTOM_CATEGORY_OR_TYPE]}) { changeTrackingEvent { changeTrackingId } messages }
}`
)

// Open implements Sink.
func (n *newrelic) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	c := &cutter{}
	v := n.variables(m, c)
	v["version"], v["commit"], v["link"] = cmp.Or(c.text("version", m.Version, 200), "unknown"), c.text("commit", m.Commit, 200), m.link()
	return n.send(ctx, newrelicDeployment, v, m.Started, c)
}

// Seal implements Sink.
func (n *newrelic) Seal(ctx context.Context, _ string, m Marker) error {
	c := &cutter{}
	v := n.variables(m, c)
	v["kind"] = strings.ToUpper(clean.Cut(m.Verdict, 40))
	_, err := n.send(ctx, newrelicVerdict, v, m.Ended, c)
	return err
}

// variables are those that both events have. Empty texts are left out by New Relic.
func (n *newrelic) variables(m Marker, c *cutter) map[string]any {
	var lines []string
	for _, p := range c.details(m, 300) {
		lines = append(lines, p.key+": "+p.value)
	}
	return map[string]any{"query": "id = '" + n.options.Entity + "'", "user": c.text("by", m.Actor, 200), "short": title(m),
		"description": strings.Join(lines, "\n"), "group": deployTag(m)}
}

func (n *newrelic) send(ctx context.Context, query string, v map[string]any, at time.Time, c *cutter) (string, error) {
	now := time.Now()
	if at.IsZero() {
		at = now
	}
	var late error
	if oldest := now.Add(-newrelicOldest); at.Before(oldest) {
		late = &Warning{Text: fmt.Sprintf("this happened at %s; New Relic takes no event older than 24 h and shows it at %s", stamp(at), stamp(oldest))}
		at = oldest
	}
	v["at"] = at.UnixMilli()
	// Not repeatable: an event that was taken twice is shown twice.
	resp, err := n.call(ctx, httpx.Request{Path: "/graphql"}, map[string]any{"query": query, "variables": v})
	if err != nil {
		return "", refused(err, newrelicHints)
	}
	id, err := newrelicTaken(resp)
	if err == nil {
		if err = late; err == nil {
			err = c.warning("New Relic")
		}
	}
	return id, err
}

// newrelicTaken reads the reply: GraphQL says in a 200 that it failed.
func newrelicTaken(resp *httpx.Response) (string, error) {
	var reply struct {
		Data struct {
			Made struct {
				Event struct {
					ID string `json:"changeTrackingId"`
				} `json:"changeTrackingEvent"`
				Messages []string `json:"messages"`
			} `json:"changeTrackingCreateEvent"`
		} `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := httpx.DecodeJSON(resp, &reply); err != nil {
		return "", err
	}
	var said []string
	for _, e := range reply.Errors {
		said = append(said, e.Message)
	}
	said = append(said, reply.Data.Made.Messages...)
	text := clean.Cut(strings.Join(said, "; "), 300)
	switch id := clean.Cut(reply.Data.Made.Event.ID, 100); {
	case id != "" && text != "":
		return id, &Warning{Text: "New Relic took the event and says: " + text}
	case id != "":
		return id, nil
	case len(reply.Errors) > 0:
		return "", &Hinted{Err: notSent(fmt.Errorf("%s %s: New Relic refused the event: %s", resp.Method, resp.URL, text)),
			Hint: "check that api-key is a user key (NRAK-...) of an account that sees the entity, and that entity is its guid"}
	}
	return "", fmt.Errorf("%s %s: the reply names no event, want its id: is this NerdGraph? %s", resp.Method, resp.URL, text)
}

var newrelicHints = map[int]string{
	http.StatusUnauthorized: "check that api-key is a user key (NRAK-...), not a license key, of the region at this url",
	http.StatusForbidden:    "check that api-key is a user key (NRAK-...), not a license key, of the region at this url",
	http.StatusNotFound:     "check the url: https://api.newrelic.com, or https://api.eu.newrelic.com; /graphql comes behind it",
}
