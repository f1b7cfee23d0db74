package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// pagerdutyOptions is the block `pagerduty:`.
type pagerdutyOptions struct {
	httpx.Remote
	RoutingKey httpx.Secret `yaml:"routing-key,required"` // of the service's integration "Events API v2"
	Region     string       `yaml:"region"`               // us (default), eu
}

// pagerduty sends change events, which appear beside a service's incidents and notify nobody. They can be neither found nor changed, and
// have no key against duplicates.
type pagerduty struct {
	link
	options pagerdutyOptions
}

// pagerdutySummary is the most that a summary holds.
const pagerdutySummary = 1024

func buildPagerDuty(decode func(any) error) (Sink, error) {
	var o pagerdutyOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	if o.RoutingKey.IsZero() {
		return nil, errors.New("routing-key is missing, want the integration key of the service's Events API v2, as ${NAME}")
	}
	var err error
	if o.URL, err = regional(o.URL, o.Region, map[string]string{"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}); err != nil {
		return nil, err
	}
	l, err := connect(o.Remote, httpx.WithSecret(o.RoutingKey))
	if err != nil {
		return nil, err
	}
	return &pagerduty{link: l, options: o}, nil
}

// regional is the URL of a region, unless one is given.
func regional(url, region string, urls map[string]string) (string, error) {
	switch {
	case url != "" && region != "":
		return "", errors.New("region and url are both given, want one of them")
	case url != "":
		return url, nil
	case region == "":
		region = "us"
	}
	if at := urls[region]; at != "" {
		return at, nil
	}
	return "", fmt.Errorf("region %q, want us or eu", clean.Cut(region, 40))
}

// Traits implements Sink.
func (p *pagerduty) Traits() Traits { return Traits{} }

// Open implements Sink.
func (p *pagerduty) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Reason, m.Summary = "", "", ""
	return "", p.send(ctx, m, m.Started)
}

// Seal implements Sink.
func (p *pagerduty) Seal(ctx context.Context, _ string, m Marker) error {
	return p.send(ctx, m, m.Ended)
}

type (
	pagerdutyEvent struct {
		RoutingKey string           `json:"routing_key"`
		Payload    pagerdutyPayload `json:"payload"`
		Links      []pagerdutyLink  `json:"links,omitempty"`
	}
	pagerdutyPayload struct {
		Summary   string            `json:"summary"`
		Source    string            `json:"source,omitempty"`
		Timestamp string            `json:"timestamp"` // ISO 8601
		Details   map[string]string `json:"custom_details"`
	}
	pagerdutyLink struct {
		Href string `json:"href"`
		Text string `json:"text"`
	}
)

func (p *pagerduty) send(ctx context.Context, m Marker, at time.Time) error {
	if at.IsZero() {
		at = time.Now()
	}
	c := &cutter{}
	e := pagerdutyEvent{RoutingKey: p.options.RoutingKey.Reveal(), Payload: pagerdutyPayload{Summary: c.text("title", title(m), pagerdutySummary),
		Source: c.text("service", m.Service, 255), Timestamp: stamp(at), Details: map[string]string{}}}
	for _, d := range c.details(m, 1000) {
		e.Payload.Details[d.key] = d.value
	}
	if at := m.link(); at != "" {
		e.Links = []pagerdutyLink{{at, "pipeline run"}}
	}
	// Not repeatable: a change event that was taken twice is shown twice.
	resp, err := p.call(ctx, httpx.Request{Path: "/v2/change/enqueue"}, e)
	if err != nil {
		return refused(err, pagerdutyHints)
	}
	var reply struct {
		Status string `json:"status"`
	}
	if err := httpx.DecodeJSON(resp, &reply); err != nil {
		return err
	}
	if resp.Status != http.StatusAccepted {
		return fmt.Errorf("%s %s: HTTP %d with status %q, want 202: is this PagerDuty?", resp.Method, resp.URL, resp.Status, clean.Cut(reply.Status, 40))
	}
	return c.warning("PagerDuty")
}

var pagerdutyHints = map[int]string{
	http.StatusBadRequest:   "check that routing-key is the integration key of an Events API v2 integration of the service, of the region at this url",
	http.StatusUnauthorized: "check that routing-key is the integration key of an Events API v2 integration, of the region at this url",
	http.StatusForbidden:    "check that routing-key is the integration key of an Events API v2 integration, of the region at this url",
	http.StatusNotFound:     "check the url: https://events.pagerduty.com, or https://events.eu.pagerduty.com",
}
