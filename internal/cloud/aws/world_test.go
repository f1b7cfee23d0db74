package aws_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
)

const (
	keyID   = "AKIDEXAMPLE"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	session = "the/session+token=="
	role    = "arn:aws:iam::123456789012:role/deploy"
	web     = "eyJhbGciOi.web-identity.token"
)

// keys are a job with keys in its environment.
var keys = []string{"AWS_ACCESS_KEY_ID", keyID, "AWS_SECRET_ACCESS_KEY", secret, "AWS_SESSION_TOKEN", session, "AWS_REGION", "eu-west-1"}

func client(w *cloudtest.World, env ...string) *aws.Client {
	return aws.New(cloud.Options{Getenv: cloudtest.Env(env...), Network: w})
}

// service is an AWS service that wants a good signature and then answers.
func service(t *testing.T, name, region string, answer http.HandlerFunc) http.HandlerFunc {
	sig := cloudtest.Signature{KeyID: keyID, Secret: secret, Token: session, Service: name, Region: region, Skew: time.Minute}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := sig.Verify(r); err != nil {
			t.Errorf("%s: %v", name, err)
			refuse(w, http.StatusForbidden, "InvalidSignatureException", "The request signature we calculated does not match")
			return
		}
		if got := r.Header.Get("Content-Type"); r.Method != http.MethodPost || got != "application/x-amz-json-1.1" {
			t.Errorf("%s: %s with %q", name, r.Method, got)
		}
		answer(w, r)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.x#%s","message":%q}`, code, message)
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// instance is the metadata server of an EC2 instance whose role has the keys, good until then.
func instance(t *testing.T, until func() time.Time) http.HandlerFunc {
	const token = "imds-session-token=="
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest/api/token" {
			if r.Method != http.MethodPut || r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "" {
				t.Errorf("%s without the life of the token", r.Method)
			}
			_, _ = io.WriteString(w, token)
			return
		}
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		switch strings.TrimPrefix(r.URL.Path, "/latest/meta-data/iam/security-credentials/") {
		case "":
			_, _ = io.WriteString(w, "runner-role\n")
		case "runner-role":
			_, _ = io.WriteString(w, temporary(until()))
		default:
			http.NotFound(w, r)
		}
	}
}

func temporary(until time.Time) string {
	return fmt.Sprintf(`{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
		keyID, secret, session, until.UTC().Format(time.RFC3339))
}

// sts is the token service: it gives the keys for the role and the web identity.
func sts(t *testing.T, until func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		for k, want := range map[string]string{"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role, "WebIdentityToken": web} {
			if got := r.PostForm.Get(k); got != want {
				t.Errorf("sts: %s is %q, want %q", k, got, want)
			}
		}
		if r.PostForm.Get("RoleSessionName") == "" || r.Header.Get("Authorization") != "" || r.Method != http.MethodPost {
			t.Errorf("sts: %s, session %q, signed %q", r.Method, r.PostForm.Get("RoleSessionName"), r.Header.Get("Authorization"))
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
			<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/deploy/bakegate</Arn></AssumedRoleUser>
			<Credentials><SessionToken>%s</SessionToken><SecretAccessKey>%s</SecretAccessKey><Expiration>%s</Expiration><AccessKeyId>%s</AccessKeyId></Credentials>
			</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, session, secret, until().UTC().Format(time.RFC3339), keyID)
	}
}

func stsRefuses(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, message)
	}
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }
