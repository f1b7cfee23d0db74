package forge

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// TUF is a repository of The Update Framework with one target, trusted_root.json. Its parts may be changed before it is published.
type TUF struct {
	Root      *metadata.Metadata[metadata.RootType]
	Targets   *metadata.Metadata[metadata.TargetsType]
	Snapshot  *metadata.Metadata[metadata.SnapshotType]
	Timestamp *metadata.Metadata[metadata.TimestampType]
	Target    []byte
	Files     map[string][]byte // what is served beside it, by its path

	keys map[string]ed25519.PrivateKey
}

// NewTUF makes a repository that holds a trusted root.
func NewTUF(t testing.TB, target []byte) *TUF {
	t.Helper()
	in := time.Now().Add(time.Hour).UTC()
	r := &TUF{Root: metadata.Root(in), Targets: metadata.Targets(in), Snapshot: metadata.Snapshot(in), Timestamp: metadata.Timestamp(in), Target: target,
		Files: map[string][]byte{}, keys: map[string]ed25519.PrivateKey{}}
	r.Root.Signed.ConsistentSnapshot = true
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		r.keys[role] = r.NewRole(t)
		must(t, r.Root.Signed.AddKey(tufKey(t, r.keys[role]), role))
	}
	info, err := metadata.TargetFile().FromBytes("trusted_root.json", target, "sha256")
	must(t, err)
	r.Targets.Signed.Targets["trusted_root.json"] = info
	return r
}

// NewRole makes the key of a role.
func (r *TUF) NewRole(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return k
}

// Delegate gives the target to a role of any name, which then holds it in the place of the top one.
func (r *TUF) Delegate(t testing.TB, role string) {
	t.Helper()
	key := r.NewRole(t)
	public := tufKey(t, key)
	id, err := public.ID()
	must(t, err)
	r.Targets.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{id: public}, Roles: []metadata.DelegatedRole{{
		Name: role, KeyIDs: []string{id}, Threshold: 1, Terminating: true, Paths: []string{"*"}}}}
	own := metadata.Targets(time.Now().Add(time.Hour).UTC())
	own.Signed.Targets, r.Targets.Signed.Targets = r.Targets.Signed.Targets, map[string]*metadata.TargetFiles{}
	sign(t, own, key)
	r.Snapshot.Signed.Meta[role+".json"] = metadata.MetaFile(1)
	b, err := own.ToBytes(false)
	must(t, err)
	r.Files["/1."+role+".json"] = b
}

// Anchor is the root.json that a user trusts.
func (r *TUF) Anchor(t testing.TB) []byte {
	t.Helper()
	r.Root.ClearSignatures()
	sign(t, r.Root, r.keys[metadata.ROOT])
	b, err := r.Root.ToBytes(false)
	must(t, err)
	return b
}

// Serve publishes the repository until the test ends, and gives its address.
func (r *TUF) Serve(t testing.TB) string {
	t.Helper()
	sign(t, r.Targets, r.keys[metadata.TARGETS])
	sign(t, r.Snapshot, r.keys[metadata.SNAPSHOT])
	sign(t, r.Timestamp, r.keys[metadata.TIMESTAMP])
	sum := sha256.Sum256(r.Target)
	files := map[string][]byte{"/targets/" + hex.EncodeToString(sum[:]) + ".trusted_root.json": r.Target, "/1.root.json": r.Anchor(t)}
	for path, toBytes := range map[string]func(bool) ([]byte, error){
		"/1.targets.json": r.Targets.ToBytes, "/1.snapshot.json": r.Snapshot.ToBytes, "/timestamp.json": r.Timestamp.ToBytes} {
		b, err := toBytes(false)
		must(t, err)
		files[path] = b
	}
	for path, b := range r.Files {
		files[path] = b
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, ok := files[req.URL.Path]
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func tufKey(t testing.TB, k ed25519.PrivateKey) *metadata.Key {
	t.Helper()
	key, err := metadata.KeyFromPublicKey(k.Public())
	must(t, err)
	return key
}

func sign[T metadata.Roles](t testing.TB, m *metadata.Metadata[T], k ed25519.PrivateKey) {
	t.Helper()
	s, err := signature.LoadSigner(k, crypto.Hash(0))
	must(t, err)
	_, err = m.Sign(s)
	must(t, err)
}

// Rotations serves newer roots without end, each signed as the last.
func (r *TUF) Rotations(t testing.TB, n int) {
	t.Helper()
	for v := int64(2); v < int64(n+2); v++ {
		next := metadata.Root(time.Now().Add(time.Hour).UTC())
		next.Signed.Keys, next.Signed.Roles, next.Signed.ConsistentSnapshot, next.Signed.Version = r.Root.Signed.Keys, r.Root.Signed.Roles, true, v
		sign(t, next, r.keys[metadata.ROOT])
		b, err := next.ToBytes(false)
		must(t, err)
		r.Files[fmt.Sprintf("/%d.root.json", v)] = b
	}
}
