package metric

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// ProbeWebSocket opens a WebSocket, and has a message answered if one is given.
type ProbeWebSocket struct {
	probeRemote
	Send     string `yaml:"send"`     // a text message
	Contains string `yaml:"contains"` // in the first message that comes back, default what was sent
}

type webSocketProber struct {
	ProbeWebSocket
	url    *url.URL
	client func() (*http.Client, error)
}

func (o *ProbeWebSocket) prober(timeout time.Duration) (prober, string, error) {
	scheme, _, _ := strings.Cut(o.URL, ":")
	if scheme != "ws" && scheme != "wss" {
		return nil, "url", errors.New("want a WebSocket's url, wss://host/path")
	}
	_, u, err := o.open(timeout, "ws://", "http://", "wss://", "https://")
	if err != nil {
		return nil, "url", err
	}
	p := &webSocketProber{ProbeWebSocket: *o, url: u}
	if p.Contains == "" {
		p.Contains = p.Send
	}
	p.client = sync.OnceValues(p.connector)
	return p, "", nil
}

// connector makes a client of HTTP/1.1, which is what an upgrade needs. It reads the ca.
func (p *webSocketProber) connector() (*http.Client, error) {
	secure, err := httpx.TLS(p.CA, p.Insecure)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, DisableKeepAlives: true, MaxResponseHeaderBytes: probeBody},
		CheckRedirect: asItComes,
	}, nil
}

func (p *webSocketProber) host() string { return strings.ToLower(p.url.Hostname()) }

func (p *webSocketProber) probe(ctx context.Context, a *attempt) error {
	client, err := p.client()
	if err != nil {
		return oursError{err}
	}
	headers := http.Header{}
	for k, v := range p.Headers {
		headers.Set(k, strings.TrimSpace(v.Reveal()))
	}
	a.through(http.ProxyFromEnvironment(&http.Request{URL: p.url}))
	conn, resp, err := websocket.Dial(ctx, p.url.String(), &websocket.DialOptions{HTTPClient: client, HTTPHeader: headers})
	if err != nil && resp != nil {
		return badf(badStatus, "HTTP %d, want 101 Switching Protocols", resp.StatusCode)
	}
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(probeBody)
	if err := p.talk(ctx, conn); err != nil {
		return err
	}
	a.answered()
	_ = conn.Close(websocket.StatusNormalClosure, "")
	return nil
}

func (p *webSocketProber) talk(ctx context.Context, conn *websocket.Conn) error {
	if p.Send != "" {
		if err := conn.Write(ctx, websocket.MessageText, []byte(p.Send)); err != nil {
			return err
		}
	}
	if p.Contains == "" {
		return nil
	}
	_, got, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(string(got), p.Contains) {
		return badf(badReply, "the message %s came back, want %s in it", clean.Cut(string(got), 100), clean.Cut(p.Contains, 100))
	}
	return nil
}
