package preference

import (
	"context"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// List returns preferences by index, those that were set and then those that were imported. limit is 1–100; token continues a listing. Where the list changes between
// pages, no preference is listed twice, and none is missed that was there all the time. It reads eventually, which costs half: what was changed a
// moment ago may be listed as it was. v is the list's version, zero for
// a list in which nothing ever was. A profile that does not exist is a not-found error.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) (listing []Preference, next string, v store.Version, err error) {
	var f fault.Fields
	seen, ok := parseToken(token, s.mostListed())
	page.Check(&f, limit, ok)
	if err := f.Err(); err != nil {
		return nil, "", store.Version{}, err
	}
	l, v, err := s.read(ctx, profileID, store.Eventual)
	if err == nil && v == (store.Version{}) {
		l, v, err = s.read(ctx, profileID, store.Strong) // the first preference of all is not missed
	}
	if err != nil {
		return nil, "", store.Version{}, err
	}
	if v == (store.Version{}) {
		if err := profile.CheckOpen(ctx, s.store, profileID); err != nil {
			return nil, "", store.Version{}, err
		}
	}
	imported, err := s.imported(ctx, profileID, len(l), store.Eventual)
	if err != nil {
		return nil, "", store.Version{}, err
	}
	listing = []Preference{}
	var listed []mark
	more := false
	for _, p := range append(l.preferences(), imported...) {
		m := markOf(p.ID)
		_, before := seen[m]
		switch {
		case before:
			listed = append(listed, m)
		case len(listing) < limit:
			listing = append(listing, p)
			listed = append(listed, m)
		default:
			more = true
		}
	}
	if more {
		next = formatToken(listed)
	}
	return listing, next, v, nil
}

// A page token names the preferences that were listed already and are still there, since neither an index nor a
// neighbor means anything once the list was put into another order. Six bytes of each random id tell some hundreds apart.
type mark [6]byte

func markOf(id uuid.UUID) mark { return mark(id[len(id)-len(mark{}):]) }

const tokenKind = 1 // the first byte of a token, for other kinds to come

// mostListed is how many preferences a profile has at most, with what is imported.
func (s *Service) mostListed() int { return MaxPreferences + len(s.sources)*MaxImported }

func formatToken(listed []mark) string {
	b := []byte{tokenKind}
	for _, m := range listed {
		b = append(b, m[:]...)
	}
	return page.EncodeToken(b)
}

// parseToken reads what formatToken wrote; "" is the token of the first page.
func parseToken(token string, most int) (map[mark]struct{}, bool) {
	if token == "" {
		return nil, true
	}
	const size = len(mark{})
	b, ok := page.DecodeToken(token)
	if !ok || len(b) < 1+size || b[0] != tokenKind || len(b) > 1+size*most || (len(b)-1)%size != 0 {
		return nil, false
	}
	seen := make(map[mark]struct{}, len(b)/size)
	for b = b[1:]; len(b) > 0; b = b[size:] {
		seen[mark(b)] = struct{}{}
	}
	return seen, true
}
