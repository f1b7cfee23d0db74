// Command bakegate is a pipeline step that proves a deploy: the image is the one that was built, its configuration differs only where it
// should, the deploy is marked, and the service behaves no worse than before.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bakegate/bakegate/internal/cli"
	_ "github.com/bakegate/bakegate/internal/heap" // a short run is not collected
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
