package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// scalar fills v from a single value.
func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	t := v.Type()
	if t == secretType {
		d.secret(n, v, path, false)
		return
	}
	u := plain
	if t.Implements(queryType) {
		u = query
	}
	text, ok := d.expand(n, path, u)
	if !ok {
		return
	}
	d.resolved[n] = text
	if u == query && !d.lint {
		d.templates = append(d.templates, template{n, path, text})
	}
	shown := n.value
	if err := setScalar(v, text, text == shown || n.flag != ""); err != nil {
		d.c.add(n, path, err.hint, "%s", d.rejected(n, t, text, err))
	}
}

// rejection is why a text is no value of a type.
type rejection struct {
	text string // from the type itself; "" for the standard words
	hint string
}

// rejected says what was got and wanted. The value of a variable is not shown: a type with words of its own is asked again with the
// text as it stands in the file.
func (d *decoder) rejected(n *node, t reflect.Type, text string, r *rejection) string {
	switch {
	case r.text == "" && n.flag == "" && strings.Contains(n.value, "${"):
		return fmt.Sprintf("got %s, whose value (not shown) is not %s", quote(n.value), want(t))
	case r.text == "":
		return fmt.Sprintf("got %s, want %s", quote(text), want(t))
	case n.flag == "" && strings.Contains(n.value, "${"):
		again := setScalar(reflect.New(t).Elem(), n.value, true)
		if again == nil {
			return fmt.Sprintf("the value of %s (not shown) is not allowed here", quote(n.value))
		}
		return again.text
	}
	return r.text
}

// setScalar reads a text as the type of v. hints says whether a hint may repeat the text.
func setScalar(v reflect.Value, s string, hints bool) *rejection {
	t := v.Type()
	switch {
	case t == durationType:
		x, err := parseDuration(s)
		v.SetInt(int64(x))
		return durationRejection(s, err, hints)
	case t == timeType:
		x, err := time.Parse(time.RFC3339, s)
		v.Set(reflect.ValueOf(x))
		return reject(err)
	case isText(t):
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return &rejection{text: err.Error()}
		}
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(s)
		return nil
	case reflect.Bool:
		v.SetBool(s == "true")
		if s != "true" && s != "false" {
			return &rejection{}
		}
		return nil
	}
	return setNumber(v, s)
}

func setNumber(v reflect.Value, s string) *rejection {
	bits := func() int { return v.Type().Bits() }
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		x, err := strconv.ParseInt(s, 10, bits())
		v.SetInt(x)
		return reject(err)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, err := strconv.ParseUint(s, 10, bits())
		v.SetUint(x)
		return reject(err)
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(s, bits())
		if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
			err = errors.New("not finite")
		}
		v.SetFloat(x)
		return reject(err)
	}
	return &rejection{text: fmt.Sprintf("a %s cannot be configured", v.Type())}
}

func reject(err error) *rejection {
	if err == nil {
		return nil
	}
	return &rejection{}
}

var (
	longUnits  = lazyregexp.New(`^(?:(\d{1,3})w)?(?:(\d{1,4})d)?(.*)$`)
	bareNumber = lazyregexp.New(`^\d+$`)
)

var errNegative = errors.New("negative")

// parseDuration reads 30s, 15m, 1h30m, 28d, 2w; a day is 24 hours.
func parseDuration(s string) (time.Duration, error) {
	m := longUnits.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("not a duration")
	}
	weeks, _ := strconv.Atoi(m[1])
	days, _ := strconv.Atoi(m[2])
	x := time.Duration(7*weeks+days) * 24 * time.Hour
	switch {
	case m[3] == "" && m[1]+m[2] != "":
		return x, nil
	case strings.HasPrefix(m[3], "-"):
		return 0, errNegative
	case strings.HasPrefix(m[3], "+"), bareNumber.MatchString(m[3]), m[1]+m[2] != "" && m[3] == "":
		return 0, errors.New("no unit")
	}
	rest, err := time.ParseDuration(m[3])
	if err != nil {
		return 0, err
	}
	if rest > math.MaxInt64-x {
		return 0, errors.New("too long")
	}
	return x + rest, nil
}

func durationRejection(s string, err error, hints bool) *rejection {
	switch {
	case err == nil:
		return nil
	case !hints:
		return &rejection{}
	case errors.Is(err, errNegative):
		return &rejection{hint: "a duration is not negative"}
	case bareNumber.MatchString(s) && len(s) < 7:
		return &rejection{hint: fmt.Sprintf("did you mean %ss or %sm?", s, s)}
	}
	simple := strings.NewReplacer(" ", "", "seconds", "s", "second", "s", "secs", "s", "sec", "s", "minutes", "m", "minute", "m", "mins", "m", "min", "m",
		"hours", "h", "hour", "h", "hrs", "h", "days", "d", "day", "d").Replace(strings.ToLower(s))
	if _, err := parseDuration(simple); err == nil && len(simple) < 12 {
		return &rejection{hint: fmt.Sprintf("did you mean %s?", simple)}
	}
	return &rejection{}
}

// secret fills a Secret. Headers may be written out (an organisation's id); any other literal would be a secret in the repository.
func (d *decoder) secret(n *node, v reflect.Value, path string, literal bool) {
	switch {
	case n.null:
		d.c.add(n, path, "leave the key out, or give it a value", "got nothing, want %s", want(secretType))
		return
	case n.shape != scalar:
		d.shape(n, secretType, path)
		return
	}
	d.hidden[n] = true
	if n.flag != "" {
		d.c.add(n, path, "write ${NAME} in the file", "a secret in a flag is visible to every process of the machine")
		return
	}
	text, ok := d.expand(n, path, secret)
	parts, _ := parse(n.value, secret)
	for _, p := range parts {
		if !literal && p.optional && p.text != "" {
			d.c.add(n, path, "write ${NAME}", "a secret in the file is in the repository: ${%s} has a default", p.variable)
			return
		}
	}
	switch {
	case ok && !literal && !hasVariable(parts):
		d.c.add(n, path, "write ${NAME}", "a secret in the file is in the repository")
	case ok && strings.ContainsFunc(text, isBreak):
		d.c.add(n, path, "", "a secret must be one line")
	case ok:
		v.Set(reflect.ValueOf(httpx.NewSecret(text)))
	}
}

func isBreak(r rune) bool { return r < 0x20 || r == 0x7f }
