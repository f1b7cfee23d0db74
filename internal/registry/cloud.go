package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Cloud makes the logins of a cloud's registries from what the cloud gives the job.
type Cloud interface {
	// Name is the cloud's for messages: "AWS".
	Name() string
	// Handles reports whether a host[:port] is one of the cloud's registries. It does no I/O.
	Handles(host string) bool
	// Login gives a login to a host, and when it ends (the zero time: never). It returns an error wrapping ErrNoCloud where the job has no
	// credentials of this cloud, and any other error where it has some that do not work. No error holds a secret.
	Login(ctx context.Context, host string) (user string, password httpx.Secret, expires time.Time, err error)
}

// ErrNoCloud says that the job has no credentials of a cloud: the next in the order is asked.
var ErrNoCloud = cloud.ErrNone

// cloudKey is a question to a cloud.
type cloudKey struct{ cloud, host string }

// cloudLogin is its answer.
type cloudLogin struct {
	mu       sync.Mutex
	user     string
	password httpx.Secret
	renew    time.Time // ask again from here on; zero: never
	known    bool
	none     error // the job has no credentials of this cloud; that does not change
}

// early is how long before its end a login is renewed: a request that begins with it must be able to end.
const early = time.Minute

// cloud asks the clouds whose registry this is.
func (k *keychain) cloud(ctx context.Context, r authn.Resource) (credential, string, error) {
	var why []string
	for _, c := range k.c.Clouds {
		if !c.Handles(r.RegistryStr()) {
			continue
		}
		a := cloudAuth{k, c, r.RegistryStr()}
		user, password, err := a.login(ctx)
		switch {
		case errors.Is(err, ErrNoCloud):
			why = append(why, clean.Cut(c.Name()+": "+err.Error(), 300))
		case err != nil:
			return credential{}, "", fmt.Errorf("%s: %w", c.Name(), err)
		default:
			return credential{auth: a, label: clean.Cut(c.Name()+" as "+user, 200), secrets: []string{password.Reveal()}}, "", nil
		}
	}
	return credential{}, strings.Join(why, "; "), nil
}

// cloudAuth is a login that is made anew before it ends.
type cloudAuth struct {
	k    *keychain
	c    Cloud
	host string
}

// Authorization implements authn.Authenticator.
func (a cloudAuth) Authorization() (*authn.AuthConfig, error) {
	return a.AuthorizationContext(context.Background())
}

// AuthorizationContext implements authn.ContextAuthenticator.
func (a cloudAuth) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	user, password, err := a.login(ctx)
	if err != nil {
		return nil, &Error{Ref: a.host, Kind: Refused, Got: clean.Cut(a.c.Name()+": "+err.Error(), 600), Tried: a.c.Name(), err: err,
			Hint: "the cloud's credentials worked before: try again"}
	}
	return &authn.AuthConfig{Username: user, Password: password.Reveal()}, nil
}

func (k *keychain) cloudLogin(key cloudKey) *cloudLogin {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.clouds[key]
	if !ok {
		l = &cloudLogin{}
		k.clouds[key] = l
	}
	return l
}

func (a cloudAuth) login(ctx context.Context) (string, httpx.Secret, error) {
	l := a.k.cloudLogin(cloudKey{a.c.Name(), a.host})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.none != nil:
		return "", httpx.Secret{}, l.none
	case l.known && (l.renew.IsZero() || time.Now().Before(l.renew)):
		return l.user, l.password, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.k.timeout)
	defer cancel()
	user, password, expires, err := a.c.Login(ctx, a.host)
	switch {
	case errors.Is(err, ErrNoCloud):
		l.none = err
		return "", httpx.Secret{}, err
	case err != nil:
		return "", httpx.Secret{}, err
	}
	l.user, l.password, l.renew, l.known = user, password, renewal(time.Now(), expires), true
	return user, password, nil
}

// renewal is when a login that ends is asked for again: a minute before, or where it is shorter a tenth of its time.
func renewal(now, expires time.Time) time.Time {
	if expires.IsZero() {
		return expires
	}
	return expires.Add(-max(0, min(early, expires.Sub(now)/10)))
}
