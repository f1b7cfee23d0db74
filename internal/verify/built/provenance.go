package built

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// fromProvenance takes the digest from the subject of an attestation: an in-toto statement, a DSSE envelope, a Sigstore bundle, or lines
// of them (what `gh attestation download` and slsa-github-generator write); FILE#NAME where it has several subjects. Here it only says
// what was built, as a digest file does: who signed it is asked by verify.attestations.
func fromProvenance(value string) (Digest, error) {
	path, name, _ := strings.Cut(value, "#")
	b, err := readSmall(path)
	if err != nil {
		return Digest{}, fmt.Errorf("provenance: %w", err)
	}
	list, err := parseProvenance(b)
	if err != nil {
		return Digest{}, fmt.Errorf("provenance %s: %w", path, err)
	}
	d, err := pick(list, name)
	if err != nil {
		return Digest{}, fmt.Errorf("provenance %s: %w", path, err)
	}
	d.Origin = "the subject of " + clean.Cut(filepath.Base(path), 100)
	return d, nil
}

// envelope is any of the forms.
type envelope struct {
	Subject []struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	Payload      []byte    `json:"payload"`
	DSSEEnvelope *envelope `json:"dsseEnvelope"`
}

func parseProvenance(b []byte) ([]named, error) {
	var list []named
	dec := json.NewDecoder(bytes.NewReader(b))
	for range maxNamed {
		var e envelope
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) && len(list) > 0 {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("want an in-toto statement, a DSSE envelope or a Sigstore bundle as JSON: %w", err)
		}
		more, err := e.subjects(2)
		if err != nil {
			return nil, err
		}
		if list = append(list, more...); len(list) > maxNamed {
			break
		}
	}
	return nil, fmt.Errorf("it has more than %d subjects", maxNamed)
}

// subjects unpacks at most depth envelopes.
func (e envelope) subjects(depth int) ([]named, error) {
	switch {
	case e.DSSEEnvelope != nil && depth > 0:
		return e.DSSEEnvelope.subjects(depth - 1)
	case len(e.Payload) > 0 && depth > 0:
		var inner envelope
		if err := json.Unmarshal(e.Payload, &inner); err != nil {
			return nil, fmt.Errorf("its payload is no in-toto statement: %w", err)
		}
		return inner.subjects(0)
	case len(e.Subject) == 0:
		return nil, errors.New("it has no subject: this is no statement about an artifact")
	}
	var list []named
	for _, s := range e.Subject {
		sum, ok := s.Digest["sha256"]
		if !ok {
			return nil, fmt.Errorf("its subject %q has no sha256 digest", clean.Cut(s.Name, 200))
		}
		list = append(list, named{s.Name, "sha256:" + sum})
	}
	return list, nil
}
