package files

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// CheckGlobs looks at the globs of an exclude list: NAME or *.NAME at any depth, or a path below the root; ** is any number of folders.
func CheckGlobs(globs []string) error {
	for i, g := range globs {
		for _, part := range strings.Split(g, "/") {
			if _, err := path.Match(part, ""); err != nil || g == "" {
				return fmt.Errorf("exclude[%d]: %q is no glob, want e.g. *.md or base/**", i, g)
			}
		}
	}
	return nil
}

// Excluded says whether a glob matches the path below the root.
func Excluded(globs []string, rel string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		g = strings.TrimSuffix(strings.TrimPrefix(g, "./"), "/")
		if !strings.Contains(g, "/") {
			g = "**/" + g
		}
		return match(strings.Split(g, "/"), strings.Split(rel, "/"))
	})
}

// match goes segment by segment; ** stands for any number of them. Where a segment does not match, only the last ** has to take one more:
// what matched before it can stay as it is.
func match(glob, parts []string) bool {
	var after, taken []string // the glob behind the last **, and the parts that are left to it
	deep := false
	for len(parts) > 0 {
		switch {
		case len(glob) > 0 && glob[0] == "**":
			glob = glob[1:]
			after, taken, deep = glob, parts, true
		case len(glob) > 0 && matchSegment(glob[0], parts[0]):
			glob, parts = glob[1:], parts[1:]
		case deep:
			taken = taken[1:]
			glob, parts = after, taken
		default:
			return false
		}
	}
	return !slices.ContainsFunc(glob, func(g string) bool { return g != "**" })
}

func matchSegment(glob, part string) bool {
	ok, _ := path.Match(glob, part) // CheckGlobs refused what is no glob
	return ok
}
