//go:build unix

package ci

import (
	"os"
	"path/filepath"
	"syscall"
)

// own gives path, and each directory between it and the workspace that root made, to the workspace's owner. It follows no link out
// of the workspace.
func own(workspace, path string) {
	if os.Geteuid() != 0 || workspace == "" {
		return
	}
	uid, gid, ok := owner(workspace)
	if !ok || uid == 0 {
		return
	}
	path, ok = inside(workspace, path)
	if !ok {
		return
	}
	root, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		return
	}
	for ; path != root; path = filepath.Dir(path) {
		if u, _, ok := owner(path); ok && u == 0 {
			_ = os.Lchown(path, uid, gid) // best effort: a file that stays root's is a nuisance, no reason to fail
		}
	}
}

func owner(path string) (uid, gid int, ok bool) {
	fi, err := os.Lstat(path)
	if err != nil {
		return 0, 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}
