package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

const (
	checkCompleteName = "verify/complete"
	// maxBlobs bounds how many blobs are asked for. An image has at most 127 layers; an index of eight platforms stays well below.
	maxBlobs = 2048
)

// complete asks the registry for every blob of the images that are deployed: a push that broke off, or a clean-up, leaves a manifest whose
// layers nobody can pull. There is a finding only where something is missing.
func (k *check) complete(ctx context.Context) ([]verdict.Finding, error) {
	if !k.m.ok {
		return nil, nil
	}
	owners, order := k.blobs()
	if len(order) > maxBlobs {
		return []verdict.Finding{k.refusal(&artifact.Bad{Err: fmt.Errorf("it names more than %d blobs", maxBlobs)})}, nil
	}
	there, errs := make([]bool, len(order)), make([]error, len(order))
	var wg sync.WaitGroup
	for i, digest := range order {
		wg.Go(func() { there[i], errs[i] = k.client.Has(ctx, k.f.ref.repo, digest) }) // the client keeps to the registry's limit
	}
	wg.Wait()
	if err := artifact.First(errs); err != nil {
		return nil, err
	}
	var lost []string
	for i, digest := range order {
		if !there[i] {
			lost = append(lost, owners[digest]+" "+artifact.Short(digest))
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	return []verdict.Finding{k.incomplete(lost)}, nil
}

// blobs lists what a runtime pulls beside the manifests, each once, and what it is of.
func (k *check) blobs() (owners map[string]string, order []string) {
	owners = map[string]string{}
	add := func(digest, what string) {
		if owners[digest] == "" {
			owners[digest] = what
			order = append(order, digest)
		}
	}
	for _, im := range k.s.images {
		if im.missing || k.s.index && !asks(k.image.Platforms, im.platform) {
			continue
		}
		of := ""
		if im.platform != "" {
			of = " of " + im.platform
		}
		add(im.config, "config"+of)
		for _, l := range im.layers {
			add(l, "layer"+of)
		}
	}
	return owners, order
}

func (k *check) incomplete(lost []string) verdict.Finding {
	f := verdict.Finding{Check: checkCompleteName, Outcome: verdict.Fail, Reason: reasonMissingImage, Doc: "verify-complete",
		Summary: fmt.Sprintf("%s can't be pulled: the registry has its manifest, but not %s", k.f.ref.text, atMost(lost, 3)),
		Hint:    "push it again: the push broke off, or a clean-up of the registry deleted a part that is still named"}
	for i, l := range lost {
		if i == 20 {
			break
		}
		f.Evidence = append(f.Evidence, verdict.Evidence{What: l, Got: "missing", Want: "in " + k.f.ref.base})
	}
	return f
}

// atMost lists the first n, and says how many more there are.
func atMost(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}
