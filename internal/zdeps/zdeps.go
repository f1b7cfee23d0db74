// Package zdeps keeps modules in go.mod until their users land. It is removed before that.
package zdeps

import (
	_ "github.com/go-git/go-git/v5"
	_ "sigs.k8s.io/kustomize/api/krusty"
	_ "sigs.k8s.io/kustomize/kyaml/filesys"
)
