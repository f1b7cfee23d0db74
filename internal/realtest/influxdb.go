package realtest

import (
	"fmt"
	"path/filepath"
	"testing"
)

// InfluxDB starts a real InfluxDB 1.x and gives its address.
func InfluxDB(t testing.TB) (url string) {
	t.Helper()
	program := Need(t, "influxd")
	dir, addr := t.TempDir(), "127.0.0.1:"+freePort(t)
	config := filepath.Join(dir, "influxdb.conf")
	file(t, config, fmt.Sprintf("bind-address = \"127.0.0.1:0\"\n[meta]\ndir = \"%[1]s/meta\"\n[data]\ndir = \"%[1]s/data\"\nwal-dir = \"%[1]s/wal\"\n"+
		"[http]\nbind-address = %[2]q\nmax-row-limit = 5000\n[monitor]\nstore-enabled = false\n", dir, addr))
	run(t, addr, "/query?q=SHOW+DATABASES", program, "-config", config)
	return "http://" + addr
}
