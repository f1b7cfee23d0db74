package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
)

// Error is a refusal of a service. Service is its name and the operation: "ecs DescribeServices".
type Error = cloud.Error

// throttling are the codes of a service that was asked too often; most come as HTTP 400. From the SDKs' retry.DefaultThrottleErrorCodes,
// and the one with which the token service says that it could not reach the issuer.
var throttling = []string{"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
	"TooManyRequestsException", "RequestLimitExceeded", "ProvisionedThroughputExceededException", "TransactionInProgressException",
	"BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete", "SlowDown", "EC2ThrottledException", "IDPCommunicationError"}

const (
	throttleTries = 5
	throttleWait  = 500 * time.Millisecond // before the second try; doubles
)

// Call makes a call of the JSON 1.1 protocol: target is the operation as X-Amz-Target names it, in becomes the request, and the reply is
// read into out. An empty region is the job's own. It is for calls that read: throttling, outages and lost replies are met by calling
// again. A refusal is an *Error; without credentials the error is cloud.ErrNone.
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
func (c *Client) Call(ctx context.Context, service, region, target string, in, out any) error {
	if region == "" {
		region = c.Region()
	}
	endpoint, err := c.endpoint(service, region)
	if err != nil {
		return err
	}
	return c.callAt(ctx, endpoint, service, region, target, in, out)
}

func (c *Client) callAt(ctx context.Context, endpoint, service, region, target string, in, out any) error {
	_, operation, _ := strings.Cut(target, ".")
	what := service + " " + operation
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	reply, err := c.patient(ctx, func(ctx context.Context) (*cloud.Reply, error) {
		creds, err := c.Credentials(ctx, region)
		if err != nil {
			return nil, err
		}
		r, err := c.web.Do(ctx, cloud.Request{Method: "POST", URL: endpoint, Body: body, ContentType: "application/x-amz-json-1.1",
			Header: http.Header{"X-Amz-Target": {target}}, Secrets: creds.secrets(),
			Sign: func(req *http.Request) error { return sign(ctx, req, body, creds, service, region, time.Now()) }})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return r, jsonError(what, r)
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply.Body, out); err != nil {
		return reply.Malformed(what, "the JSON of this operation")
	}
	return nil
}

// patient calls again while the service throttles, as long as the context allows the wait.
func (c *Client) patient(ctx context.Context, call func(context.Context) (*cloud.Reply, error)) (*cloud.Reply, error) {
	for try := 1; ; try++ {
		reply, err := call(ctx)
		var e *Error
		if err == nil || try == throttleTries || !errors.As(err, &e) || !slices.Contains(throttling, e.Code) {
			return reply, err
		}
		wait := throttleWait << (try - 1)
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return nil, err // what the service said is worth more than that the time was over
		}
	}
}

// jsonError reads a refusal of the JSON protocol. The code stands in a header or in the body, perhaps with a namespace before it and a URL
// behind it.
func jsonError(what string, r *cloud.Reply) error {
	if r.OK() {
		return nil
	}
	var out struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message
	}
	_ = json.Unmarshal(r.Body, &out) // what is no JSON is shown as it is
	code := r.Header.Get("X-Amzn-Errortype")
	for _, other := range []string{out.Type, out.Code} {
		if code == "" {
			code = other
		}
	}
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return r.Refusal(what, code, out.Message)
}
