// Package zdeps keeps modules in go.mod until their users land. It is removed before that.
package zdeps

import (
	_ "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	_ "github.com/go-git/go-git/v5"
	_ "github.com/google/cel-go/cel"
	_ "github.com/hashicorp/hcl/v2/hclsyntax"
	_ "github.com/pelletier/go-toml/v2/unstable"
	_ "github.com/zclconf/go-cty/cty"
	_ "golang.org/x/oauth2/google"
	_ "k8s.io/client-go/dynamic"
	_ "k8s.io/client-go/tools/clientcmd"
	_ "sigs.k8s.io/kustomize/api/krusty"
	_ "sigs.k8s.io/kustomize/kyaml/filesys"
)
