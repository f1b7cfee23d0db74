package google

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever passes, what goes on to the library names no program, and sends tokens to Google only.
func FuzzKeyFile(f *testing.F) {
	f.Add(`{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"/x","executable":{"command":"/bin/x"}}}`)
	f.Add(`{"type":"impersonated_service_account","service_account_impersonation_url":"https://iamcredentials.googleapis.com/x","source_credentials":{"type":"authorized_user","client_id":"i","refresh_token":"r"}}`)
	f.Add(`{"type":"service_account","client_email":"e","private_key":"k","token_uri":"https://accounts.google.com/o/oauth2/token","TOKEN_URI":"https://evil.example"}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseKeyFile([]byte(text), 2)
		if err != nil {
			return
		}
		checked, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseKeyFile(checked, 2); err != nil {
			t.Errorf("%s: what was checked does not pass: %v", checked, err)
		}
		var level map[string]any
		if err := json.Unmarshal(checked, &level); err != nil {
			t.Fatal(err)
		}
		for ; level != nil; level, _ = level["source_credentials"].(map[string]any) {
			if source, ok := level["credential_source"].(map[string]any); ok && (source["executable"] != nil || source["environment_id"] != nil) {
				t.Errorf("a program passes: %s", checked)
			}
			for _, name := range []string{"token_uri", "token_url", "service_account_impersonation_url"} {
				if u, ok := level[name].(string); ok && !strings.Contains(u, "google") {
					t.Errorf("%s passes", u)
				}
			}
		}
	})
}
