package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// scene is one registry and what is asked of it. Before it is changed, an honest image lies under :v1, is what was built, and no signature
// is asked for.
type scene struct {
	*fake.Registry
	t         testing.TB
	key       forge.Key
	good      fakeImage
	image     Image
	built     built.Spec
	signature *signed.Signature // nil: none is asked for
	attested  []signed.Attestation
	docker    string            // DOCKER_AUTH_CONFIG
	client    *registry.Options // nil: quick()
}

// fakeImage is an image that was pushed.
type fakeImage struct {
	digest string
	raw    []byte
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{Registry: fake.New(t), t: t, key: forge.NewKey(t)}
	s.good = s.push(":v1", fake.Image(t, "one", "linux/amd64"))
	s.want(":v1", s.good.digest)
	return s
}

// push pushes an image or an index.
func (s *scene) push(suffix string, what interface{ RawManifest() ([]byte, error) }) fakeImage {
	s.t.Helper()
	raw, err := what.RawManifest()
	must(s.t, err)
	return fakeImage{s.Push(suffix, what.(taggable)), raw}
}

// want sets what is deployed and what was built.
func (s *scene) want(suffix, digest string) {
	s.image.Image = s.Ref(suffix)
	s.built = built.Spec{Kind: "digest", Value: digest}
}

// sign asks for a signature by the scene's key.
func (s *scene) sign() {
	s.signature = &signed.Signature{Signer: signed.Signer{Key: s.key.Path, IgnoreTlog: true}}
}

// config writes the scene as a user would.
func (s *scene) config() string {
	image := map[string]any{"image": s.image.Image, "built": map[string]any{s.built.Kind: s.built.Value}}
	if s.image.Platforms != nil {
		image["platforms"] = s.image.Platforms
	}
	v := map[string]any{"images": []any{image}}
	if s.signature != nil {
		v["signature"] = asWritten(reflect.ValueOf(*s.signature))
	}
	if s.attested != nil {
		v["attestations"] = asWritten(reflect.ValueOf(s.attested))
	}
	return compact(map[string]any{"version": 1, "service": "app", "environment": "test", "verify": v}) // JSON is YAML
}

// asWritten writes options as they stand in a configuration. What is not set is left out.
func asWritten(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return asWritten(v.Elem())
	case reflect.Slice:
		var l []any
		for i := range v.Len() {
			l = append(l, asWritten(v.Index(i)))
		}
		return l
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case !f.IsExported() || v.Field(i).IsZero():
			case f.Anonymous:
				maps.Copy(m, asWritten(v.Field(i)).(map[string]any))
			default:
				m[name] = asWritten(v.Field(i))
			}
		}
		return m
	}
	return v.Interface()
}

// run verifies in process. An error that is no registry's is a mistake in what was asked.
func (s *scene) run() (Result, error) { return s.runIn(context.Background()) }

func (s *scene) runIn(ctx context.Context) (Result, error) {
	want, err := s.built.Resolve("")
	if err != nil {
		return Result{}, err
	}
	c := quick()
	if s.client != nil {
		c = registry.New(registry.Credentials{}, *s.client)
	}
	o := Options{Images: []Image{s.image}, Signature: s.signature, Attestations: s.attested}
	return Run(ctx, o, []built.Digest{want}, c, BeforeDeploy)
}

// outcome is a result in one line: the findings, or what kind of error there was.
func outcome(r Result, err error) string {
	var e *registry.Error
	switch {
	case err == nil:
		return brief(r.Findings)
	case errors.As(err, &e):
		return "error " + string(e.Kind)
	}
	return "mistake"
}

// step is one forgery, or the honest thing beside it: where that did not pass, the refusal of the forged one would show nothing.
type step struct {
	name string
	set  func(s *scene)
	want string // outcome
	says string // the cause, in the findings or the error; "A|B" for either
	// inside leaves the binary out: where it would wait for long, or where the same is seen beside it.
	inside bool
}

