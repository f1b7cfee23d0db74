package verify

import (
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed"
)

// Options is the verify section of the configuration.
type Options struct {
	Images    []Image           `yaml:"images"`
	Signature *signed.Signature `yaml:"signature"`

	dir string
}

// InDir says where the relative paths of the section start: the folder of the configuration file.
func (o *Options) InDir(dir string) { o.dir = dir }

// Image is one image that is (to be) deployed and the artifact it must be.
type Image struct {
	Image     string      `yaml:"image,required"` // what is deployed: a reference with a tag, a digest or both
	Built     *built.Spec `yaml:"built,required"`
	Platforms []string    `yaml:"platforms"` // os/arch[/variant] that must be in the index, e.g. linux/amd64
	PlainHTTP bool        `yaml:"plain-http"`
}
