// Package demo is the sample world behind `bakegate demo`: a registry with three releases, a small shop with real traffic, and a
// Grafana that keeps to the real one's contract. The step that runs in it is the real one.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/demo/shop"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

//go:embed all:files
var files embed.FS

// Traffic of the shop, in requests a second.
const rps = 250

// World is what the demo runs in.
type World struct {
	Dir      string // holds bakegate.yaml and deploy/
	Grafana  *fake.Grafana
	Releases []Release
	shop     *shop.Running
	control  string // POST here to deploy
}

// Release is one of the three that are shown.
type Release struct {
	Version string
	Title   string
	Image   string
	Built   string // the digest that the build made
	config  shop.Config
	Want    string // the reason that the verdict must have
}

// releases are a good one, one whose errors begin some seconds after the deploy, and one whose tag was moved to other bytes.
func releases() []Release {
	return []Release{
		{Version: "2.0.0", Title: "a good release", Want: "pass", config: shop.Config{Version: "2.0.0", ErrorRate: 0.002}},
		{Version: "2.1.0", Title: "a bad release: its errors begin some seconds after the deploy", Want: "rollback/errors",
			config: shop.Config{Version: "2.1.0", ErrorRate: 0.15, ErrorsAfter: 6 * time.Second}},
		{Version: "2.2.0", Title: "an image that is not the one that was built", Want: "blocked/digest",
			config: shop.Config{Version: "2.2.0", ErrorRate: 0.002}},
	}
}

// token is the fake Grafana's; the demo shows how a secret is given.
const token = "glsa_demo_only"

// Start makes the world. Everything in it listens on loopback and ends with ctx.
func Start(ctx context.Context, dir string) (*World, error) {
	w := &World{Dir: dir, Releases: releases()}
	if err := w.write(); err != nil {
		return nil, err
	}
	if err := w.publish(ctx); err != nil {
		return nil, err
	}
	s, err := shop.Start(shop.Config{Version: "1.9.0", ErrorRate: 0.002})
	if err != nil {
		return nil, fmt.Errorf("starting the shop: %w", err)
	}
	w.shop = s
	w.Grafana = fake.NewGrafana(token)
	context.AfterFunc(ctx, func() { _ = s.Stop(); w.Grafana.Close() })
	go shop.Load(ctx, s.URL, rps)
	return w, w.listen(ctx)
}

// write leaves the configuration behind, for the user to copy.
func (w *World) write() error {
	return fs.WalkDir(files, "files", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(w.Dir, filepath.FromSlash(strings.TrimPrefix(path, "files")))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
}

// publish builds and pushes the releases. Somebody moves the last one's tag to other bytes behind the build's back.
func (w *World) publish(ctx context.Context) error {
	host, err := startRegistry(ctx)
	if err != nil {
		return err
	}
	for i := range w.Releases {
		r := &w.Releases[i]
		r.Image = host + "/acme/shop:" + r.Version
		if r.Built, err = push(ctx, r.Image, "the shop, version "+r.Version); err != nil {
			return err
		}
	}
	_, err = push(ctx, w.Releases[len(w.Releases)-1].Image, "a build from somebody's laptop")
	return err
}

// listen serves the deploy: POST /VERSION makes the shop that version, with a process of its own.
func (w *World) listen(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(w.deploy), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	w.control = "http://" + l.Addr().String()
	return nil
}

func (w *World) deploy(rw http.ResponseWriter, req *http.Request) {
	for _, r := range w.Releases {
		if req.Method == http.MethodPost && req.URL.Path == "/"+r.Version {
			w.shop.Replace(r.config)
			return
		}
	}
	http.NotFound(rw, req)
}

// RollBack does what a pipeline does behind a rollback verdict: the last good release serves again.
func (w *World) RollBack(r Release) bool {
	if !strings.HasPrefix(r.Want, "rollback/") {
		return false
	}
	w.shop.Replace(w.Releases[0].config)
	return true
}

// Args are the command line of the step for one release. self is this program.
func (w *World) Args(self string, r Release) []string {
	return []string{"run", "--config", filepath.Join(w.Dir, "bakegate.yaml"), "--out", w.Out(r), "--warm", "10s",
		"--", self, "demo", "deploy", w.control + "/" + r.Version}
}

// Out is the out directory of one release.
func (w *World) Out(r Release) string { return filepath.Join(w.Dir, "out-"+r.Version) }

// Env is what the configuration asks of the environment for one release.
func (w *World) Env(r Release) []string {
	return []string{"IMAGE=" + r.Image, "BUILT_DIGEST=" + r.Built, "SHOP_METRICS=" + w.shop.MetricsURL(), "GRAFANA_URL=" + w.Grafana.URL(),
		"GRAFANA_TOKEN=" + token}
}

// Deploy is the deploy command of the demo: it asks the world to switch.
func Deploy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the shop said " + resp.Status)
	}
	return nil
}
