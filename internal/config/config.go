// Package config turns bakegate.yaml and the environment into typed values. Every mistake is reported at once, each with
// file:line:col, what was got, what was wanted, and what was probably meant.
//
// The types are those of the stages: their struct tags name the keys, a choice (bake.Spec, mark.Spec, source.Spec, record.Spec)
// builds its extension, and nothing here does I/O but Load, which reads the one file, and what Options.Readable looks for.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/policy"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify"
)

// File is a configuration: complete, with its defaults, and without a mistake that can be seen without asking anybody.
type File struct {
	Version     int    `yaml:"version,required"` // 1
	Service     string `yaml:"service"`
	Environment string `yaml:"environment"`
	Sections

	// Dir is the folder of the file. Relative paths in the file start there.
	Dir string
	// Overlays are the names under environments:, in the order of the file.
	Overlays []string
	// Warnings are worth reading and change nothing.
	Warnings []Problem
	// NotYet are the files and folders that a stage reads and that are not there: an earlier step of the pipeline may make them.
	NotYet []Problem
	// NeedsVersion is the first text that needs $version where release is left out, and what is wrong with it unless what is deployed has a
	// version; nil: there is none.
	NeedsVersion *Problem

	secretNames []string
	digest      string
}

// Sections are what an overlay may change.
type Sections struct {
	Release    string                   `yaml:"release"` // the version label the service reports
	Verify     *verify.Options          `yaml:"verify"`
	Diff       *Diff                    `yaml:"diff"`
	Mark       mark.Options             `yaml:"mark"`
	Bake       *bake.Options            `yaml:"bake"`
	Rollback   *Rollback                `yaml:"rollback"`
	Record     *RecordBlock             `yaml:"record"`
	Registries map[string]registry.Host `yaml:"registries"` // by host[:port]
	On         map[string]On            `yaml:"on"`
}

// Diff is the diff section: what is compared, and its rules.
type Diff struct {
	Target   *source.Spec `yaml:"target,required"`
	Previous *source.Spec `yaml:"previous,required"`
	// Key is what the fingerprints of secrets in the ledger are made with. Without it nobody can say whether a recorded secret changed.
	Key httpx.Secret `yaml:"key"`
	// Policies are where the ValidatingAdmissionPolicy objects of the cluster are, which the target's objects are judged by.
	Policies *source.Spec            `yaml:"policies"`
	Conftest *policy.ConftestOptions `yaml:"conftest"`
	Kyverno  *policy.KyvernoOptions  `yaml:"kyverno"`
	diff.Rules
}

// Rollback says whether, and how, the deploy can be taken back.
type Rollback struct {
	Reversible *bool  `yaml:"reversible"` // nil: it is, unless something in the diff or the release says otherwise
	Command    string `yaml:"command"`    // shown to people, never run
}

// RecordBlock is the record section: where the ledger is kept.
type RecordBlock = record.Spec

// document is the whole file; the overlays are merged before the rest is read.
type document struct {
	File
	Environments map[string]Sections `yaml:"environments"`
}

// SecretNames lists the environment's variables that hold secrets of the configuration, sorted: to be masked, and to be kept from child
// processes.
func (f *File) SecretNames() []string { return f.secretNames }

// Digest identifies the criteria: verify, the rules of diff, bake and rollback with their values and defaults, and what registries says of
// whom to believe, without secrets. It is "sha256:" and 64 hexadecimal digits, and does not depend on comments, the order of keys or the spelling of a value.
func (f *File) Digest() string { return f.digest }

// ExitCodes is on: as verdict.Policy takes it.
func (f *File) ExitCodes() map[string]int {
	codes := make(map[string]int, len(f.On))
	for k, v := range f.On {
		codes[k] = int(v)
	}
	return codes
}

// Options is what Load and Parse need beside the file.
type Options struct {
	Getenv  func(string) (string, bool) // nil: an empty environment
	Environ []string                    // names of the variables that are set, to suggest one
	// Environment is the environment's name from --environment; "" for the one in the file.
	Environment string
	// Readable says why a file, or a folder where that is allowed too, can't be read, without its path. nil: nothing looks for the files
	// that the configuration names.
	Readable func(path string, folder bool) error
	// Set are values from flags. They beat the file and its overlays; with them the file may be empty.
	Set []Override
}

// Override is one value from a flag.
type Override struct {
	Path  string // bake.window, verify.images[0].image
	Value string // taken as it is: no variables
	Flag  string // named in messages; default "--" and the last element of Path
}

func (o Override) flag() string {
	if o.Flag != "" {
		return o.Flag
	}
	return "--" + o.Path[strings.LastIndexByte(o.Path, '.')+1:]
}

// Load reads the file at path. Its error is an *Error with every mistake, or that of reading the file.
func Load(path string, opt Options) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, missing(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data, opt)
}

// missing adds to the error the file that was probably meant.
func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		base := strings.TrimSuffix(path, filepath.Ext(path))
		for _, other := range []string{base + ".yml", base + ".yaml", filepath.Join(filepath.Dir(path), "."+filepath.Base(path))} {
			if _, serr := os.Stat(other); serr == nil {
				return fmt.Errorf("configuration: %w; did you mean %s?", err, other)
			}
		}
	}
	return fmt.Errorf("configuration: %w", err)
}

// Parse reads a configuration. name is the file's, for messages and for File.Dir. The error is an *Error.
func Parse(name string, data []byte, opt Options) (*File, error) {
	c := newCollector(name)
	root := read(c, data)
	if root == nil && (len(c.problems) > 0 || !hasContent(opt)) {
		if len(c.problems) == 0 {
			c.addAt(1, 1, "begin with version: 1", "the file is empty")
		}
		return nil, c.err()
	}
	d := newDecoder(c, opt)
	d.dir = filepath.Dir(name)
	if root = d.assemble(root, opt); root == nil {
		return nil, c.err()
	}
	var doc document
	d.value(root, reflect.ValueOf(&doc).Elem(), "")
	d.mixed()
	f := &doc.File
	f.Overlays = d.overlays
	v := &validator{d: d, f: f, root: root, decoded: c.count}
	v.defaults()
	v.file()
	if err := c.err(); err != nil {
		return nil, err
	}
	tidy(c.warnings)
	tidy(d.notYet)
	f.Dir, f.Warnings, f.NotYet, f.secretNames = d.dir, c.warnings, d.notYet, d.env.secretNames()
	f.digest = d.digest(f, root)
	return f, nil
}

func hasContent(opt Options) bool { return len(opt.Set) > 0 || opt.Environment != "" }

func newDecoder(c *collector, opt Options) *decoder {
	getenv := opt.Getenv
	if getenv == nil {
		getenv = func(string) (string, bool) { return "", false }
	}
	return &decoder{
		c: c, readable: opt.Readable, resolved: map[*node]string{}, hidden: map[*node]bool{},
		env: &variables{getenv: getenv, names: opt.Environ, secrets: map[string]bool{}, values: map[string]string{}},
	}
}
