package aws

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/bakegate/bakegate/internal/httpx"
)

// maxSigned bounds the body of a request that is signed, in bytes: it is hashed before it is sent.
const maxSigned = 8 << 20

// sign puts Signature Version 4 on the request as it will be sent.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func sign(ctx context.Context, r *http.Request, body []byte, c Credentials, service, region string, at time.Time) error {
	if err := CheckRegion(region); err != nil {
		return err
	}
	hash := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret.Reveal(), SessionToken: c.SessionToken.Reveal()}
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(hash[:]), service, region, at); err != nil {
		return fmt.Errorf("signing for %s in %s: %w", service, region, err)
	}
	return nil
}

// Signer signs the requests of an httpx.Client, for a service that speaks another protocol than Call: "aps" is Amazon Managed Service for
// Prometheus. An empty region is the job's own. The values of a query's parameter go out in their canonical order.
func (c *Client) Signer(service, region string) httpx.Signer {
	return func(r *http.Request) ([]httpx.Secret, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		in := cmp.Or(region, c.Region())
		creds, err := c.Credentials(r.Context(), in)
		if err != nil {
			return nil, err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		if len(body) == 0 {
			r.Body, r.GetBody = http.NoBody, nil
		}
		return creds.secrets(), sign(r.Context(), r, body, creds, service, in, time.Now())
	}
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, maxSigned+1))
	if err == nil && len(b) > maxSigned {
		err = fmt.Errorf("the request is larger than 8 MiB, too large to be signed")
	}
	return b, err
}
