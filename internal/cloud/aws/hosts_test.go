package aws

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/cloud"
)

func TestRegistryHosts(t *testing.T) {
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.us-east-1.amazonaws.com":                "https://api.ecr.us-east-1.amazonaws.com/",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com:443":            "https://api.ecr.us-east-1.amazonaws.com/",
		"123456789012.DKR.ECR.eu-central-1.AmazonAWS.com":             "https://api.ecr.eu-central-1.amazonaws.com/",
		"123456789012.dkr.ecr.us-gov-west-1.amazonaws.com":            "https://api.ecr.us-gov-west-1.amazonaws.com/",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":       "https://ecr-fips.us-gov-west-1.amazonaws.com/",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":            "https://api.ecr.cn-north-1.amazonaws.com.cn/",
		"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu":            "https://api.ecr.eusc-de-east-1.amazonaws.eu/",
		"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov":               "https://api.ecr.us-iso-east-1.c2s.ic.gov/",
		"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov":           "https://api.ecr.us-isob-east-1.sc2s.sgov.gov/",
		"123456789012.dkr-ecr.eu-west-1.on.aws":                       "https://ecr.eu-west-1.api.aws/",
		"123456789012.dkr-ecr-fips.us-east-1.on.aws":                  "https://ecr-fips.us-east-1.api.aws/",
		"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn": "https://ecr.cn-north-1.api.amazonwebservices.com.cn/",
		"public.ecr.aws":     "https://api.ecr-public.us-east-1.amazonaws.com/",
		"ecr-public.aws.com": "https://ecr-public.us-east-1.api.aws/",
		"":                   "",
		"amazonaws.com":      "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.io":                "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com.cn":                     "", // the domain of another partition
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com":                       "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.comevil.io":                 "",
		"123456789012.dkr.ecr.us-east-1.evilamazonaws.com":                    "",
		"123456789012.dkr.ecr.us-east-1.on.aws":                               "",
		"123456789012.dkr-ecr.us-east-1.amazonaws.com":                        "",
		"evil.io.123456789012.dkr.ecr.us-east-1.amazonaws.com":                "",
		"evil.io/123456789012.dkr.ecr.us-east-1.amazonaws.com":                "",
		"evil.io#123456789012.dkr.ecr.us-east-1.amazonaws.com":                "",
		"x@123456789012.dkr.ecr.us-east-1.amazonaws.com":                      "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com:8443":                   "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com.":                       "",
		"12345678901.dkr.ecr.us-east-1.amazonaws.com":                         "",
		"1234567890123.dkr.ecr.us-east-1.amazonaws.com":                       "",
		"123456789012.dkr.ecr.evil.io.us-east-1.amazonaws.com":                "",
		"123456789012.dkr.ecr.us.amazonaws.com":                               "",
		"123456789012xdkr.ecr.us-east-1.amazonaws.com":                        "",
		"123456789012.dkr.ecr.us-east-1xamazonaws.com":                        "",
		"public.ecr.aws.evil.io":                                              "",
		"xpublic.ecr.aws":                                                     "",
		"ecr.aws":                                                             "",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com\n.evil.io":              "",
		"\u2460\u2461345678901\u2461.dkr.ecr.us-east-1.amazonaws.com":         "",
		"123456789012.dkr.ecr.us-east-1.amazonaws\u3002com":                   "",
		"123456789012.dkr.ecr." + strings.Repeat("a", 300) + ".amazonaws.com": "",
	} {
		c := New(cloud.Options{})
		if c.Handles(host) != (want != "") {
			t.Errorf("Handles(%q) = %v, want %v", host, c.Handles(host), want != "")
		}
		r, ok := parseRegistry(host)
		if !ok {
			continue
		}
		if got, err := r.endpoint(c); got != want || err != nil {
			t.Errorf("%s: API at %s, %v; want %s", host, got, err, want)
		}
	}
}

// Whatever the host is, what matches ends in a domain of AWS's, and its API is one of AWS's.
func FuzzRegistryHosts(f *testing.F) {
	f.Add("123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.io")
	f.Add("123456789012.dkr-ecr-fips.us-east-1.on.aws:443")
	f.Add("public.ecr.aws")
	theirs := regexp.MustCompile(`^(ecr-public\.aws\.com|public\.ecr\.aws|[0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk))(:443)?$`)
	api := regexp.MustCompile(`^https://(api\.)?ecr(-public|-fips)?\.[a-z0-9-]+\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.[a-z.-]+|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)/$`)
	f.Fuzz(func(t *testing.T, host string) {
		r, ok := parseRegistry(host)
		if !ok {
			return
		}
		if !theirs.MatchString(strings.ToLower(host)) {
			t.Errorf("%q is taken for ECR", host)
		}
		if got, err := r.endpoint(New(cloud.Options{})); err != nil || !api.MatchString(got) {
			t.Errorf("%q: API %q, %v", host, got, err)
		}
	})
}

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		service, region string
		env             map[string]string
		want, err       string
	}{
		{"ecs", "eu-west-1", nil, "https://ecs.eu-west-1.amazonaws.com/", ""},
		{"ecr", "cn-north-1", nil, "https://api.ecr.cn-north-1.amazonaws.com.cn/", ""},
		{"sts", "us-isof-south-1", nil, "https://sts.us-isof-south-1.csp.hci.ic.gov/", ""},
		{"sts", "", nil, "https://sts.amazonaws.com/", ""},
		{"ecs", "", nil, "", "set AWS_REGION"},
		{"ecs", "evil.example/", nil, "", "is no AWS region"},
		{"ecs", "eu-west-1", map[string]string{"AWS_ENDPOINT_URL": "https://vpce.example/x/"}, "https://vpce.example/x/", ""},
		{"ecr-public", "us-east-1", map[string]string{"AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_ECR_PUBLIC": "https://one.example"}, "https://one.example/", ""},
		{"ecs", "eu-west-1", map[string]string{"AWS_ENDPOINT_URL": "https://all.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "https://ecs.eu-west-1.amazonaws.com/", ""},
		{"ecs", "eu-west-1", map[string]string{"AWS_ENDPOINT_URL_ECS": "https://user:pass@x.example"}, "", "AWS_ENDPOINT_URL_ECS is no URL"},
		{"ecs", "eu-west-1", map[string]string{"AWS_ENDPOINT_URL_ECS": "localhost:4566"}, "", "AWS_ENDPOINT_URL_ECS is no URL"},
	} {
		c := New(cloud.Options{Getenv: func(name string) string { return tt.env[name] }})
		got, err := c.endpoint(tt.service, tt.region)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s in %q with %v: %q, %v; want %q, %q", tt.service, tt.region, tt.env, got, err, tt.want, tt.err)
		}
	}
}
