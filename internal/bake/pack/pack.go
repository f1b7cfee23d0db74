// Package pack holds ready metrics for what most services are made of. One YAML file a pack: a list of metrics as under bake.metrics,
// in which $select stands for the label matchers of the service.
//
// A pack watches what its name says with the metric names that the usual exporter gives them, in PromQL. What a good deploy can move
// by itself (traffic, which has a day's shape) or what not every exporter is set to give is judged and told without effect (dry-run).
package pack

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names are the packs, sorted.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil { // it is in the binary
		panic(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// Text is the YAML of a pack; false where there is none of that name.
func Text(name string) ([]byte, bool) {
	if strings.ContainsAny(name, "/\\") {
		return nil, false
	}
	data, err := files.ReadFile(name + ".yaml")
	return data, err == nil
}
