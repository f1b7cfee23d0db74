package metric

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bakegate/bakegate/internal/httpx"
)

// ProbeGRPC asks the health service (grpc.health.v1): one call, or a stream that is held open.
type ProbeGRPC struct {
	probeRemote
	Service string        `yaml:"service"` // default "", the server as a whole
	Watch   time.Duration `yaml:"watch"`   // hold a stream (Watch) for so long: it must neither break nor leave SERVING
}

type grpcProber struct {
	ProbeGRPC
	address string
	name    string
	secrets metadata.MD
	creds   func() (credentials.TransportCredentials, error)
}

func (o *ProbeGRPC) prober(timeout time.Duration) (prober, string, error) {
	_, u, err := o.open(timeout)
	switch {
	case err != nil:
		return nil, "url", err
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, "url", errors.New("a gRPC server has no path, want https://HOST:PORT (http:// without TLS)")
	case o.Watch < 0 || o.Watch >= timeout:
		return nil, "watch", fmt.Errorf("got %s, want less than the timeout (%s): the stream is opened within it too", o.Watch, timeout)
	}
	p := &grpcProber{ProbeGRPC: *o, address: dialAddress(u), name: strings.ToLower(u.Hostname()), secrets: metadata.MD{}}
	for k, v := range o.Headers {
		p.secrets.Set(k, strings.TrimSpace(v.Reveal()))
	}
	p.creds = sync.OnceValues(func() (credentials.TransportCredentials, error) {
		if u.Scheme == "http" {
			return insecure.NewCredentials(), nil
		}
		secure, err := httpx.TLS(o.CA, o.Insecure)
		return credentials.NewTLS(secure), err
	})
	return p, "", nil
}

func dialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (p *grpcProber) host() string { return p.name }

func (p *grpcProber) probe(ctx context.Context, a *attempt) error {
	creds, err := p.creds()
	if err != nil {
		return oursError{err}
	}
	dial := func(inner context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(a.trace(inner), "tcp", address) // its context is not the call's
	}
	conn, err := grpc.NewClient("passthrough:///"+p.address, grpc.WithTransportCredentials(creds), grpc.WithContextDialer(dial),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(probeBody)))
	if err != nil {
		return oursError{err}
	}
	defer conn.Close()
	ctx = metadata.NewOutgoingContext(ctx, p.secrets)
	client := grpc_health_v1.NewHealthClient(conn)
	if p.Watch > 0 {
		return p.stream(ctx, client, a)
	}
	r, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: p.Service})
	if err != nil {
		return codeError(err)
	}
	a.answered()
	return serving(r)
}

// stream holds a Watch open. Its latency is that of the first message.
func (p *grpcProber) stream(ctx context.Context, client grpc_health_v1.HealthClient, a *attempt) error {
	held, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Watch(held, &grpc_health_v1.HealthCheckRequest{Service: p.Service})
	if err != nil {
		return codeError(err)
	}
	var enough *time.Timer
	for {
		r, err := stream.Recv()
		switch {
		case err != nil && enough != nil && held.Err() != nil && ctx.Err() == nil:
			return nil // it was held for long enough
		case err != nil:
			return codeError(err)
		}
		if enough == nil {
			a.answered()
			enough = time.AfterFunc(p.Watch, cancel)
			defer enough.Stop()
		}
		if err := serving(r); err != nil {
			return err
		}
	}
}

func serving(r *grpc_health_v1.HealthCheckResponse) error {
	if r.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
		return nil
	}
	return badf(badReply, "%s, want SERVING", r.GetStatus())
}

// codeError keeps apart a server that answered with a code from a connection that failed, which gRPC calls Unavailable.
func codeError(err error) error {
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case codes.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	case codes.Unavailable, codes.Unknown:
		return err
	}
	return badf(badStatus, "%w", err)
}
