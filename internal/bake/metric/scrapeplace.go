package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// place says who is scraped now.
type place interface {
	find(ctx context.Context) ([]*scrapeTarget, error)
}

// those are always the same.
type those []*scrapeTarget

func (ts those) find(context.Context) ([]*scrapeTarget, error) { return ts, nil }

// behindName are the addresses of a name, asked for with every poll. One that is new joins, one that is gone leaves.
type behindName struct {
	options  ScrapeOptions
	port     uint16
	resolver *net.Resolver
	known    map[netip.AddrPort]*scrapeTarget // one that comes back goes on where it was
}

const (
	lookupTime = 10 * time.Second
	// maxKnown is how many addresses are remembered: processes come and go in a deploy.
	maxKnown = 1000
)

func newBehindName(o ScrapeOptions) (*behindName, error) {
	t, err := o.target(o.URL) // what is wrong with it is told when the configuration is read
	if err != nil {
		return nil, err
	}
	if o.DNS != clean.Text(o.DNS) || strings.ContainsAny(o.DNS, "/:@ ") || len(o.DNS) > 253 {
		return nil, fmt.Errorf("dns: got %q, want a name alone, as in checkout-pods.prod.svc or _metrics._tcp.checkout-pods.prod.svc", clean.Cut(o.DNS, 100))
	}
	u, err := url.Parse(t.url)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("url %s: %w", t.url, err)
	}
	return &behindName{options: o, port: uint16(port), resolver: net.DefaultResolver, known: map[netip.AddrPort]*scrapeTarget{}}, nil
}

// find looks the name up.
func (b *behindName) find(ctx context.Context) ([]*scrapeTarget, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	lookup := b.addresses
	if strings.HasPrefix(b.options.DNS, "_") {
		lookup = b.services
	}
	found, err := lookup(ctx, b.options.DNS)
	var known *trouble
	switch {
	case errors.As(err, &known):
		return nil, fmt.Errorf("dns %s: %w", b.options.DNS, err)
	case err != nil:
		return nil, troublef(BackendDown, "dns %s: %w", b.options.DNS, err)
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	found = slices.Compact(found)
	switch {
	case len(b.known) > maxKnown:
		return nil, troublef(TooMany, "dns %s: more than %d different addresses so far: is it a name that changes with every answer?", b.options.DNS, maxKnown)
	case len(found) > maxTargets:
		return nil, troublef(TooMany, "dns %s: got %d addresses, want at most %d: a part of the processes is no evidence, let a prometheus source scrape them all", b.options.DNS, len(found), maxTargets)
	}
	ts := make([]*scrapeTarget, len(found))
	for i, at := range found {
		if ts[i], err = b.at(at); err != nil {
			return nil, troublef(BadQuery, "%w", err)
		}
	}
	return ts, nil
}

// at is the target with an address. Its certificate and its Host header are those of the url.
func (b *behindName) at(address netip.AddrPort) (*scrapeTarget, error) {
	if t := b.known[address]; t != nil {
		return t, nil
	}
	t, err := b.options.target(b.options.URL, httpx.WithAddress(address.String()))
	if err != nil {
		return nil, err
	}
	t.instance, t.name = address.String(), t.url+" at "+address.String()
	b.known[address] = t
	return t, nil
}

func (b *behindName) addresses(ctx context.Context, name string) ([]netip.AddrPort, error) {
	return b.lookup(ctx, name, b.port)
}

// lookup asks for addresses of one family: a process that has one of each would be counted twice.
func (b *behindName) lookup(ctx context.Context, name string, port uint16) (out []netip.AddrPort, err error) {
	var found []netip.Addr
	for _, family := range []string{"ip4", "ip6"} {
		if found, err = b.resolver.LookupNetIP(ctx, family, name); len(found) > 0 {
			break
		}
	}
	for _, ip := range found {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), port))
	}
	return out, err
}

// services are the processes that SRV records name, each with a port of its own.
func (b *behindName) services(ctx context.Context, name string) (out []netip.AddrPort, err error) {
	_, records, err := b.resolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, err
	}
	if len(records) > maxTargets {
		return nil, troublef(TooMany, "got %d SRV records, want at most %d", len(records), maxTargets)
	}
	found, failed := make([][]netip.AddrPort, len(records)), make([]error, len(records))
	var wg sync.WaitGroup
	for i, r := range records {
		wg.Go(func() { found[i], failed[i] = b.lookup(ctx, r.Target, r.Port) })
	}
	wg.Wait()
	return slices.Concat(found...), errors.Join(failed...)
}
