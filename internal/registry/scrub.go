package registry

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// scrubber knows the secrets that were sent, to take them out of what a registry says: some repeat the request in their messages.
type scrubber struct {
	mu     sync.Mutex
	values []string
}

const maxSecrets = 512 // a token per repository, some of them renewed

func (s *scrubber) header(h http.Header) {
	if _, v, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		s.add(v)
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			if _, password, ok := strings.Cut(string(b), ":"); ok {
				s.add(password)
			}
		}
	}
}

func (s *scrubber) credential(c credential) {
	for _, v := range c.secrets {
		s.add(v)
	}
}

func (s *scrubber) add(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(v) >= 4 && len(s.values) < maxSecrets && !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}

func (s *scrubber) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, "[secret]")
	}
	return text
}
