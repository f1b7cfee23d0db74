package policy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/command"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/verdict"
)

// runLimit ends an engine that does not end by itself, unless the options say otherwise.
const runLimit = time.Minute

// Env is what an engine needs from outside.
type Env struct {
	Dir           string // relative paths start here
	Getenv        func(string) string
	AllowCommands bool // never from the configuration, which a pull request can edit
}

// Target is what an engine is asked about.
type Target struct {
	Documents []diff.Document
	Redact    func(string) string // takes secrets out of a text
}

// ConftestOptions is the block `conftest:`.
type ConftestOptions struct {
	Policy        []string      `yaml:"policy,required,input"` // files and folders of Rego
	Data          []string      `yaml:"data,input"`            // files and folders that the policies read
	Namespaces    []string      `yaml:"namespaces"`            // of the policies that are asked; default: main
	AllNamespaces bool          `yaml:"all-namespaces"`
	Timeout       time.Duration `yaml:"timeout"` // default 1m
}

// KyvernoOptions is the block `kyverno:`.
type KyvernoOptions struct {
	Policies []string      `yaml:"policies,required,input"` // files and folders of policies
	Timeout  time.Duration `yaml:"timeout"`                 // default 1m
}

// Run asks conftest about every object.
func (o *ConftestOptions) Run(ctx context.Context, e Env, t Target) ([]verdict.Finding, error) {
	r, err := newRun(e, "conftest", o.Timeout)
	if err != nil {
		return nil, err
	}
	defer r.end()
	byName := map[string]diff.Document{}
	for i, d := range t.Documents {
		name := fmt.Sprintf("object-%06d.json", i+1)
		byName[name] = d
		if err := r.write(filepath.Join("target", name), d.JSON); err != nil {
			return nil, err
		}
	}
	args := []string{"test", filepath.Join(r.home, "target"), "--output", "json", "--no-color"}
	if o.AllNamespaces {
		args = append(args, "--all-namespaces")
	}
	for _, n := range o.Namespaces {
		args = append(args, "--namespace="+n)
	}
	for flag, paths := range map[string][]string{"--policy=": o.Policy, "--data=": o.Data} {
		if args, err = r.paths(args, flag, paths); err != nil {
			return nil, err
		}
	}
	out, err := r.run(ctx, args)
	if err != nil {
		return nil, err
	}
	return Conftest(out, t.Redact, func(file string) (string, verdict.Place) {
		d := byName[filepath.Base(file)]
		return d.Name, d.At
	})
}

// Run asks kyverno about every object of Kubernetes.
func (o *KyvernoOptions) Run(ctx context.Context, e Env, t Target) ([]verdict.Finding, error) {
	r, err := newRun(e, "kyverno", o.Timeout)
	if err != nil {
		return nil, err
	}
	defer r.end()
	var all bytes.Buffer
	for _, d := range t.Documents {
		if d.Kubernetes {
			all.WriteString("---\n") // JSON is YAML
			all.Write(d.JSON)
			all.WriteByte('\n')
		}
	}
	if all.Len() == 0 {
		return nil, errors.New("kyverno: the target has no object of Kubernetes")
	}
	if err := r.write("target.yaml", all.Bytes()); err != nil {
		return nil, err
	}
	args, err := r.paths([]string{"apply"}, "", o.Policies)
	if err != nil {
		return nil, err
	}
	out, err := r.run(ctx, append(args, "--resource", filepath.Join(r.home, "target.yaml"), "--policy-report", "--output-format", "json"))
	if err != nil {
		return nil, err
	}
	return Kyverno(out, t.Redact)
}

// run is one call of an engine, with a folder of its own.
type run struct {
	Env
	name, program, home string
	timeout             time.Duration
}

func newRun(e Env, name string, timeout time.Duration) (*run, error) {
	if err := command.Permit(e.AllowCommands, name); err != nil {
		return nil, fmt.Errorf("diff.%s: %w", name, err)
	}
	program, err := command.Program(e.Getenv, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: install it before this step", name, err)
	}
	home, err := os.MkdirTemp("", "bakegate-"+name+"-")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &run{Env: e, name: name, program: program, home: home, timeout: cmp.Or(timeout, runLimit)}, nil
}

func (r *run) end() { _ = os.RemoveAll(r.home) } // a temporary folder: nothing is lost where it stays

func (r *run) write(name string, b []byte) error {
	path := filepath.Join(r.home, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// paths adds paths as arguments. They are on the disk: nothing is fetched.
func (r *run) paths(args []string, flag string, paths []string) ([]string, error) {
	for _, p := range paths {
		if strings.TrimSpace(p) == "" || strings.Contains(p, "://") {
			return nil, fmt.Errorf("%s: got %q, want a path on the disk: nothing is fetched", r.name, clean.Cut(p, 200))
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(r.Dir, p)
		}
		abs, err := filepath.Abs(p) // and so no path is taken for a flag
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		args = append(args, flag+abs)
	}
	return args, nil
}

// run gives what the engine printed. It ends with 1 where it refuses something, and says what all the same.
func (r *run) run(ctx context.Context, args []string) ([]byte, error) {
	env := []string{"HOME=" + r.home, "TMPDIR=" + r.home, "PATH=" + filepath.Dir(r.program), "KUBECONFIG=" + filepath.Join(r.home, "none")}
	out, err := command.Command{Program: r.program, Args: args, Env: env, Dir: r.home, Limit: MaxOutput, Timeout: r.timeout}.Run(ctx)
	var failed *command.Failed
	if errors.As(err, &failed) && len(bytes.TrimSpace(failed.Out)) > 0 {
		return failed.Out, nil
	}
	return out, err
}
