package httpx

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// checkURL reads a block's url. Its messages never show what could be a password.
func checkURL(text string, insecure bool) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("url is missing, want https://host")
	}
	u, err := url.Parse(text)
	if err != nil {
		if strings.Contains(text, "@") {
			return nil, errors.New("url cannot be read; it seems to hold a user or password, which belong into username and password, token or headers")
		}
		return nil, fmt.Errorf("url %q cannot be read: %w", clean.Cut(withoutQuery(text), 200), parseCause(err))
	}
	if err := checkParts(u, insecure); err != nil {
		return nil, err
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return u, nil
}

func checkParts(u *url.URL, insecure bool) error {
	show := showURL(u)
	switch {
	case u.User != nil:
		return fmt.Errorf("url %s holds a user or password: put them into username and password, token or headers", show)
	case u.Scheme != "http" && u.Scheme != "https", u.Opaque != "", u.Hostname() == "":
		return fmt.Errorf("url %q is not complete, want https://host[:port][/prefix]", show)
	case u.RawQuery != "" || u.ForceQuery:
		return fmt.Errorf("url %s has a query behind it: leave out the question mark and the rest", show)
	case u.Fragment != "" || strings.HasSuffix(u.String(), "#"):
		return fmt.Errorf("url %s has a fragment behind it: leave out the # and the rest", show)
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return fmt.Errorf("url %s is plain http, which shows secrets and replies to everybody on the way: use https, or set insecure: true where that network is trusted", show)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("url %s: port %s, want 1 to 65535", show, clean.Cut(p, 20))
		}
	}
	return nil
}

func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// showURL is a URL for messages: no user, no query, no fragment.
func showURL(u *url.URL) string {
	s := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	if u.Opaque != "" && strings.Contains(u.Opaque, "@") {
		s.Opaque = "..."
	}
	return clean.Cut(s.String(), 300)
}

func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}

func parseCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// checkOrigin refuses a URL outside the block's origin. From plain http on port 80 the step up to https is allowed.
func (c *Client) checkOrigin(u *url.URL) error {
	if u.User == nil && strings.EqualFold(u.Hostname(), c.base.Hostname()) {
		if u.Scheme == c.base.Scheme && port(u) == port(c.base) {
			return nil
		}
		if c.base.Scheme == "http" && u.Scheme == "https" && port(c.base) == "80" && port(u) == "443" {
			return nil
		}
	}
	to := url.URL{Scheme: u.Scheme, Host: u.Host}
	return fmt.Errorf("%s leads away from %s, where the block's secrets belong: if it is right, write it as the url",
		clean.Cut(to.String(), 200), (&url.URL{Scheme: c.base.Scheme, Host: c.base.Host}).String())
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
