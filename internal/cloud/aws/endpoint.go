package aws

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// partitions are the domains of AWS's separate worlds, by the beginning of their regions' names, the longest first. Of each: the domain of
// the services, that of their endpoints with IPv6. From the partitions.json of the SDKs.
var partitions = []struct{ region, domain, dual string }{
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"", "amazonaws.com", "api.aws"},
}

// region is the form of a region's name. It becomes a part of a host: nothing else may be in it.
var region = lazyregexp.New(`^[a-z]{2,5}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)

// CheckRegion refuses what is no region's name.
func CheckRegion(in string) error {
	switch {
	case in == "":
		return errors.New("no AWS region is known: set AWS_REGION")
	case !region.MatchString(in):
		return fmt.Errorf("%q is no AWS region, want a name such as eu-west-1", clean.Cut(in, 60))
	}
	return nil
}

// prefixes are the hosts of services whose name in a signature is another.
var prefixes = map[string]string{"ecr": "api.ecr", "ecr-public": "api.ecr-public"}

// endpoint is the URL of a service, with a slash at its end: AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, else that of the region. The token service has one for all
// regions too, where none is known.
func (c *Client) endpoint(service, in string) (string, error) {
	if own, setting := c.ownEndpoint(service); own != "" {
		u, err := url.Parse(own)
		if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.User != nil {
			return "", fmt.Errorf("%s is no URL of a service, want https://host", setting)
		}
		return strings.TrimRight(own, "/") + "/", nil
	}
	if in == "" && service == "sts" {
		return "https://sts.amazonaws.com/", nil
	}
	if err := CheckRegion(in); err != nil {
		return "", err
	}
	prefix := service
	if p, ok := prefixes[service]; ok {
		prefix = p
	}
	return fmt.Sprintf("https://%s.%s.%s/", prefix, in, domain(in, false)), nil
}

// ownEndpoint is the endpoint that the job's environment names, and the variable.
func (c *Client) ownEndpoint(service string) (endpoint, setting string) {
	if strings.EqualFold(c.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return "", ""
	}
	name := "AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
	for _, setting := range []string{name, "AWS_ENDPOINT_URL"} {
		if v := c.env(setting); v != "" {
			return v, setting
		}
	}
	return "", ""
}

func domain(in string, dual bool) string {
	for _, p := range partitions {
		if strings.HasPrefix(in, p.region) {
			if dual {
				return p.dual
			}
			return p.domain
		}
	}
	return "" // not reached: the last prefix is empty
}

// Endpoint is the URL of a service in a region, without a slash at its end: for a service that speaks another protocol than Call.
func (c *Client) Endpoint(service, in string) (string, error) {
	url, err := c.endpoint(service, in)
	return strings.TrimRight(url, "/"), err
}
