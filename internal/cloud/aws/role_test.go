package aws_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

// A role is assumed with the job's credentials, once for as long as it lasts, and what is signed is signed with the role's.
func TestRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := cloudtest.Signature{KeyID: keyID, Secret: secret, Token: session, Service: "sts", Region: "eu-west-1", Skew: time.Minute}
		theirs := cloudtest.Signature{KeyID: "AKIDROLE", Secret: "role-secret", Token: "role-session", Service: "aps", Region: "us-east-1", Skew: time.Minute}
		n := 0
		w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{"sts.eu-west-1.amazonaws.com": func(w http.ResponseWriter, r *http.Request) {
			n++
			if err := own.Verify(r); err != nil {
				t.Error(err)
			}
			if err := r.ParseForm(); err != nil || r.PostForm.Encode() != "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy&RoleSessionName=bakegate&Version=2011-06-15" {
				t.Errorf("got %v, %v", r.PostForm, err)
			}
			fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>AKIDROLE</AccessKeyId>`+
				`<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, inAnHour().UTC().Format(time.RFC3339))
		}}}
		c, err := client(w, keys...).As(role)
		if err != nil {
			t.Fatal(err)
		}
		sign := c.Signer("aps", "us-east-1")
		for range 3 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://aps-workspaces.us-east-1.amazonaws.com/", strings.NewReader("query=up"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sign(r); err != nil {
				t.Fatal(err)
			}
			if err := theirs.Verify(r); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Minute)
		}
		if n != 1 {
			t.Errorf("assumed %d times", n)
		}
	})
}

func TestRoleErrors(t *testing.T) {
	const host = "sts.eu-west-1.amazonaws.com"
	for want, answer := range map[string]http.HandlerFunc{
		"sts AssumeRole: HTTP 403 AccessDenied: not for [secret]": stsRefuses(403, "AccessDenied", "not for "+session),
		"that are not credentials as XML":                         says("<R/>"),
		"that are not credentials with an end":                    says(`<R><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>b</SecretAccessKey></Credentials></AssumeRoleResult></R>`),
	} {
		c, err := client(&cloudtest.World{Hosts: map[string]http.HandlerFunc{host: answer}}, keys...).As(role)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Credentials(t.Context(), "eu-west-1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, arn := range []string{"", "deploy", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x", role + "&Action=x", role + "\n"} {
		if _, err := client(&cloudtest.World{}, keys...).As(arn); err == nil {
			t.Errorf("%q is taken", arn)
		}
	}
}
