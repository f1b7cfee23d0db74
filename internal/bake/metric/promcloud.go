package metric

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/cloud/google"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// SigV4Options say how requests are signed. The credentials are the job's own.
type SigV4Options struct {
	Region  string `yaml:"region"`  // default: the job's own
	Service string `yaml:"service"` // default aps
	Role    string `yaml:"role"`    // ARN of a role that is assumed first: a workspace in another account
}

// GoogleOptions name the project. The credentials are the job's own.
type GoogleOptions struct {
	Project string `yaml:"project,required"` // the one whose metrics scope is asked
}

var (
	awsService    = lazyregexp.New(`^[a-z0-9-]{1,40}$`)
	googleProject = lazyregexp.New(`^([a-z0-9.-]{1,60}:)?[a-z0-9-]{4,30}$`)
)

// auth looks at who asks. Where the job's own credentials say so, they are looked for with the first request.
func (p *prometheus) auth() ([]httpx.Option, error) {
	o := &p.options
	switch {
	case o.SigV4 == nil && o.Google == nil:
		return login{o.Token, o.Username, o.Password}.options()
	case o.SigV4 != nil && o.Google != nil || !o.Token.IsZero() || o.Username != "" || !o.Password.IsZero():
		return nil, errors.New("more than one of token, username, sigv4 and google is given, want one of them")
	case o.SigV4 != nil:
		return []httpx.Option{httpx.WithSigner(p.sign)}, o.SigV4.check()
	}
	return []httpx.Option{httpx.WithSigner(p.sign)}, p.googleAt()
}

func (o *SigV4Options) check() error {
	o.Service = cmp.Or(o.Service, "aps")
	if !awsService.MatchString(o.Service) {
		return fmt.Errorf("sigv4: service %q, want its name in a signature, such as aps", clean.Cut(o.Service, 60))
	}
	if o.Region != "" {
		if err := aws.CheckRegion(o.Region); err != nil {
			return fmt.Errorf("sigv4: region: %w", err)
		}
	}
	if _, err := o.client(cloud.Options{}); err != nil {
		return fmt.Errorf("sigv4: %w", err)
	}
	return nil
}

// client has the job's credentials, or those of the role.
func (o *SigV4Options) client(env cloud.Options) (*aws.Client, error) {
	a := aws.New(env)
	if o.Role == "" {
		return a, nil
	}
	return a.As(o.Role)
}

// googleAt is where Google's service is. It takes no forms.
// https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.location.prometheus.api.v1/query
func (p *prometheus) googleAt() error {
	o := &p.options
	if !googleProject.MatchString(o.Google.Project) {
		return fmt.Errorf("google: project %q, want its id, such as acme-prod", clean.Cut(o.Google.Project, 60))
	}
	o.URL = cmp.Or(o.URL, "https://monitoring.googleapis.com/v1/projects/"+url.PathEscape(o.Google.Project)+"/location/global/prometheus")
	if o.Lookback > 0 {
		return errors.New("lookback is not known to Google: leave it out")
	}
	if u, err := url.Parse(o.URL); err == nil && (u.Scheme != "https" || !google.API(u.Host)) {
		return errors.New("url is none of Google's APIs: the job's access token goes to https://*.googleapis.com only; leave url out")
	}
	p.method = http.MethodGet
	return nil
}

// Use implements Wants.
func (p *prometheus) Use(e Env) error {
	o := cloud.Options{Getenv: e.Getenv, CA: p.options.CA}
	switch {
	case p.options.SigV4 != nil:
		a, err := p.options.SigV4.client(o)
		if err != nil {
			return err
		}
		if region := cmp.Or(p.options.SigV4.Region, a.Region()); region == "" {
			return errors.New("sigv4: no AWS region is known: give region, or set AWS_REGION")
		}
		p.signer = a.Signer(p.options.SigV4.Service, p.options.SigV4.Region)
	case p.options.Google != nil:
		p.signer = google.New(o).Signer()
	}
	return nil
}

func (p *prometheus) sign(r *http.Request) ([]httpx.Secret, error) {
	if p.signer == nil {
		return nil, errors.New("prometheus: it has no environment yet")
	}
	return p.signer(r)
}

// unanswered classifies why there is no reply. A job without credentials is no backend that is down.
func (p *prometheus) unanswered(where string, err error) error {
	var refused *cloud.Error
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // what is around it shows the query
	}
	switch {
	case errors.Is(err, cloud.ErrNone):
		return troublef(Unauthorized, "%s: there are no credentials for it in the job's environment: %w", where, err)
	case errors.As(err, &refused) && refused.Status/100 == 4:
		return troublef(Unauthorized, "%s: the job's credentials are refused: %w", where, err)
	}
	return troublef(BackendDown, "%s: %w", where, err)
}
