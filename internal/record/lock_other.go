//go:build !unix

package record

import "os"

// lockFile does nothing where there is no flock: two runs must then be given their own out directories.
func lockFile(*os.File) error { return nil }
