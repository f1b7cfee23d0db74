package registry

import (
	"net/netip"
	"strconv"
	"strings"
)

// zone says how near to this machine an address is. A registry may lead us to addresses of its own zone or farther ones, never to nearer
// ones: whoever runs a registry on the internet has no business in the network of the runner.
type zone uint8

const (
	internet zone = iota
	site          // a private network: RFC 1918, RFC 4193, RFC 6598
	machine       // this machine
	link          // the link it is on; the clouds serve their metadata, and credentials, there
)

// metadata are the addresses of the clouds' metadata services outside the link-local ranges: AWS (IPv6), Google (IPv6), Alibaba, Oracle.
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"), netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("192.0.0.192")}

// The ranges that netip has no method for.
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")     // RFC 1122: this host
	shared      = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	protocol    = netip.MustParsePrefix("192.0.0.0/24")  // RFC 6890
	siteLocal   = netip.MustParsePrefix("fec0::/10")     // RFC 3879
	broadcast   = netip.MustParseAddr("255.255.255.255")
)

func zoneOf(a netip.Addr) zone {
	a = a.Unmap().WithZone("")
	for _, m := range metadata {
		if a == m {
			return link
		}
	}
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a == broadcast:
		return link
	case a.IsLoopback(), a.IsUnspecified(), thisNetwork.Contains(a):
		return machine
	case a.IsPrivate(), shared.Contains(a), protocol.Contains(a), siteLocal.Contains(a):
		return site
	}
	if inner, ok := embedded(a); ok {
		return zoneOf(inner)
	}
	return internet
}

// The IPv6 ranges that stand for an IPv4 address, and where in the 16 bytes it is.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // RFC 6052: NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // RFC 3056: 6to4
	{netip.MustParsePrefix("::/96"), 12},        // RFC 4291: IPv4-compatible
}

func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	for _, c := range carriers {
		if c.prefix.Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[c.at : c.at+4])), true
		}
	}
	return netip.Addr{}, false
}

// zoneOfName is the zone of a host as it is written: an address in any spelling, or a name that says where it is. Every other name is
// taken for the internet; where it really leads shows when it is dialled.
func zoneOfName(host string) zone {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if a, ok := literal(host); ok {
		return zoneOf(a)
	}
	switch {
	case host == "localhost", strings.HasSuffix(host, ".localhost"):
		return machine
	case host == "metadata.google.internal", host == "instance-data.ec2.internal":
		return link
	}
	return internet
}

// literal reads an address as resolvers do: beside the usual forms those of inet_aton(3), where 127.1, 0177.0.0.1, 0x7f000001 and
// 2130706433 are all 127.0.0.1.
func literal(host string) (netip.Addr, bool) {
	host, _, _ = strings.Cut(host, "%") // the zone of an IPv6 address does not change where it is
	if a, err := netip.ParseAddr(host); err == nil {
		return a, true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		size := 1 // the last part fills the bytes that are left
		if i == len(parts)-1 {
			size = 4 - i
		}
		n, err := strconv.ParseUint(part, 0, 8*size)
		if err != nil || strings.Contains(part, "_") {
			return netip.Addr{}, false
		}
		sum = sum<<(8*size) | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}
