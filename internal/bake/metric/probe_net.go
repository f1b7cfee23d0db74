package metric

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// ProbeTCP opens a connection.
type ProbeTCP struct {
	Address string `yaml:"address,required"`
}

type tcpProber struct{ address, name string }

func (o *ProbeTCP) prober(time.Duration) (prober, string, error) {
	host, err := hostPort(o.Address)
	return &tcpProber{o.Address, host}, "address", err
}

func (p *tcpProber) host() string { return p.name }

func (p *tcpProber) probe(ctx context.Context, _ *attempt) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// ProbeDNS looks a name up.
type ProbeDNS struct {
	Name     string `yaml:"name,required"`
	Type     string `yaml:"type"`     // A (the default), AAAA, CNAME, MX, NS or TXT
	Server   string `yaml:"server"`   // HOST:PORT of the server that is probed; default this machine's resolver
	Contains string `yaml:"contains"` // a record that must be in the answer
}

// lookups are the record types.
var lookups = map[string]func(ctx context.Context, r *net.Resolver, name string) ([]string, error){
	"A":    addresses("ip4"),
	"AAAA": addresses("ip6"),
	"CNAME": func(ctx context.Context, r *net.Resolver, name string) ([]string, error) {
		return one(r.LookupCNAME(ctx, name))
	},
	"TXT": func(ctx context.Context, r *net.Resolver, name string) ([]string, error) {
		return r.LookupTXT(ctx, name)
	},
	"MX": func(ctx context.Context, r *net.Resolver, name string) (all []string, err error) {
		records, err := r.LookupMX(ctx, name)
		for _, m := range records {
			all = append(all, m.Host)
		}
		return all, err
	},
	"NS": func(ctx context.Context, r *net.Resolver, name string) (all []string, err error) {
		records, err := r.LookupNS(ctx, name)
		for _, n := range records {
			all = append(all, n.Host)
		}
		return all, err
	},
}

func addresses(network string) func(context.Context, *net.Resolver, string) ([]string, error) {
	return func(ctx context.Context, r *net.Resolver, name string) (all []string, err error) {
		found, err := r.LookupNetIP(ctx, network, name)
		for _, ip := range found {
			all = append(all, ip.Unmap().String())
		}
		return all, err
	}
}

func one(s string, err error) ([]string, error) { return []string{s}, err }

type dnsProber struct {
	ProbeDNS
	name string
}

func (o *ProbeDNS) prober(time.Duration) (prober, string, error) {
	p := &dnsProber{ProbeDNS: *o, name: "the resolver of this machine"}
	p.Type = strings.ToUpper(o.Type)
	if p.Type == "" {
		p.Type = "A"
	}
	p.Name = strings.TrimSuffix(o.Name, ".") + "." // no search list: the name is what it is
	switch {
	case lookups[p.Type] == nil:
		return nil, "type", fmt.Errorf("got %q, want A, AAAA, CNAME, MX, NS or TXT", clean.Cut(o.Type, 40))
	case len(p.Name) < 2 || len(p.Name) > 254:
		return nil, "name", errors.New("want a name of up to 253 characters")
	case o.Server == "":
		return p, "", nil
	}
	host, err := hostPort(o.Server)
	p.name = host
	return p, "server", err
}

func (p *dnsProber) host() string { return p.name }

func (p *dnsProber) probe(ctx context.Context, a *attempt) error {
	r := &net.Resolver{PreferGo: true}
	if p.Server != "" {
		r.Dial = func(inner context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(a.trace(inner), network, p.Server)
		}
	}
	got, err := lookups[p.Type](ctx, r, p.Name)
	if err != nil {
		return p.fault(ctx, a, err)
	}
	a.answered()
	if p.Contains != "" && !slices.ContainsFunc(got, p.is) {
		return badf(badReply, "%s %s is %s, want %s", p.Name, p.Type, clean.Cut(strings.Join(got, ", "), 200), clean.Cut(p.Contains, 100))
	}
	return nil
}

func (p *dnsProber) is(record string) bool {
	return strings.EqualFold(strings.TrimSuffix(record, "."), strings.TrimSuffix(p.Contains, "."))
}

// fault keeps apart an answer (no such name) from none. A server that is probed by its address and does not answer has failed; when this
// machine's own resolver does not, that says nothing about the name. UDP knows no connections, so that silence alone can be the network's.
func (p *dnsProber) fault(ctx context.Context, a *attempt, err error) error {
	var dns *net.DNSError
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !errors.As(err, &dns) || slices.ContainsFunc(a.failed, isLocal):
		return oursError{err}
	case dns.IsNotFound:
		return badf(badStatus, "%w", err)
	case p.Server == "":
		return oursError{err}
	case dns.IsTimeout || ctx.Err() != nil:
		a.resolving, a.connected = false, false
		return context.DeadlineExceeded
	}
	return badf(badStatus, "%w", err)
}