// exits is what the binary may end with. A mistake is found when the configuration is loaded, or else when it is used.
func (k step) exits() []int {
	switch {
	case k.want == "mistake":
		return []int{64, 1}
	case strings.HasPrefix(k.want, "error "):
		return []int{1}
	case strings.Contains(k.want, " fail "):
		return []int{13}
	case strings.Contains(k.want, " unknown"):
		return []int{12}
	}
	return []int{0}
}

// run plays a step in process and through the binary, each with a registry of its own.
func (k step) run(t *testing.T) {
	s := newScene(t)
	k.set(s)
	r, err := s.run()
	said := dump(r.Findings)
	if err != nil {
		said += err.Error()
	}
	tells := slices.ContainsFunc(strings.Split(k.says, "|"), func(cause string) bool { return strings.Contains(said, cause) })
	if got := outcome(r, err); got != k.want || !tells {
		t.Errorf("got %s, want %s saying %q\n%s", got, k.want, k.says, said)
	}
	if strings.ContainsAny(said, "\x1b\u202e") {
		t.Error("an escape sequence came through")
	}
	if k.inside {
		return
	}
	s = newScene(t)
	k.set(s)
	b := runBinary(t, command(t, s.config(), "DOCKER_AUTH_CONFIG="+s.docker))
	if !slices.Contains(k.exits(), b.code) {
		t.Errorf("the binary ends with %d, want %v\n%s", b.code, k.exits(), b.text)
	}
	if reason, blocked := strings.CutPrefix(b.reason, "blocked/"); blocked && !strings.Contains(k.want, " fail "+reason) {
		t.Errorf("the binary's reason is %s, want one of %s", b.reason, k.want)
	}
}

// forgery is one case of the list that a verifier is tested with.
type forgery struct {
	name  string
	steps []step
	test  func(t *testing.T) // what is no single look
}

// Each case is a world that lies in one way. What it must come to is exact: a finding with its reason, or an error of its kind. None may pass.
func TestForgeries(t *testing.T) {
	cases := slices.Concat(registryForgeries(), indexForgeries(), signatureForgeries(t), attestationForgeries())
	if len(cases) != 35 {
		t.Errorf("%d cases, want 35", len(cases))
	}
	for i, c := range cases {
		if !strings.HasPrefix(c.name, fmt.Sprintf("case %02d ", i+1)) {
			t.Errorf("case %d is called %q", i+1, c.name)
		}
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

// outside is how many steps of a case go through the binary too, each of which is a process: what they differ in is seen in process.
const outside = 4

func (c forgery) run(t *testing.T) {
	t.Parallel()
	for i, k := range c.steps {
		k.inside = k.inside || i >= outside
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.run(t)
		})
	}
	if c.test != nil {
		c.test(t)
	}
	if len(c.steps) == 0 && c.test == nil {
		t.Error("nothing is tested")
	}
}

// answer makes an Evil that serves these bytes and headers for paths that match.
func answer(path, body string, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	re := regexp.MustCompile(path)
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !re.MatchString(r.URL.Path) {
			return false
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(body))
		}
		return true
	}
}

// status makes an Evil that answers paths that match with a status, from the n-th request on.
func status(path string, n, code int, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	re, seen := regexp.MustCompile(path), counter()
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !re.MatchString(r.URL.Path) || seen() < n {
			return false
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		if code == http.StatusUnauthorized {
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
		}
		return true
	}
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func matches(path string, r *http.Request) bool {
	return regexp.MustCompile(path).MatchString(r.URL.Path)
}

// changeJSON sets one value of a JSON document: the keys and places in path lead to it.
func changeJSON(t testing.TB, text string, value any, path ...any) string {
	t.Helper()
	var doc any
	must(t, json.Unmarshal([]byte(text), &doc))
	return compact(set(t, doc, value, path))
}

func set(t testing.TB, at, value any, path []any) any {
	t.Helper()
	if len(path) == 0 {
		return value
	}
	switch p := path[0].(type) {
	case string:
		if m, ok := at.(map[string]any); ok {
			m[p] = set(t, m[p], value, path[1:])
			return m
		}
	case int:
		if l, ok := at.([]any); ok && p < len(l) {
			l[p] = set(t, l[p], value, path[1:])
			return l
		}
	}
	t.Fatalf("%v leads nowhere", path)
	return nil
}
