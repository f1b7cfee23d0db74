package deployed

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const helmPod = "---\n# Source: checkout/templates/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: %q}]}\n"

// pack writes a release as Helm does, without the base64 of the API.
func pack(t testing.TB, r any) []byte {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(zip(t, b)))
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func aRelease(version int, status, image string) map[string]any {
	return map[string]any{"name": "checkout", "version": version, "info": map[string]any{"status": status, "notes": "hunter2"}, "config": map[string]any{"password": "hunter2"},
		"manifest": fmt.Sprintf(helmPod, image), "hooks": []any{
			map[string]any{"name": "migrate", "events": []string{"pre-upgrade"}, "manifest": fmt.Sprintf(helmPod, image+"-hook")},
			map[string]any{"name": "smoke", "events": []string{"test"}, "manifest": fmt.Sprintf(helmPod, "curl")},
		}}
}

const secretsPath = "/api/v1/namespaces/shop/secrets"

func (a *api) release(t testing.TB, version int, data []byte) {
	t.Helper()
	name := fmt.Sprintf("sh.helm.release.v1.checkout.v%d", version)
	b, err := json.Marshal(map[string]any{"kind": "Secret", "metadata": map[string]any{"name": name}, "type": "helm.sh/release.v1", "data": map[string][]byte{"release": data}})
	if err != nil {
		t.Fatal(err)
	}
	a.replies[secretsPath+"/"+name] = string(b)
}

// history is what the cluster lists of the release's revisions.
func (a *api) history(statuses ...string) {
	var items []string
	for i, s := range statuses {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":"x","labels":{"owner":"helm","name":"checkout","version":"%d","status":%q}}}`, i+1, s))
	}
	items = append(items, `{"metadata":{"name":"odd","labels":{"version":"many"}}}`)
	a.replies[secretsPath+"?owner=helm,name=checkout"] = `{"kind":"PartialObjectMetadataList","metadata":{},"items":[` + strings.Join(items, ",") + `]}`
}

func TestHelm(t *testing.T) {
	const both = "Pod/a, container app (helm manifest:6) acme/app:%[1]s\nPod/a, container app (helm hook migrate:6) acme/app:%[1]s-hook"
	for _, tt := range []struct {
		name      string
		statuses  []string
		revision  int
		want      string // the containers, or what the error says
		unsettled string
		left      string
	}{
		{"the newest is deployed", []string{"superseded", "superseded", "deployed"}, 0, fmt.Sprintf(both, "v3"), "", "helm hook smoke: it is a test"},
		{"the newest failed", []string{"superseded", "deployed", "failed"}, 0, fmt.Sprintf(both, "v2"), "revision 3 of the release is failed", ""},
		{"an upgrade is under way", []string{"deployed", "pending-upgrade"}, 0, fmt.Sprintf(both, "v1"), "revision 2 of the release is pending-upgrade", ""},
		{"the first failed", []string{"failed"}, 0, "", "revision 1 of the release is failed", ""},
		{"no such release", nil, 0, "", "", "there is no release checkout in this namespace"},
		{"a revision", []string{"superseded", "deployed"}, 2, fmt.Sprintf(both, "v2"), "", ""},
		{"a revision of the past", []string{"superseded", "deployed"}, 1, "is superseded: want the one that is deployed", "", ""},
		{"a revision that is not there", []string{"deployed"}, 7, "get secrets sh.helm.release.v1.checkout.v7", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t)
			a.history(tt.statuses...)
			for i, s := range tt.statuses {
				a.release(t, i+1, pack(t, aRelease(i+1, s, fmt.Sprintf("acme/app:v%d", i+1))))
			}
			st, err := a.read(t, "helm", HelmOptions{Release: "checkout", Revision: tt.revision})
			if err != nil {
				if tt.want == "" || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if got := brief(st); got != tt.want || st.Unsettled != tt.unsettled || !strings.Contains(strings.Join(st.LeftOut, "; "), tt.left) {
				t.Errorf("got\n%s\nunsettled %q, left out %q; want\n%s\n%q", got, st.Unsettled, st.LeftOut, tt.want, tt.unsettled)
			}
			if !strings.Contains(st.From, "helm release checkout in namespace shop") {
				t.Errorf("from %q", st.From)
			}
		})
	}
}

func TestHelmPayloads(t *testing.T) {
	b64 := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	whole := zip(t, []byte(`{"name":"checkout"}`))
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":          {nil, "no key release"},
		"no base64":        {[]byte("hunter2!"), "no base64"},
		"not packed":       {b64([]byte(`{"name":"checkout","version":1,"info":{"status":"deployed"}}`)), ""},
		"cut off":          {b64(whole[:len(whole)-6]), "cut off"},
		"no gzip":          {b64([]byte{0x1f, 0x8b, 0x08}), "no gzip"},
		"no JSON":          {b64(zip(t, []byte("hunter2"))), "no JSON"},
		"a bomb":           {b64(zip(t, make([]byte, maxRelease+1))), "more than 64 MiB"},
		"another release":  {pack(t, map[string]any{"name": "other", "version": 1, "info": map[string]any{"status": "deployed"}}), "another release or revision"},
		"another revision": {pack(t, aRelease(2, "deployed", "i:1")), "another release or revision"},
		"not YAML":         {pack(t, map[string]any{"name": "checkout", "version": 1, "info": map[string]any{"status": "deployed"}, "manifest": "a: 'hunter2"}), "helm manifest"},
	} {
		a := newAPI(t)
		a.release(t, 1, tt.data)
		st, err := a.read(t, "helm", HelmOptions{Release: "checkout", Revision: 1})
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: got %v, %v; want %q", name, st, err, tt.want)
		}
	}
}

func FuzzHelmRelease(f *testing.F) {
	f.Add(pack(f, aRelease(1, "deployed", "acme/app:v1")))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(`{"manifest":"a"}`))))
	f.Add([]byte("H4sIAAAAAAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRelease(b)
		if (r == nil) == (err == nil) {
			t.Fatalf("got %v and %v", r, err)
		}
		if err != nil {
			return
		}
		rd := newReader(defaultLimits)
		if err := r.manifests(rd); err == nil {
			checkContainers(t, rd.state)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}\n", false)
	f.Add("a: &a {x: *a}\n<<: [*a]\n---\n- {{ x }}", false)
	f.Add(`{"apiVersion":"v1","kind":"PodList","items":[{"spec":{"containers":[{"image":"a"}]}}]} {}`, true)
	f.Add(`{"a":[1,null,true,{"b":"\ud83d"}]`, true)
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		l := defaultLimits
		l.nodes, l.containers = 10_000, 100
		r := newReader(l)
		if err := r.file("m.yaml", []byte(text), isJSON); err == nil {
			checkContainers(t, r.state)
		}
	})
}

// checkContainers holds what is true of all that is read.
func checkContainers(t *testing.T, st State) {
	t.Helper()
	for _, c := range st.Containers {
		if c.Image == "" && c.Where == "" || c.Image != image(c.Image) || strings.ContainsAny(c.Where+c.Image, "\n\r\x1b\x00") || c.Digest != "" || c.Ready {
			t.Errorf("got %#v", c)
		}
	}
}
