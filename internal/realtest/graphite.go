package realtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// graphiteSettings let graphite-web (Debian's) run from a folder of its own.
const graphiteSettings = `import os
HERE = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY, ALLOWED_HOSTS, TIME_ZONE, CARBONLINK_HOSTS = 'test', ['*'], 'America/New_York', []
STORAGE_DIR = LOG_DIR = HERE
INDEX_FILE, WHISPER_DIR = os.path.join(HERE, 'index'), os.path.join(HERE, 'whisper')
STANDARD_DIRS = [WHISPER_DIR]
DATABASES = {'default': {'NAME': os.path.join(HERE, 'db'), 'ENGINE': 'django.db.backends.sqlite3', 'USER': '', 'PASSWORD': '', 'HOST': '', 'PORT': ''}}
`

// graphiteWrite stores PATH STEP, and then lines of TIME VALUE, as carbon does.
const graphiteWrite = `import sys, os, whisper
path = sys.argv[1]
os.makedirs(os.path.dirname(path), exist_ok=True)
whisper.create(path, [(int(sys.argv[2]), 100000)])
whisper.update_many(path, [(int(t), float(v)) for t, v in (l.split() for l in sys.stdin)])
`

// Graphite starts a real graphite-web that has the histories, by their names with dots, and gives its address.
func Graphite(t testing.TB, history ...History) (url string) {
	t.Helper()
	Need(t, "graphite-manage")
	const python = "/usr/bin/python3" // the one that Debian's packages are for
	dir, addr := t.TempDir(), "127.0.0.1:"+freePort(t)
	file(t, filepath.Join(dir, "bakegate_graphite.py"), graphiteSettings)
	t.Setenv("PYTHONPATH", dir)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	t.Setenv("GRAPHITE_SETTINGS_MODULE", "bakegate_graphite")
	t.Setenv("DJANGO_SETTINGS_MODULE", "graphite.settings")
	for _, h := range history {
		path := filepath.Join(dir, "whisper", filepath.FromSlash(strings.ReplaceAll(h.Name, ".", "/"))+".wsp")
		cmd := exec.Command(python, "-c", graphiteWrite, path, strconv.Itoa(int(h.Every.Seconds())))
		cmd.Dir, cmd.Stdin = os.TempDir(), h.lines()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("whisper: %v\n%s", err, out)
		}
	}
	cmd := exec.Command(python, "-m", "django", "migrate", "--run-syncdb")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("graphite-web: %v\n%s", err, out)
	}
	run(t, addr, "/version/", python, "-m", "django", "runserver", "--noreload", "--insecure", addr)
	return "http://" + addr
}

func (h History) lines() *bytes.Buffer {
	var b bytes.Buffer
	for i, v := range h.Values {
		if at := h.From.Add(time.Duration(i) * h.Every); v == v { // NaN leaves the point out
			fmt.Fprintf(&b, "%d %v\n", at.Unix(), v)
		}
	}
	return &b
}
