package preference

import (
	"context"

	"github.com/rhythmiq/rhythmiq/store"
)

// stripes are a fixed number of locks, each shared by the profiles whose ids end in the same byte modulo that number. They only
// make contention cheaper: correctness rests on the store's conditions.
type stripes []chan struct{}

const stripeCount = 64

func newStripes() stripes {
	s := make(stripes, stripeCount)
	for i := range s {
		s[i] = make(chan struct{}, 1)
	}
	return s
}

// acquire waits for a profile's lock or the end of ctx.
func (s stripes) acquire(ctx context.Context, p store.Partition) (release func(), err error) {
	lock := s[int(p[len(p)-1])%len(s)] // the end of a UUID is random
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
