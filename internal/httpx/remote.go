// Package httpx is the one HTTP client: retries, time-outs, a cap on what is read, redaction, proxies and CA bundles. Every call to
// a remote service goes through it, those of the libraries too (Client.HTTP).
package httpx

import "time"

// Remote is the part of the options that every block which talks to a remote service has. Options structs embed it.
type Remote struct {
	URL     string            `yaml:"url"`     // https://host[/prefix], no userinfo, no query
	Headers map[string]Secret `yaml:"headers"` // sent with every request to this host; each value is a secret
	CA      string            `yaml:"ca,file"` // PEM file with the certificate authorities to trust beside the system's
	// ClientCert and ClientKey are PEM files: who we are, for a service that asks for a certificate (mutual TLS).
	ClientCert string `yaml:"client-cert,file"`
	ClientKey  string `yaml:"client-key,file"`
	// OAuth2 fetches the token for a service that takes no fixed one.
	OAuth2   *OAuth2       `yaml:"oauth2"`
	Timeout  time.Duration `yaml:"timeout"`  // per request, default 10s
	Insecure bool          `yaml:"insecure"` // no TLS verification; plain HTTP to a host that is not loopback
}
