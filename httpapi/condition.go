package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// tags reads the entity tags of a header (RFC 9110, 8.8.3) and gives each to yield, the quotes included. It reports
// whether the header is "*", which stands alone. What is not a tag ends it.
func tags(values []string, yield func(tag string, weak bool)) (all bool) {
	if len(values) == 1 && values[0] == "*" {
		return true
	}
	for _, s := range values {
		for {
			s = strings.TrimLeft(s, " \t,")
			rest, weak := strings.CutPrefix(s, "W/")
			if !strings.HasPrefix(rest, `"`) {
				break
			}
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				break
			}
			yield(rest[:end+2], weak)
			s = rest[end+2:]
		}
	}
	return false
}

// conditional turns an answer to a read into 304 where the client has this version already.
func (c *call) conditional(a answer) answer {
	if a.etag == "" || a.status != http.StatusOK || c.route.method != http.MethodGet {
		return a
	}
	given := c.r.Header["If-None-Match"]
	if given == nil {
		return a
	}
	match := false
	if tags(given, func(tag string, _ bool) { match = match || tag == a.etag }) || match {
		return answer{status: http.StatusNotModified, etag: a.etag}
	}
	return a
}

var errStale = fault.New(fault.Stale, "The resource has changed in the meantime")

// change makes a change that depends on If-Match. do is given the version that must be the present one, or none; current
// returns the present one, and is asked only where the client would take several.
func (c *call) change(current func() (store.Version, error), do func(ifMatch store.Version) error) error {
	given := c.r.Header["If-Match"]
	if given == nil {
		return do(store.Version{})
	}
	var versions []store.Version
	if tags(given, func(tag string, weak bool) {
		if v, ok := store.ParseVersion(tag[1 : len(tag)-1]); ok && !weak && tag == etagOf(v) && v != (store.Version{}) {
			versions = append(versions, v)
		}
	}) {
		return do(store.Version{})
	}
	// A version that no resource ever has lets all that comes before it in the order of checks be checked.
	ifMatch := store.NewVersion()
	if len(versions) == 1 {
		ifMatch = versions[0]
	}
	if len(versions) > 1 {
		present, err := current()
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return err
		}
		for _, v := range versions {
			if v == present {
				ifMatch = v
			}
		}
	}
	err := do(ifMatch)
	if errors.Is(err, fault.ErrStale) {
		return errStale
	}
	return err
}

// unversioned makes a change to what has no version, and so none that a client could name.
func (c *call) unversioned(do func() error) error {
	return c.change(func() (store.Version, error) { return store.Version{}, nil }, func(ifMatch store.Version) error {
		if ifMatch != (store.Version{}) {
			return errStale
		}
		return do()
	})
}
