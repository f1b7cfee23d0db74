package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	maxCAFile  = 1 << 20
	maxHeaders = 256 << 10
)

// network makes the transport of one block: TLS 1.2 or later, HTTP/2 where offered, proxies from the standard variables of the process
// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). With an address every connection goes there.
func network(r Remote, address string) (http.RoundTripper, error) {
	secure, err := TLS(r.CA, r.Insecure)
	if err != nil {
		return nil, err
	}
	own, err := certificates(r)
	if err != nil {
		return nil, err
	}
	secure.Certificates = own
	dialer := &net.Dialer{Timeout: r.Timeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        secure,
		TLSHandshakeTimeout:    r.Timeout,
		ResponseHeaderTimeout:  r.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaders,
	}
	if address != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}
	}
	return t, nil
}

// TLS is what a connection of a block is secured with, for protocols beside HTTP: TLS 1.2 or later, and the authorities of a PEM file
// beside the system's ("" for those alone). It reads the file.
func TLS(ca string, insecure bool) (*tls.Config, error) {
	roots, err := roots(ca)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: insecure}, nil
}

// roots is the system's pool and the file's certificates beside it; nil means the system's.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := readFile(file)
	if err != nil {
		return nil, &caError{"ca", file, err}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &caError{"ca", file, fmt.Errorf("it holds no certificate, want PEM (-----BEGIN CERTIFICATE-----)")}
	}
	return pool, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err == nil && len(b) > maxCAFile {
		err = fmt.Errorf("it is larger than %s", size(maxCAFile))
	}
	return b, err
}

// certificates are those that say who we are; none without client-cert.
func certificates(r Remote) ([]tls.Certificate, error) {
	if r.ClientCert == "" {
		return nil, nil
	}
	cert, err := readFile(r.ClientCert)
	if err != nil {
		return nil, &caError{"client-cert", r.ClientCert, err}
	}
	key, err := readFile(r.ClientKey)
	if err != nil {
		return nil, &caError{"client-key", r.ClientKey, err}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil { // it names neither the key nor its bytes
		return nil, &caError{"client-cert", r.ClientCert, fmt.Errorf("with client-key %q: %w", r.ClientKey, err)}
	}
	return []tls.Certificate{pair}, nil
}

// caError says that a file of the block's TLS cannot be used. Trying again does not help.
type caError struct {
	option, file string
	err          error
}

func (e *caError) Error() string { return fmt.Sprintf("%s %q: %v", e.option, e.file, e.err) }
func (e *caError) Unwrap() error { return e.err }
