package realtest

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// InfluxDB starts a real InfluxDB 1.x that has a database, and gives its address.
func InfluxDB(t testing.TB, database string) (url string) {
	t.Helper()
	program := Need(t, "influxd")
	dir, addr := t.TempDir(), "127.0.0.1:"+freePort(t)
	config := filepath.Join(dir, "influxdb.conf")
	file(t, config, fmt.Sprintf("bind-address = \"127.0.0.1:0\"\n[meta]\ndir = \"%[1]s/meta\"\n[data]\ndir = \"%[1]s/data\"\nwal-dir = \"%[1]s/wal\"\n"+
		"[http]\nbind-address = %[2]q\nmax-row-limit = 5000\n[monitor]\nstore-enabled = false\n", dir, addr))
	run(t, addr, "/query?q=SHOW+DATABASES", program, "-config", config)
	Poll(t, 10*time.Second, "the database", func() bool { // it answers a little before it can make one
		resp, err := http.Post("http://"+addr+"/query?q=CREATE+DATABASE+"+database, "", nil)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK && !strings.Contains(string(said), "error")
	})
	return "http://" + addr
}
