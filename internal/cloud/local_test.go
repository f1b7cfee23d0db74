package cloud

import (
	"net/http"
	"testing"
	"time"
)

// A metadata server behind a proxy would be the proxy's.
func TestDirectHasNoProxy(t *testing.T) {
	if tr := direct(time.Second).(*http.Transport); tr.Proxy != nil {
		t.Error("there is a proxy")
	}
}
