package release_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/release"
)

func TestDeployID(t *testing.T) {
	base := release.Release{Service: "Check out!", Environment: "production", Digest: "sha256:aa", Run: release.Run{Platform: "github", ID: "7", Attempt: "1"}}
	id := base.DeployID()
	if !strings.HasPrefix(id, "check-out-production-") {
		t.Errorf("id %q", id)
	}
	again := base
	again.Run.Attempt = "2"
	if again.DeployID() != id {
		t.Error("a rerun is another deploy")
	}
	for name, change := range map[string]func(*release.Release){
		"service": func(r *release.Release) { r.Service = "x" }, "environment": func(r *release.Release) { r.Environment = "x" },
		"digest": func(r *release.Release) { r.Digest = "x" }, "run": func(r *release.Release) { r.Run.ID = "x" },
		"moved bytes": func(r *release.Release) { r.Digest, r.Run.Platform = "sha256:aag", "ithub" },
	} {
		other := base
		if change(&other); other.DeployID() == id {
			t.Errorf("another %s gives the same id", name)
		}
	}
}

func FuzzDeployID(f *testing.F) {
	safe := regexp.MustCompile(`^[a-z0-9-]{12,64}$`)
	f.Fuzz(func(t *testing.T, service, environment string) {
		if id := (release.Release{Service: service, Environment: environment}).DeployID(); !safe.MatchString(id) {
			t.Fatalf("id %q", id)
		}
	})
}
