package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// cdeventsOptions is the block `cdevents:`.
type cdeventsOptions struct {
	httpx.Remote
	Token  httpx.Secret `yaml:"token"`  // sent as Authorization: Bearer TOKEN
	Mode   string       `yaml:"mode"`   // of CloudEvents over HTTP: binary (default), structured
	Source string       `yaml:"source"` // default: bakegate
}

// cdevents sends CDEvents 0.5 by CloudEvents over HTTP: taskrun.started at the start; at the end service.deployed, where the service is
// deployed, and taskrun.finished with the outcome.
type cdevents struct {
	link
	path    string
	options cdeventsOptions
}

func buildCDEvents(decode func(any) error) (Sink, error) {
	o := cdeventsOptions{Mode: "binary", Source: "bakegate"}
	if err := decode(&o); err != nil {
		return nil, err
	}
	if o.Mode != "binary" && o.Mode != "structured" {
		return nil, fmt.Errorf("mode %q, want binary or structured", clean.Cut(o.Mode, 40))
	}
	if _, err := url.Parse(o.Source); err != nil || o.Source == "" || clean.Cut(o.Source, 200) != o.Source {
		return nil, fmt.Errorf("source %q is not a URI reference", clean.Cut(o.Source, 80))
	}
	l, path, err := connectTo(o.Remote, httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	return &cdevents{link: l, path: path, options: o}, nil
}

// Traits implements Sink. CloudEvents says that two events of one source and id are one; whether the receiver heeds it is not known here.
func (s *cdevents) Traits() Traits { return Traits{} }

// Open implements Sink.
func (s *cdevents) Open(ctx context.Context, m Marker) (string, error) {
	m.Verdict, m.Ended = "", time.Time{}
	e, c := s.event(m, "taskrun.started", m.DeployID, cdTask(m))
	return e.Context.ID, orWarning(s.send(ctx, e), c, "CDEvents")
}

// Seal implements Sink.
func (s *cdevents) Seal(ctx context.Context, _ string, m Marker) error {
	var deployed error
	if artifact := cdArtifact(m); artifact != "" && m.Service != "" && m.Environment != "" && cdLive(m.Verdict) {
		e, _ := s.event(m, "service.deployed", m.Service, map[string]any{"environment": map[string]string{"id": clean.Cut(m.Environment, 200)}, "artifactId": artifact})
		deployed = s.send(ctx, e)
	}
	task := cdTask(m)
	task["outcome"] = cdOutcome(m.Verdict)
	if m.Verdict != "pass" {
		task["errors"] = clean.Cut(m.Reason+": "+m.Summary, 1000)
	}
	e, c := s.event(m, "taskrun.finished", m.DeployID, task)
	return orWarning(errors.Join(deployed, s.send(ctx, e)), c, "CDEvents")
}

func orWarning(err error, c *cutter, tool string) error {
	if err != nil {
		return err
	}
	return c.warning(tool)
}

// cdLive reports whether the new version serves behind this verdict.
func cdLive(verdict string) bool {
	switch verdict {
	case "pass", "rollback", "hold", "inconclusive":
		return true
	}
	return false
}

func cdOutcome(verdict string) string {
	switch verdict {
	case "pass":
		return "success"
	case "aborted", "superseded":
		return "cancel"
	case "rollback", "hold", "deploy-failed":
		return "failure"
	}
	return "error"
}

func cdTask(m Marker) map[string]any {
	task := map[string]any{"taskName": "deploy"}
	if at := m.link(); at != "" {
		task["uri"], task["pipelineRun"] = at, map[string]string{"id": at}
	}
	return task
}

// cdArtifact is the package URL of the image, "" where its digest is not known.
func cdArtifact(m Marker) string {
	digest := clean.Cut(m.Digest, 200)
	image, _, _ := strings.Cut(clean.Cut(m.Image, 500), "@")
	name := path.Base(image)
	if i := strings.IndexByte(name, ':'); i > 0 {
		image, name = strings.TrimSuffix(image, name[i:]), name[:i]
	}
	if digest == "" || image == "" || name == "." || name == "/" {
		return ""
	}
	return "pkg:oci/" + url.PathEscape(strings.ToLower(name)) + "@" + url.QueryEscape(digest) + "?repository_url=" + url.QueryEscape(image)
}

type (
	cdEvent struct {
		Context cdContext `json:"context"`
		Subject cdSubject `json:"subject"`
		Custom  any       `json:"customData"`
		Type    string    `json:"customDataContentType"`
	}
	cdContext struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
		Source      string `json:"source"`
		Type        string `json:"type"`
		Timestamp   string `json:"timestamp"`
	}
	cdSubject struct {
		ID      string         `json:"id"`
		Source  string         `json:"source"`
		Content map[string]any `json:"content"`
	}
)

// event is one event. Its id is made of the deploy's, so that one that arrives twice is the same.
func (s *cdevents) event(m Marker, kind, subject string, content map[string]any) (cdEvent, *cutter) {
	c := &cutter{}
	return cdEvent{
		Context: cdContext{SpecVersion: "0.5.1", ID: deployTag(m) + "-" + kind, Source: s.options.Source, Type: "dev.cdevents." + kind + ".0.3.0", Timestamp: stamp(m.at())},
		Subject: cdSubject{ID: cmp.Or(c.text("subject", subject, 200), "unknown"), Source: s.options.Source, Content: content},
		Custom:  map[string]any{"bakegate": m.document()}, Type: "application/json",
	}, c
}

func (s *cdevents) send(ctx context.Context, e cdEvent) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	attributes := []pair{{"specversion", "1.0"}, {"id", e.Context.ID}, {"source", e.Context.Source}, {"type", e.Context.Type}, {"subject", e.Subject.ID}, {"time", e.Context.Timestamp}}
	r := httpx.Request{Method: http.MethodPost, Path: s.path, Header: http.Header{}, Body: body, Repeatable: true}
	if s.options.Mode == "structured" {
		whole := map[string]any{"datacontenttype": "application/json", "data": json.RawMessage(body)}
		for _, a := range attributes {
			whole[a.key] = a.value
		}
		if r.Body, err = json.Marshal(whole); err != nil {
			return err
		}
		r.ContentType = "application/cloudevents+json; charset=utf-8"
	} else {
		for _, a := range attributes {
			r.Header.Set("Ce-"+a.key, ceHeader(a.value))
		}
	}
	resp, err := s.api.Do(ctx, r)
	if err != nil {
		return refused(err, cdeventsHints)
	}
	return httpx.NoPage(resp, "any other 2xx")
}

// ceHeader is a value for a header of the HTTP binding, section 3.1.3.2: spaces, quotes, percents and all that is not ASCII are
// percent-encoded by their UTF-8 bytes.
func ceHeader(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

var cdeventsHints = map[int]string{
	http.StatusUnauthorized:         "the receiver refused the login: give token, or the header that it wants under headers",
	http.StatusForbidden:            "the receiver refused the login: give token, or the header that it wants under headers",
	http.StatusNotFound:             "check the url: events are posted to it as it is",
	http.StatusUnsupportedMediaType: "the receiver may know the other mode of CloudEvents over HTTP: set mode to structured, or to binary",
}
