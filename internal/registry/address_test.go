package registry

import (
	"net/netip"
	"testing"
)

// Every spelling of an address that is not on the internet. Those that are names are judged where they lead to.
func TestZones(t *testing.T) {
	for host, want := range map[string]zone{
		"ghcr.io": internet, "8.8.8.8": internet, "2606:4700::1111": internet, "1.1": internet, "16843009": internet, "": internet,
		"192.168.0.1.example.com": internet, "1.2.3.4.5": internet, "256.0.0.1": internet, "localhost.example.com": internet, "198.18.0.1": internet,
		"10.1.2.3": site, "172.16.0.1": site, "172.31.255.255": site, "192.168.1.1": site, "100.64.0.1": site, "fd00::1": site, "fec0::1": site,
		"::ffff:10.0.0.1": site, "0xa000001": site, "167772161": site, "012.0.0.1": site, "10.1": site, "64:ff9b::a00:1": site, "2002:a00:1::": site,
		"::a00:1": site, "[fd00::1]": internet, // the brackets belong to the URL, not to the host
		"127.0.0.1": machine, "127.1": machine, "127.255.0.9": machine, "2130706433": machine, "0x7f000001": machine, "0x7f.1": machine, "0177.0.0.1": machine,
		"127.0.0.1.": machine, "017700000001": machine, "::1": machine, "::ffff:127.0.0.1": machine, "::ffff:7f00:1": machine, "::": machine, "0.0.0.0": machine, "0": machine,
		"0.1.2.3": machine, "localhost": machine, "LOCALHOST": machine, "localhost.": machine, "a.localhost": machine, "::1%eth0": machine, "64:ff9b::7f00:1": machine,
		"169.254.169.254": link, "2852039166": link, "0xa9fea9fe": link, "169.254.43518": link, "fe80::1": link, "fe80::1%25eth0": link, "::ffff:a9fe:a9fe": link,
		"255.255.255.255": link, "224.0.0.1": link, "ff02::1": link, "fd00:ec2::254": link, "100.100.100.200": link, "192.0.0.192": link, "2002:a9fe:a9fe::": link,
		"metadata.google.internal": link,
	} {
		if got := zoneOfName(host); got != want {
			t.Errorf("%s: zone %d, want %d", host, got, want)
		}
	}
}

// FuzzLiteral holds literal against netip: what that reads means the same here, and nothing panics.
func FuzzLiteral(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0", "1.2.3.4.5", "1..2", "0b1", "1_0", "99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := literal(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && (!ok || got != a) {
			t.Errorf("%q: got %v, want %v", s, got, a)
		}
		if z := zoneOfName(s); ok && z < zoneOf(got) {
			t.Errorf("%q: the name is in zone %d, its address %v in %d", s, z, got, zoneOf(got))
		}
	})
}
