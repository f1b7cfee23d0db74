package google

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2/google"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
)

// keyFile is what is taken from a credentials file. Only this goes on to Google's library: a field that is not here, such as the program
// to run for a token, does not exist for it.
type keyFile struct {
	Type string `json:"type"`

	// service_account
	ClientEmail  string `json:"client_email,omitempty"`
	PrivateKeyID string `json:"private_key_id,omitempty"`
	PrivateKey   string `json:"private_key,omitempty"`
	TokenURI     string `json:"token_uri,omitempty"`

	// authorized_user
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`

	// external_account: workload identity federation
	Audience                 string         `json:"audience,omitempty"`
	SubjectTokenType         string         `json:"subject_token_type,omitempty"`
	TokenURL                 string         `json:"token_url,omitempty"`
	Source                   *subjectSource `json:"credential_source,omitempty"`
	WorkforcePoolUserProject string         `json:"workforce_pool_user_project,omitempty"`
	Impersonation            *struct {
		Lifetime int `json:"token_lifetime_seconds,omitempty"`
	} `json:"service_account_impersonation,omitempty"`

	// external_account and impersonated_service_account
	ImpersonationURL string          `json:"service_account_impersonation_url,omitempty"`
	Delegates        []string        `json:"delegates,omitempty"`
	SourceText       json.RawMessage `json:"source_credentials,omitempty"`

	source *keyFile // what SourceText holds
}

// subjectSource says where the job's identity token is.
type subjectSource struct {
	File    string            `json:"file,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Format  struct {
		Type  string `json:"type,omitempty"`
		Field string `json:"subject_token_field_name,omitempty"`
	} `json:"format"`
}

// refusedFields are read only to say that they are not supported.
type refusedFields struct {
	Universe string `json:"universe_domain"`
	Source   struct {
		Executable  json.RawMessage `json:"executable"`
		Certificate json.RawMessage `json:"certificate"`
		Environment string          `json:"environment_id"`
	} `json:"credential_source"`
}

// parseKeyFile reads a credentials file and checks it. An error shows nothing of what may be a key. depth bounds files within files.
func parseKeyFile(text []byte, depth int) (*keyFile, error) {
	var f keyFile
	var refused refusedFields
	if json.Unmarshal(text, &f) != nil || json.Unmarshal(text, &refused) != nil {
		return nil, errors.New("it is not the JSON of Google credentials")
	}
	if err := f.check(refused); err != nil {
		return nil, err
	}
	if f.SourceText == nil {
		return &f, nil
	}
	if depth == 0 {
		return nil, errors.New("source_credentials are nested too deep")
	}
	source, err := parseKeyFile(f.SourceText, depth-1)
	if err != nil {
		return nil, fmt.Errorf("source_credentials: %w", err)
	}
	f.source = source
	f.SourceText, err = json.Marshal(source)
	return &f, err
}

// kinds are the forms of a file that are supported, and what each must have.
var kinds = map[google.CredentialsType]func(*keyFile) bool{
	google.ServiceAccount:             func(f *keyFile) bool { return f.ClientEmail != "" && f.PrivateKey != "" },
	google.AuthorizedUser:             func(f *keyFile) bool { return f.RefreshToken != "" && f.ClientID != "" },
	google.ExternalAccount:            func(f *keyFile) bool { return f.Audience != "" && f.SubjectTokenType != "" && f.Source != nil },
	google.ImpersonatedServiceAccount: func(f *keyFile) bool { return f.ImpersonationURL != "" && f.SourceText != nil },
}

// check refuses what is not supported, and what would send a token elsewhere than to Google: such a file may come with the repository, and
// says which file or URL is read, and where its content goes.
func (f *keyFile) check(refused refusedFields) error {
	complete, ok := kinds[google.CredentialsType(f.Type)]
	switch {
	case !ok:
		return fmt.Errorf("type %q is not supported, want service_account, authorized_user, external_account or impersonated_service_account", clean.Cut(f.Type, 60))
	case refused.Source.Executable != nil:
		return errors.New("credential_source.executable is not supported: no program is run for credentials; write the token to a file and name it as credential_source.file")
	case refused.Source.Environment != "" || refused.Source.Certificate != nil:
		return errors.New("credential_source.environment_id and certificate are not supported: want file or url")
	case refused.Universe != "" && refused.Universe != "googleapis.com":
		return fmt.Errorf("universe_domain %q is not supported, want googleapis.com", clean.Cut(refused.Universe, 100))
	case !complete(f):
		return fmt.Errorf("a field that %s must have is missing", f.Type)
	}
	for _, u := range []string{f.TokenURI, f.TokenURL, f.ImpersonationURL} {
		if u != "" && !isGoogle(u) {
			return errors.New("token_uri, token_url or service_account_impersonation_url leads elsewhere than to Google, want https://*.googleapis.com")
		}
	}
	if f.Source == nil {
		return nil
	}
	return f.Source.check()
}

func isGoogle(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
		return false
	}
	h, ok := cloud.Host(u.Hostname())
	return ok && (h == "accounts.google.com" || strings.HasSuffix(h, ".googleapis.com"))
}

func (s *subjectSource) check() error {
	if (s.File == "") == (s.URL == "") {
		return errors.New("credential_source has to name either a file or a url")
	}
	if s.URL == "" {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !cloud.Nearby(u.Hostname())) {
		return errors.New("credential_source.url: want https, or http to a server beside this machine")
	}
	return nil
}
