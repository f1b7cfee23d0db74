package aws

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseShared(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]map[string]string
	}{
		{"empty", "", map[string]map[string]string{}},
		{"credentials", "[default]\naws_access_key_id = AK\naws_secret_access_key=se/cr+et==\n", map[string]map[string]string{
			"default": {"aws_access_key_id": "AK", "aws_secret_access_key": "se/cr+et=="}}},
		{"a mark and DOS line ends", "\ufeff[default]\r\nregion = eu-west-1\r\n", map[string]map[string]string{"default": {"region": "eu-west-1"}}},
		{"comments", "# one\n; two\n[a] # three\nk = v # four\nl = v#5;6\nm = #7\n  # eight\n", map[string]map[string]string{"a": {"k": "v", "l": "v#5;6", "m": ""}}},
		{"a profile with spaces", "[profile   my   own ]\nk=v", map[string]map[string]string{"profile my own": {"k": "v"}}},
		{"nested settings", "[a]\ns3 =\n  max = 1\n\tregion = evil\nregion = good", map[string]map[string]string{"a": {"s3": "", "region": "good"}}},
		{"keys in any case, the last counts, sections add up", "[a]\nREGION=x\nregion=y\n[b]\n[a]\nk=v", map[string]map[string]string{"a": {"region": "y", "k": "v"}, "b": {}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseShared(tt.text)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
	for text, want := range map[string]string{
		"[a\nk=v":        "line 1 is no section",
		"[]\n":           "line 1 is no section",
		"[a] b\n":        "line 1 is no section",
		"k=v\n":          "line 1 is neither",
		"[a]\n\nsecret1": "line 3 is neither",
	} {
		if _, err := parseShared(text); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret1") {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParseShared(f *testing.F) {
	f.Add("[default]\naws_access_key_id = AK # x\ns3=\n a=b\n[profile  b]\n")
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := parseShared(text)
		if err != nil {
			return
		}
		for section, values := range sections {
			if section == "" || strings.TrimSpace(section) != section {
				t.Errorf("section %q of %q", section, text)
			}
			for k, v := range values {
				if k != strings.ToLower(strings.TrimSpace(k)) || strings.TrimSpace(v) != v || strings.Contains(v, "\n") {
					t.Errorf("%q = %q of %q", k, v, text)
				}
			}
		}
	})
}
