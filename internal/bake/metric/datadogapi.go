package metric

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// DatadogAccount is how every source of Datadog's is reached. Exactly one of Site and URL is set.
type DatadogAccount struct {
	httpx.Remote
	Site   string       `yaml:"site"` // datadoghq.com, datadoghq.eu...
	APIKey httpx.Secret `yaml:"api-key,required"`
	AppKey httpx.Secret `yaml:"app-key,required"`
}

// datadogSites are the sites that Datadog documents.
var datadogSites = []string{"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com",
	"uk1.datadoghq.com", "datadoghq.eu", "ddog-gov.com", "us2.ddog-gov.com"}

// datadogAPI is one account, and its rate limit.
type datadogAPI struct {
	client *httpx.Client

	mu        sync.Mutex
	notBefore time.Time // the rate limit
}

func (o DatadogAccount) connect() (*datadogAPI, error) {
	switch {
	case (o.Site == "") == (o.URL == ""):
		return nil, errors.New("want site or url, and only one of them: site: datadoghq.eu")
	case o.Site != "" && !slices.Contains(datadogSites, o.Site):
		return nil, fmt.Errorf("site %q is none of Datadog's, want one of %s; a site that is newer than bakegate can be given as url: https://api.SITE",
			clean.Cut(o.Site, 80), strings.Join(datadogSites, ", "))
	case o.APIKey.IsZero() || o.AppKey.IsZero():
		return nil, errors.New("api-key or app-key is missing, want both")
	}
	if o.Site != "" {
		o.URL = "https://api." + o.Site
	}
	c, err := newAPI(o.Remote, httpx.WithHeader("DD-API-KEY", o.APIKey), httpx.WithHeader("DD-APPLICATION-KEY", o.AppKey))
	if err != nil {
		return nil, err
	}
	return &datadogAPI{client: c}, nil
}

// json asks, unless the rate limit says that it would be in vain.
func (d *datadogAPI) json(ctx context.Context, r httpx.Request, into any) error {
	if err := d.limited(); err != nil {
		return err
	}
	r.Header = http.Header{"Accept": {"application/json"}}
	err := askJSON(ctx, d.client, r, into)
	if err != nil {
		d.refused(err)
	}
	return err
}

// limited says that the rate limit's period is not over: asking again would be refused, and counted.
func (d *datadogAPI) limited() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := time.Until(d.notBefore); wait > 0 {
		return troublef(BackendDown, "%s: the rate limit is used up, it is asked again in %s", d.client.URL(), wait.Round(time.Second))
	}
	return nil
}

// refused notes when the rate limit's next period begins (X-RateLimit-Reset).
func (d *datadogAPI) refused(err error) {
	var status *httpx.StatusError
	if errors.As(err, &status) && status.Limited() && status.RetryAfter > 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.notBefore = time.Now().Add(status.RetryAfter)
	}
}
