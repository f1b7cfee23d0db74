package cloud

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// direct is the network to a server beside this one. A proxy would give the proxy's own credentials, or show ours to it.
func direct(timeout time.Duration) http.RoundTripper {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		ResponseHeaderTimeout:  timeout,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Nearby reports whether a host is this machine or beside it, as Request.Local wants it: what it is told does not cross a network of
// others. No name is looked up: two of them only ever mean such a host.
func Nearby(host string) bool {
	switch h := strings.ToLower(host); h {
	case "localhost", "metadata.google.internal":
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsPrivate())
}
