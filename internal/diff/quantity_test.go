package diff

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

func TestQuantity(t *testing.T) {
	for _, same := range [][]string{
		{"1000m", "1", "1.0", "1e0", "1000000u", "1000000000n", "+1"}, {"1Gi", "1024Mi", "1073741824", "1048576Ki"}, {"1G", "1000M", "1e9", "1E9", "1000000000"},
		{"0.5", "500m", ".5", "5e-1"}, {"1.5Gi", "1536Mi"}, {"0", "0Gi", "-0", "0m"}, {"1E", "1e18", "1000P"}, {"-1", "-1000m"}, {"5.", "5"},
	} {
		for _, s := range same {
			x, ok := quantity(s)
			y, _ := quantity(same[0])
			if !ok || x.Cmp(y) != 0 {
				t.Errorf("%s: got %v, want the same as %s", s, x, same[0])
			}
		}
	}
	for _, s := range []string{"", "m", "1 Gi", "1gi", "1.2.3", "1K", "e3", "1e", "0x10", "1e3m", "--1", "1e99999999", "Gi", "1,5", "½", "."} {
		if q, ok := quantity(s); ok {
			t.Errorf("%s: got %v, want no quantity", s, q)
		}
	}
}

// What Kubernetes reads as a quantity is read here, as the same number.
func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"1000m", "1Gi", "0.5", "1e3", "-2.5Ki", "12E", "1E3", "9223372036854775807", "1n", "+.5u", "1e-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := quantity(s)
		if !sane(s) { // the library of Kubernetes may take minutes
			if ok {
				t.Fatalf("%q: got %v, want none", s, got)
			}
			return
		}
		theirs, err := resource.ParseQuantity(s)
		if ok && err != nil {
			t.Fatalf("%q: Kubernetes reads no quantity (%v), got %v", s, err, got)
		}
		if !ok && err == nil && len(s) <= 64 && strings.IndexAny(s, "0123456789") == 0 { // a sign or a unit alone is 0 to it
			t.Fatalf("%q: Kubernetes reads %v, got none", s, theirs.AsDec())
		}
		if !ok || err != nil {
			return
		}
		want, _ := new(big.Rat).SetString(theirs.AsDec().String())
		least := big.NewRat(1, 1e9) // Kubernetes rounds to this, and keeps no number above 2^63-1
		most := new(big.Rat).SetInt64(1<<63 - 1)
		difference := new(big.Rat).Abs(new(big.Rat).Sub(got, want))
		if difference.Cmp(least) >= 0 && new(big.Rat).Abs(got).Cmp(most) <= 0 {
			t.Fatalf("%q: got %v, Kubernetes reads %v", s, got, want)
		}
	})
}

// sane says whether a text has no exponent that is out of bounds.
func sane(s string) bool {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return true
	}
	n, err := strconv.Atoi(s[i+1:])
	return !errors.Is(err, strconv.ErrRange) && max(n, -n) <= maxExponent
}

// BenchmarkQuantity says what reading one costs here and in the library of Kubernetes.
func BenchmarkQuantity(b *testing.B) {
	texts := []string{"1000m", "1Gi", "0.5", "1073741824"}
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			for _, s := range texts {
				quantity(s)
			}
		}
	})
	b.Run("apimachinery", func(b *testing.B) {
		for b.Loop() {
			for _, s := range texts {
				_, _ = resource.ParseQuantity(s)
			}
		}
	})
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"60s": time.Minute, "1m": time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "1d": 24 * time.Hour,
		"2w": 14 * 24 * time.Hour, "250ms": 250 * time.Millisecond, "0s": 0} {
		if got, ok := duration(s); !ok || got != want {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{"", "60", "m", "-1s", "1 s", "1y", "s1", "1d12h", "99999d"} {
		if got, ok := duration(s); ok {
			t.Errorf("%s: got %v, want none", s, got)
		}
	}
}

func TestPullPolicy(t *testing.T) {
	for image, want := range map[string]string{"a": "Always", "a:latest": "Always", "a:1": "IfNotPresent", "h:5000/a": "Always", "h:5000/a:1": "IfNotPresent",
		"a@sha256:00": "IfNotPresent", "a:latest@sha256:00": "Always", "": "Always"} {
		if got := pullPolicy(image); got != want {
			t.Errorf("%s: got %s, want %s", image, got, want)
		}
	}
}
