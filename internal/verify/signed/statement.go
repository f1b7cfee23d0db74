package signed

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// The payload type of in-toto statements in an envelope (DSSE), and the types of statement that are read (in-toto attestation
// framework, v0.1 and v1).
const inTotoType = "application/vnd.in-toto+json"

var statementTypes = []string{"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}

// maxSubjects bounds what a statement is about; sigstore-go has the same limit.
const maxSubjects = 1024

// statement is what an envelope says, as far as it is read before its signature is checked.
type statement struct {
	predicateType string
	subjects      []subject
	predicate     json.RawMessage
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// parseStatement reads an in-toto statement. Keys are compared as they are written: encoding/json would take "Subject" for "subject", and
// two readers must not see two statements.
func parseStatement(payload []byte) (statement, error) {
	var s statement
	fields, err := object(payload)
	if err != nil {
		return s, fmt.Errorf("it holds no statement: %w", err)
	}
	kind, err := stringOf(fields, "_type")
	if err != nil {
		return s, err
	}
	if !slices.Contains(statementTypes, kind) {
		return s, fmt.Errorf("its statement is of type %q, want in-toto v0.1 or v1", clean.Cut(kind, 100))
	}
	if s.predicateType, err = stringOf(fields, "predicateType"); err != nil {
		return s, err
	}
	s.predicate = fields["predicate"]
	return s, s.readSubjects(fields["subject"])
}

// readSubjects reads the list one by one: a flood of empty subjects would take far more memory than bytes.
func (s *statement) readSubjects(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	switch {
	case err == nil && t == nil:
		return errors.New("its statement is about nothing: it has no subject")
	case err != nil || t != json.Delim('['):
		return errors.New("its statement does not say what it is about: subject is no list of digests")
	}
	for d.More() {
		var sub *subject
		switch err := d.Decode(&sub); {
		case err != nil:
			return errors.New("its statement does not say what it is about: subject is no list of digests")
		case sub == nil:
			return fmt.Errorf("its subject %d is null", len(s.subjects)+1)
		case len(s.subjects) == maxSubjects:
			return fmt.Errorf("its statement is about more than %d subjects", maxSubjects)
		}
		s.subjects = append(s.subjects, *sub)
	}
	if len(s.subjects) == 0 {
		return errors.New("its statement is about nothing: it has no subject")
	}
	return nil
}

// about finds the digest that a statement is about. Only sha256 counts, as registries compute it: other algorithms were not computed here.
func (s statement) about(digests []string) (string, error) {
	for _, sub := range s.subjects {
		if d := "sha256:" + sub.Digest["sha256"]; slices.Contains(digests, d) {
			return d, nil
		}
	}
	first := s.subjects[0].Digest
	if d, ok := first["sha256"]; ok {
		return "", fmt.Errorf("it is about %s, not about this image", artifact.Short("sha256:"+d))
	}
	return "", errors.New("it is not about this image: its subject has no sha256 digest")
}

// object reads a JSON object whose keys differ.
func object(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, errors.New("its JSON is damaged")
		}
		key, _ := k.(string)
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, errors.New("its JSON is damaged")
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("the key %q is there twice", clean.Cut(key, 60))
		}
		fields[key] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("its JSON is damaged")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is something behind its JSON")
	}
	return fields, nil
}

func stringOf(fields map[string]json.RawMessage, key string) (string, error) {
	var s *string
	if err := json.Unmarshal(fields[key], &s); err != nil || s == nil || *s == "" {
		return "", fmt.Errorf("its statement has no %s", key)
	}
	return *s, nil
}

// envelope is a DSSE envelope as cosign 2 stores it.
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     string `json:"payload"`
	Signatures  []struct {
		Sig string `json:"sig"`
	} `json:"signatures"`
}

// parseEnvelope reads an envelope and the bytes that it signs.
func parseEnvelope(b []byte) (payload []byte, err error) {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("it is no signed envelope (DSSE): %s", clean.Cut(err.Error(), 200))
	}
	if payload, err = base64.StdEncoding.DecodeString(e.Payload); err != nil {
		return nil, errors.New("it is no signed envelope (DSSE): its payload is no base64")
	}
	return payload, e.check()
}

// check holds an envelope to one signature of one kind of payload: with several, it would have to be said whose counts.
func (e envelope) check() error {
	switch n := len(e.Signatures); {
	case e.PayloadType != inTotoType:
		return fmt.Errorf("its payload is %q, want %s", clean.Cut(e.PayloadType, 100), inTotoType)
	case n != 1:
		return fmt.Errorf("it has %d signatures, want one", n)
	}
	return nil
}

// sum is a digest's bytes.
func sum(digest string) ([]byte, error) {
	if err := artifact.CheckDigest(digest); err != nil {
		return nil, err
	}
	return hex.DecodeString(digest[len("sha256:"):])
}
