package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// labels looks whether the images for the platforms that were asked for are made for them: the index only says so, and a runtime believes it.
func (k *check) labels(ctx context.Context) ([]verdict.Finding, error) {
	if !k.s.index || len(k.image.Platforms) == 0 || !k.m.ok {
		return nil, nil
	}
	said, errs := make([]string, len(k.s.images)), make([]error, len(k.s.images))
	var wg sync.WaitGroup
	for i, im := range k.s.images {
		if !im.missing && im.platform != "" && asks(k.image.Platforms, im.platform) {
			wg.Go(func() { said[i], errs[i] = k.f.platformOf(ctx, im) })
		}
	}
	wg.Wait()
	if err := artifact.First(errs); err != nil {
		return nil, err
	}
	f := verdict.Finding{Check: checkPlatformsName, Outcome: verdict.Fail, Reason: reasonMissingPlatform, Doc: "verify-platforms",
		Hint: "make the index anew: an image was put into it under another platform than it was built for"}
	for i, im := range k.s.images {
		if said[i] == "" || artifact.Normal(said[i]) == artifact.Normal(im.platform) {
			continue
		}
		if f.Summary == "" {
			f.Summary = fmt.Sprintf("%s: what the index calls the image for %s was built for %s", k.f.ref.text, im.platform, said[i])
		}
		f.Evidence = append(f.Evidence, verdict.Evidence{What: artifact.Short(im.digest), Got: said[i], Want: im.platform})
	}
	if f.Summary == "" {
		return nil, nil
	}
	return []verdict.Finding{f}, nil
}

// platformOf is the platform that an image's own config tells; "" where it tells none.
func (f fetcher) platformOf(ctx context.Context, im image) (string, error) {
	b, err := f.client.Blob(ctx, f.ref.repo, im.config, maxConfig)
	if err != nil {
		return "", err
	}
	var c artifact.Config
	if err := json.Unmarshal(b, &c); err != nil {
		return "", &artifact.Bad{Err: fmt.Errorf("the config of %s is no JSON: %w", im.platform, err)}
	}
	return c.PlatformName(), nil
}
