package sink

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// A webhook's address is a secret of its own: no message shows more of it than the host.
func TestSecretAddress(t *testing.T) {
	for want, o := range map[string]slackOptions{
		"webhook is missing":      {},
		"as ${NAME}":              {Remote: at("https://hooks.slack.com/services/T0/B0/" + secretToken), Webhook: httpx.NewSecret("x")},
		"is not the address":      {Webhook: httpx.NewSecret(secretToken)},
		"want https://host/path":  {Webhook: httpx.NewSecret("https://hooks.slack.com")},
		"is plain http, which":    {Webhook: httpx.NewSecret("http://hooks.example/" + secretToken)},
		"not the address of a we": {Webhook: httpx.NewSecret("https://" + secretToken + "@hooks.example/x")},
	} {
		_, err := buildSlack(fill(o))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretToken) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := buildTeams(fill(teamsOptions(o))); err == nil || strings.Contains(err.Error(), secretToken) {
			t.Errorf("teams: %v", err)
		}
	}
}

func TestSlackContent(t *testing.T) {
	m := sealed(marker(), "rollback")
	m.Summary, m.RunURL = "3 < 5 & <!channel>", "https://ci.example/1?a=b|c>d"
	msg, c := slackContent(m)
	b, _ := json.Marshal(msg)
	for _, want := range []string{"deploy of checkout v2.4.0 to production: rollback", "summary: 3 \\u0026lt; 5 \\u0026amp; \\u0026lt;!channel"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in %s", want, b)
		}
	}
	if got := msg.Blocks[2].Text.Text; got != "<https://ci.example/1?a=b%7Cc&gt;d|pipeline run>" || c.warning("Slack") != nil {
		t.Errorf("%q %v", got, c.warning("Slack"))
	}
	m.Summary = strings.Repeat("s", 900)
	if _, c := slackContent(m); c.warning("Slack") == nil || !strings.Contains(c.warning("Slack").Error(), "summary") {
		t.Errorf("%v", c.warning("Slack"))
	}
}

// The largest card still fits, and a text that was cut is told.
func TestTeamsSize(t *testing.T) {
	bubble(t, "x", func(t *testing.T, ctx context.Context) {
		k, f := conformance["teams"].make(t)
		m := sealed(marker(), "hold")
		long := strings.Repeat("<é>\"", 2000)
		m.Service, m.Reason, m.Summary, m.Image, m.Digest, m.Commit, m.Repository, m.Actor = long, long, long, long, long, long, long, long
		var w *Warning
		if err := k.Seal(ctx, "", m); !errors.As(err, &w) || !strings.Contains(w.Text, "summary") {
			t.Errorf("%v", err)
		}
		if all := shown(t, f, 1); !strings.Contains(all, "hold") || !strings.Contains(all, m.DeployID) {
			t.Errorf("%.300s", all)
		}
	})
}
