package aws

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
)

// profile is a section of the shared files, those of credentials above those of the configuration.
type profile struct {
	name   string
	files  string // where it was found, for messages
	values map[string]string
}

// unsupported are the forms of a profile that need programs, a browser or a second role, each by the key that asks for it.
var unsupported = []string{"credential_process", "sso_session", "sso_start_url", "login_session", "source_profile", "credential_source", "role_arn"}

func (c *Client) fromProfile(ctx context.Context, region string) (Credentials, error) {
	p, err := c.profile()
	if err != nil {
		return Credentials{}, err
	}
	source := fmt.Sprintf("profile %q (%s)", p.name, p.files)
	file, role := p.values["web_identity_token_file"], p.values["role_arn"]
	switch {
	case p.values["aws_access_key_id"] != "" && role == "":
		return newCredentials(source, p.values["aws_access_key_id"], p.values["aws_secret_access_key"], p.values["aws_session_token"])
	case file != "" && role != "":
		return c.assume(ctx, region, webIdentity{source, file, role, p.values["role_session_name"]})
	case file != "":
		return Credentials{}, fmt.Errorf("%s has web_identity_token_file without role_arn: which role is it for?", source)
	}
	for _, key := range unsupported {
		if p.values[key] != "" {
			return Credentials{}, fmt.Errorf(`%s takes its credentials by %s, which is not supported: export keys before bakegate runs: eval "$(aws configure export-credentials --format env)"`, source, key)
		}
	}
	return Credentials{}, cloud.Nonef("no keys in %s", source)
}

// profile reads AWS_PROFILE, else the default one. Without the files it is empty; one that was asked for by name must be there.
func (c *Client) profile() (profile, error) {
	asked := c.env("AWS_PROFILE")
	if asked == "" {
		asked = c.env("AWS_DEFAULT_PROFILE")
	}
	p := profile{name: asked, files: "no file has it", values: map[string]string{}}
	if asked == "" {
		p.name = "default"
	}
	p.name = clean.Cut(p.name, 100)
	var found []string
	for _, f := range []struct{ setting, otherwise, section string }{
		{"AWS_CONFIG_FILE", "config", "profile " + asked},
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", asked},
	} {
		if asked == "" || asked == "default" {
			f.section = "default"
		}
		name, section, err := c.readShared(f.setting, f.otherwise, f.section)
		if err != nil {
			return profile{}, err
		}
		if section != nil {
			found = append(found, clean.Cut(name, 200))
			maps.Copy(p.values, section)
		}
	}
	if len(found) > 0 {
		p.files = strings.Join(found, ", ")
	} else if asked != "" {
		return profile{}, fmt.Errorf("AWS_PROFILE is %q, and neither the config nor the credentials file has that profile", p.name)
	}
	return p, nil
}

// readShared reads one section of a file: the one that the setting names, else ~/.aws/NAME. Without the file or the section it is nil.
func (c *Client) readShared(setting, otherwise, section string) (name string, values map[string]string, err error) {
	name, what := c.env(setting), setting
	if name == "" {
		home := c.home()
		if home == "" {
			return "", nil, nil
		}
		name, what = filepath.Join(home, ".aws", otherwise), "the AWS "+otherwise+" file"
	}
	text, err := cloud.ReadFile(what, name)
	if errors.Is(err, fs.ErrNotExist) {
		return name, nil, nil
	}
	if err != nil {
		return name, nil, err
	}
	sections, err := parseShared(string(text))
	if err != nil {
		return name, nil, fmt.Errorf("%s %q: %w", what, clean.Cut(name, 300), err)
	}
	return name, sections[section], nil
}

func (c *Client) home() string {
	if h := c.env("HOME"); h != "" {
		return h
	}
	return c.env("USERPROFILE")
}
