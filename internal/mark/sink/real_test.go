package sink

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
)

// A real Pushgateway takes what the fake takes: odd names in its path, quotes in values, the same group again.
func TestRealPushgateway(t *testing.T) {
	tool := realtest.Need(t, "prometheus-pushgateway")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), tool, "--web.listen-address="+addr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	metrics := func() string {
		resp, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	realtest.Poll(t, time.Minute, "the Pushgateway", func() bool { return metrics() != "" })
	k, err := buildPushgateway(fill(pushgatewayOptions{Remote: at("http://" + addr), Job: "bakegate"}))
	if err != nil {
		t.Fatal(err)
	}
	m := marker()
	m.Commit, m.Environment = "a\"b\\c\nd", "prod/eu é"
	for range 2 {
		_, err := k.Open(t.Context(), m)
		good(t, "open", err)
		good(t, "seal", k.Seal(t.Context(), "", sealed(m, "rollback")))
	}
	m.Environment, m.Service = "", ""
	_, err = k.Open(t.Context(), m)
	good(t, "open without a name", err)
	got := metrics()
	if n := strings.Count(got, "\nbakegate_deploy_info{"); n != 2 || !strings.Contains(got, `environment="prod/eu é"`) || !strings.Contains(got, `commit="a\"b\\c d"`) ||
		strings.Count(got, "\nbakegate_deploy_verdict{") != 1 {
		t.Errorf("%d groups: %s", n, got)
	}
}
