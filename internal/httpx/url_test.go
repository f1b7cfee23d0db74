package httpx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

const password = "hunter2-s3cret"

func TestNewRefuses(t *testing.T) {
	long := map[string]httpx.Secret{}
	tests := []struct {
		name    string
		remote  httpx.Remote
		options []httpx.Option
		want    string // "" is taken
	}{
		{"nothing", httpx.Remote{}, nil, "url is missing"},
		{"https", httpx.Remote{URL: "https://grafana.acme.dev/sub"}, nil, ""},
		{"no scheme", httpx.Remote{URL: "grafana.acme.dev"}, nil, "want https://host"},
		{"host and port alone", httpx.Remote{URL: "grafana:3000"}, nil, "want https://host"},
		{"ftp", httpx.Remote{URL: "ftp://grafana"}, nil, "want https://host"},
		{"no host", httpx.Remote{URL: "https:///x"}, nil, "want https://host"},
		{"a password", httpx.Remote{URL: "https://u:" + password + "@grafana"}, nil, "put them into username and password"},
		{"a user", httpx.Remote{URL: "https://" + password + "@grafana"}, nil, "put them into username and password"},
		{"a password in a URL that is broken", httpx.Remote{URL: "https://u:" + password + "%zz@gra fana"}, nil, "seems to hold a user or password"},
		{"a password with a slash", httpx.Remote{URL: "https://u:" + password + "/@grafana"}, nil, "seems to hold a user or password"},
		{"a password without slashes", httpx.Remote{URL: "https:u:" + password + "@grafana"}, nil, "not complete"},
		{"a query", httpx.Remote{URL: "https://grafana/?token=" + password}, nil, "has a query"},
		{"a query that is empty", httpx.Remote{URL: "https://grafana/?"}, nil, "has a query"},
		{"a fragment", httpx.Remote{URL: "https://grafana/#" + password}, nil, "has a fragment"},
		{"a port too high", httpx.Remote{URL: "https://grafana:99999"}, nil, "port 99999"},
		{"plain http", httpx.Remote{URL: "http://grafana"}, nil, "insecure: true"},
		{"plain http, allowed", httpx.Remote{URL: "http://grafana", Insecure: true}, nil, ""},
		{"plain http to itself", httpx.Remote{URL: "http://127.9.9.9:3000"}, nil, ""},
		{"plain http to itself, IPv6", httpx.Remote{URL: "http://[::1]:3000"}, nil, ""},
		{"plain http to localhost", httpx.Remote{URL: "http://LocalHost:3000"}, nil, ""},
		{"plain http to a name that begins like it", httpx.Remote{URL: "http://localhost.evil.example"}, nil, "insecure: true"},
		{"negative timeout", httpx.Remote{URL: "https://grafana", Timeout: -time.Second}, nil, "timeout -1s"},
		{"a header's name", httpx.Remote{URL: "https://grafana", Headers: secrets("bad name", "x")}, nil, "not a name of a header"},
		{"a line break in a header", httpx.Remote{URL: "https://grafana", Headers: secrets("X-Key", password+"\r\nX-Evil: 1")}, nil, "line break"},
		{"a line break behind a header", httpx.Remote{URL: "https://grafana", Headers: secrets("X-Key", password+"\n")}, nil, ""},
		{"an empty header", httpx.Remote{URL: "https://grafana", Headers: secrets("X-Key", "")}, nil, "header X-Key is empty"},
		{"the host header", httpx.Remote{URL: "https://grafana", Headers: secrets("host", "x")}, nil, "cannot be set"},
		{"a line break in a token", httpx.Remote{URL: "https://grafana"}, bearer(password + "\nx"), "token holds a line break"},
		{"authorization twice", httpx.Remote{URL: "https://grafana", Headers: secrets("authorization", password)}, bearer(password), "given twice"},
		{"a password without a user", httpx.Remote{URL: "https://grafana"}, []httpx.Option{httpx.WithBasic("", httpx.NewSecret(password))}, "set username"},
		{"a colon in the user", httpx.Remote{URL: "https://grafana"}, []httpx.Option{httpx.WithBasic("a:b", httpx.NewSecret(password))}, "colon"},
		{"no cap", httpx.Remote{URL: "https://grafana", Headers: long}, []httpx.Option{httpx.WithMaxBody(0)}, "want more than 0"},
		{"a CA that is read later", httpx.Remote{URL: "https://grafana", CA: "/does/not/exist"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := httpx.New(tt.remote, tt.options...)
			switch {
			case err == nil && tt.want != "":
				t.Fatalf("taken, want an error with %q", tt.want)
			case err != nil && tt.want == "":
				t.Fatalf("refused: %v", err)
			case err != nil && !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func secrets(name, value string) map[string]httpx.Secret {
	return map[string]httpx.Secret{name: httpx.NewSecret(value)}
}

func bearer(token string) []httpx.Option {
	return []httpx.Option{httpx.WithBearer(httpx.NewSecret(token))}
}

func FuzzNew(f *testing.F) {
	f.Add("https://grafana.acme.dev:3000/sub")
	f.Add("https://u:hunter2-s3cret@host")
	f.Add("https:u:hunter2-s3cret@host/?x#y")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := httpx.New(httpx.Remote{URL: text})
		if err == nil && strings.ContainsAny(c.URL(), "@?#\n ") && !strings.Contains(text, "@") {
			t.Errorf("%q was taken as %q", text, c.URL())
		}
		if err != nil && strings.Contains(text, ":"+password+"@") && strings.Contains(err.Error(), password) {
			t.Errorf("%q: the error shows the secret: %v", text, err)
		}
	})
}
