// Package aws finds a job's AWS credentials, signs calls with them, and makes the few that bakegate needs: the login to ECR, and what runs
// on ECS. It is written by hand because the SDK's configuration alone is larger than all of this binary's clouds.
package aws

import (
	"github.com/bakegate/bakegate/internal/cloud"
)

// Client calls AWS with the job's credentials. It is safe for concurrent use.
type Client struct {
	options cloud.Options
	web     *cloud.Web
	creds   cloud.Cache[Credentials]
	role    string // that is assumed with the job's credentials; "": none
	logins  cloud.Cache[login]
}

// New makes a client. It does no I/O: files are read and services asked when credentials are first needed.
func New(o cloud.Options) *Client {
	if o.CA == "" {
		o.CA = o.Env("AWS_CA_BUNDLE")
	}
	return &Client{options: o, web: cloud.NewWeb(o)}
}

func (c *Client) env(name string) string { return c.options.Env(name) }

// Region is the job's own: AWS_REGION, AWS_DEFAULT_REGION, or that of the profile; "" where none is named.
func (c *Client) Region() string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if r := c.env(name); r != "" {
			return r
		}
	}
	p, err := c.profile()
	if err != nil {
		return "" // whoever needs the profile's keys says so
	}
	return p.values["region"]
}
