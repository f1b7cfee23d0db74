package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/verdict"
)

// On is an exit code. It is written as a number from 0 to 255, or as the name of the verdict whose code it is.
type On int

// UnmarshalText reads either form.
func (o *On) UnmarshalText(b []byte) error {
	s := string(b)
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 255 {
		*o = On(n)
		return nil
	}
	if !slices.Contains(verdictNames(), s) {
		return fmt.Errorf("got %s, want an exit code from 0 to 255 or a verdict; %s", quote(s), didYouMean(s, verdictNames()))
	}
	*o = On(verdict.Name(s).ExitCode())
	return nil
}

func verdictNames() []string {
	var ns []string
	for _, n := range verdict.Names() {
		ns = append(ns, string(n))
	}
	return ns
}

var reasonForm = lazyregexp.New(`^[a-z0-9][a-z0-9._-]*$`)

// on checks the keys: a verdict, or a reason VERDICT/WHAT. A run that could not do its work never counts as a success.
func (v *validator) on() {
	n := v.root.get("on")
	if n == nil {
		return
	}
	for _, e := range n.entries {
		path := join("on", e.key.value)
		name, what, isReason := strings.Cut(e.key.value, "/")
		known := slices.Contains(verdictNames(), name)
		switch {
		case !known:
			v.d.c.add(e.key, path, didYouMean(name, verdictNames()), "%s is no verdict", quote(name))
		case isReason && !reasonForm.MatchString(what):
			v.d.c.add(e.key, path, "for example inconclusive/low-traffic", "got %s, want VERDICT or VERDICT/WHAT", quote(e.key.value))
		case (name == string(verdict.NameError) || name == string(verdict.NameUsage)) && v.fine(path) && v.f.On[e.key.value] == 0:
			v.d.c.add(e.value, path, "choose another exit code", "%s cannot become a success: nothing was proved", quote(e.key.value))
		}
	}
}
