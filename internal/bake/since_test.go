package bake

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

type sinceSource struct {
	metric.Source
	at time.Time
}

func (s *sinceSource) Since(at time.Time) { s.at = at }

// A source that asks for it is told when the deploy began, before it is asked anything.
func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &sinceSource{}
		b := &bake{Plan: Plan{Sources: map[string]metric.Source{"alerts": src, "other": missing{}}}, started: time.Now()}
		if b.tellSince(); !src.at.Equal(time.Now()) {
			t.Errorf("an unknown deploy: told %s", src.at)
		}
		b.Deploy.Started = time.Now().Add(-time.Hour)
		if b.tellSince(); !src.at.Equal(b.Deploy.Started) {
			t.Errorf("told %s", src.at)
		}
	})
}
