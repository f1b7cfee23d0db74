package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// session is the way to one repository. Its logins are made when they are first needed, and again where that failed.
type session struct {
	c    *Client
	repo name.Repository
	via  *careful

	mu     sync.Mutex
	now    *login
	puller *remote.Puller
	pusher *remote.Pusher
}

// login is how requests are sent: logged in, or as they are.
type login struct {
	http   *http.Client
	scheme string
	bare   bool        // as they are: without a credential the registry is not asked first what it wants
	taken  atomic.Bool // the registry took it once; when it does not any more, it has expired
}

// do sends one request. Without a credential it goes out as it is, which open registries answer; where the registry wants a token, it is
// fetched and the request repeated. The reply is any but a 401, which is an error.
func (s *session) do(ctx context.Context, method, path string, h http.Header) (*http.Response, error) {
	l, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := s.send(ctx, l, method, path, h)
	next, err := s.judge(ctx, l, resp, err)
	if next == nil {
		return resp, err
	}
	switch resp, err = s.send(ctx, next, method, path, h); {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, statusError(resp)
	}
	next.taken.Store(true)
	return resp, nil
}

func (s *session) send(ctx context.Context, l *login, method, path string, h http.Header) (*http.Response, error) {
	path, query, _ := strings.Cut(path, "?")
	u := url.URL{Scheme: l.scheme, Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/" + path, RawQuery: query}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = h.Clone()
	return l.http.Do(req)
}

// judge gives the login with which the request is to be repeated, nil where the reply, or the error, is final.
func (s *session) judge(ctx context.Context, l *login, resp *http.Response, err error) (*login, error) {
	switch {
	case l.bare && s.guessed() && speaksTLS(resp, err):
		if err == nil {
			err = statusError(resp)
		}
		if next, perr := s.replace(l, func() (*login, error) { return s.enter(ctx, authn.Anonymous, s.via) }); perr == nil {
			return next, nil
		}
		return nil, err
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusUnauthorized:
		l.taken.Store(true)
		return nil, nil
	}
	challenge, err := resp.Header, statusError(resp)
	switch {
	case l.bare:
		return s.answer(ctx, l, challenge, err)
	case l.taken.Load():
		s.c.keys.forget(s.repo)
		return s.replace(l, func() (*login, error) { return s.first(ctx) })
	}
	return nil, err
}

// guessed reports whether HTTP was chosen because of the name of the host alone.
func (s *session) guessed() bool { return s.repo.Scheme() == "http" && !s.via.p.o.PlainHTTP }

// speaksTLS reports whether a reply to plain HTTP looks like that of a server which wants TLS: Go's and nginx's 400, an alert, or nothing.
func speaksTLS(resp *http.Response, err error) bool {
	if err != nil {
		return strings.Contains(err.Error(), "malformed HTTP") || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	}
	return resp.StatusCode == http.StatusBadRequest && resp.TLS == nil && resp.Header.Get("Docker-Distribution-Api-Version") == ""
}

// current is the login to use, made where there is none yet.
func (s *session) current(ctx context.Context) (*login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		return s.now, nil
	}
	l, err := s.first(ctx)
	if err == nil {
		s.now = l
	}
	return l, err
}

// replace makes another login in the place of old, unless somebody else did.
func (s *session) replace(old *login, make func() (*login, error)) (*login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && s.now != old {
		return s.now, nil
	}
	l, err := make()
	if err != nil {
		s.now = nil
		return nil, err
	}
	s.now = l
	return l, nil
}

// first is the login before anything was asked.
func (s *session) first(ctx context.Context) (*login, error) {
	cred, err := s.c.keys.find(ctx, s.repo)
	if err != nil {
		return nil, err
	}
	s.c.seen.credential(cred)
	nobody := cred.auth == authn.Anonymous
	s.via.nobody.Store(nobody)
	if nobody {
		return &login{http: &http.Client{Transport: s.via, CheckRedirect: fewRedirects}, scheme: s.scheme(), bare: true}, nil
	}
	return s.enter(ctx, cred.auth, s.via)
}

// scheme is the one to begin with. Plain HTTP that was only guessed goes to this machine alone, so that is where it is tried.
func (s *session) scheme() string {
	if s.via.plain || s.repo.Scheme() == "http" && zoneOfName(hostOnly(s.repo.RegistryStr())) == machine {
		return "http"
	}
	return "https"
}

// enter logs in through go-containerregistry, which asks the registry what it wants and fetches a token where that is it.
func (s *session) enter(ctx context.Context, auth authn.Authenticator, via http.RoundTripper) (*login, error) {
	rt, err := transport.NewWithContext(ctx, s.repo.Registry, auth, via, []string{s.repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	return &login{http: &http.Client{Transport: rt, CheckRedirect: fewRedirects}, scheme: s.repo.Scheme()}, nil
}

// answer logs in as nobody where that can help: the registry gives tokens to anybody. said is its 401.
func (s *session) answer(ctx context.Context, l *login, h http.Header, said error) (*login, error) {
	var via http.RoundTripper = s.via
	switch challenges := h.Values("WWW-Authenticate"); {
	case bearer(challenges):
		via = &answered{RoundTripper: s.via, scheme: l.scheme, challenges: challenges}
	case len(challenges) > 0:
		return nil, said // a password is wanted
	default: // a 401 must have a challenge (RFC 9110, section 15.5.2); some give it at the entrance only
		pr, err := transport.Ping(ctx, s.repo.Registry, s.via)
		if err != nil || !strings.EqualFold(pr.Scheme, "bearer") {
			return nil, said
		}
	}
	return s.replace(l, func() (*login, error) { return s.enter(ctx, authn.Anonymous, via) })
}

// bearer reports whether one of the challenges asks for a token (RFC 6750, section 3).
func bearer(challenges []string) bool {
	for _, c := range challenges {
		scheme, _, _ := strings.Cut(strings.TrimLeft(c, " \t"), " ")
		if strings.EqualFold(scheme, "bearer") {
			return true
		}
	}
	return false
}

// answered knows the registry's challenge already, so that go-containerregistry's question for it need not go out.
type answered struct {
	http.RoundTripper
	scheme     string
	challenges []string
}

func (a *answered) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.Path != "/v2/" || req.URL.RawQuery != "" || req.Header.Get("Authorization") != "" {
		return a.RoundTripper.RoundTrip(req)
	}
	if req.URL.Scheme != a.scheme {
		return nil, errors.New("the registry has answered over " + a.scheme)
	}
	return &http.Response{Status: "401 Unauthorized", StatusCode: http.StatusUnauthorized, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Www-Authenticate": a.challenges}, Body: http.NoBody, Request: req}, nil
}
