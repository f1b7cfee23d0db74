package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// webQuery is a path with its parameters, both templates still.
type webQuery struct {
	path   string
	params url.Values
}

func parseWebQuery(text string) (webQuery, error) {
	path, query, _ := strings.Cut(text, "?")
	switch {
	case !strings.HasPrefix(path, "/"):
		return webQuery{}, fmt.Errorf("got %q, want a path behind the source's url: /stats?of=$service", clean.Cut(path, 60))
	case strings.ContainsAny(text, "# \t\r\n"):
		return webQuery{}, errors.New("a path has neither blanks nor #: write %20 and %23")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return webQuery{}, fmt.Errorf("the parameters can't be read: %w", err)
	}
	return webQuery{path, params}, nil
}

// webValues are the variables of a request; from and to are among them where a window is asked for.
type webValues struct {
	values
	window   bool
	from, to int64 // milliseconds
	times    string
}

func (v webValues) get(name string) (string, error) {
	if name != "from" && name != "to" {
		return v.values.get(name)
	}
	ms := v.from
	if name == "to" {
		ms = v.to
	}
	switch {
	case !v.window:
		return "", errNoWindow
	case v.times == "unix-ms":
		return strconv.FormatInt(ms, 10), nil
	case v.times == "rfc3339":
		return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano), nil
	case name == "to":
		return strconv.FormatInt((ms+999)/1000, 10), nil
	}
	return strconv.FormatInt(ms/1000, 10), nil
}

// each puts the variables into a text, each through escape.
func (v webValues) each(text string, escape func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range pieces(text) {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		value, err := v.get(p.text)
		if err != nil {
			return "", err
		}
		b.WriteString(escape(value))
	}
	return b.String(), nil
}

// fillPath gives the path. A value can neither add a part to it nor lead upwards.
func (q webQuery) fillPath(v webValues) (string, error) {
	parts := strings.Split(q.path, "/")
	for i, part := range parts {
		filled, err := v.each(part, url.PathEscape)
		if err != nil {
			return "", err
		}
		if plain, err := url.PathUnescape(filled); err != nil || plain == "." || plain == ".." {
			return "", fmt.Errorf("the path's part %q is no name", clean.Cut(part, 60))
		}
		parts[i] = filled
	}
	return strings.Join(parts, "/"), nil
}

func (v webValues) addParameter(to url.Values, name, template string) error {
	if strings.Contains(name, "$") {
		return fmt.Errorf("a variable in a parameter's name %q: it may only stand in a value", clean.Cut(name, 60))
	}
	value, err := v.each(template, func(s string) string { return s }) // url.Values escapes
	if err != nil {
		return err
	}
	to.Add(name, value)
	return nil
}

// fillJSON puts the variables into the texts of a value, whose structure was read before. A text that is $from or $to alone becomes a
// number, where times are numbers.
func (v webValues) fillJSON(node any) (any, error) {
	switch x := node.(type) {
	case string:
		filled, err := v.each(x, func(s string) string { return s })
		if err == nil && (x == "$from" || x == "$to") && v.times != "rfc3339" && !v.check {
			return json.Number(filled), nil
		}
		return filled, err
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = v.fillJSON(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			var err error
			if out[k], err = v.fillJSON(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return node, nil
}
