package sink

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// What was marked is listed again, with its end; what another service marked is not.
func lists(t *testing.T, s Sink, ctx context.Context) {
	t.Helper()
	m := marker()
	m.Started = time.Now().Add(-3 * time.Hour).Truncate(time.Second).UTC()
	other := m
	other.Service, other.DeployID = "other", "other"
	running := m
	running.DeployID, running.Started = "running", m.Started.Add(time.Hour)
	end := sealed(m, "rollback")
	end.Ended = m.Started.Add(10 * time.Minute)
	for _, x := range []Marker{m, other, running} {
		if _, err := s.Open(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(ctx, "", end); err != nil {
		t.Fatal(err)
	}
	got, err := s.(Lister).List(ctx, m, m.Started.Add(-time.Hour), time.Now())
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v, want two deploys", got, err)
	}
	if g := got[0]; g.DeployID != m.DeployID || !g.Started.Equal(m.Started) || g.Verdict != "rollback" || g.Version != m.Version {
		t.Errorf("got %+v, want %+v with its verdict", g, m)
	}
	if g := got[1]; g.DeployID != "running" || g.Verdict != "" {
		t.Errorf("got %+v, want the one that has no end yet", g)
	}
	if got, err := s.(Lister).List(ctx, m, m.Started.Add(2*time.Hour), time.Now()); err != nil || len(got) != 0 {
		t.Errorf("behind them: got %+v, %v", got, err)
	}
}

func TestGrafanaList(t *testing.T) {
	bubble(t, "list", func(t *testing.T, ctx context.Context) {
		lists(t, inProcess(t, fake.NewGrafana(token), grafanaOptions{}), ctx)
	})
}

func TestDatadogList(t *testing.T) {
	bubble(t, "list", func(t *testing.T, ctx context.Context) {
		f := fake.NewDatadog(apiKey)
		d := datadogInProcess(t, f, apiKey)
		if _, err := d.List(ctx, marker(), time.Now().Add(-time.Hour), time.Now()); err == nil || !strings.Contains(err.Error(), "app-key") {
			t.Errorf("without an application key: %v", err)
		}
		d.options.AppKey = httpx.NewSecret("dd-app-0123456789")
		api, err := httpx.New(httpx.Remote{URL: d.api.URL()}, httpx.WithHeader("DD-API-KEY", httpx.NewSecret(apiKey)),
			httpx.WithHeader("DD-APPLICATION-KEY", d.options.AppKey), httpx.WithNetwork(f))
		if err != nil {
			t.Fatal(err)
		}
		d.api = api
		lists(t, d, ctx)
	})
}
