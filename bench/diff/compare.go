package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/heap"
)

// compare reads two files and writes every difference on a line.
func compare(ctx context.Context, previous, target string, out io.Writer) error {
	defer heap.Ample()() // as the command does, which shares the documents too
	shared := format.NewDocuments()
	a, err := snapshot(ctx, previous, shared)
	if err != nil {
		return err
	}
	b, err := snapshot(ctx, target, shared)
	if err != nil {
		return err
	}
	r := diff.Options{Today: time.Now()}.Compare(a, b)
	w := bufio.NewWriter(out)
	for _, c := range r.Changes {
		fmt.Fprintf(w, "%s %s: %s\n", c.Class, c.Where(), c.What())
	}
	return w.Flush()
}

func snapshot(ctx context.Context, file string, shared *format.Documents) (diff.Tree, error) {
	s, err := source.Sources["path"](func(o any) error { return o.(*source.PathOptions).UnmarshalText([]byte(filepath.Base(file))) })
	if err != nil {
		return diff.Tree{}, err
	}
	s.(source.Wants).Use(source.Env{Dir: filepath.Dir(file), Documents: shared})
	return s.Snapshot(ctx)
}
