package profile

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// slow is a store whose reads take a second.
type slow struct {
	store.Store
	reads atomic.Int32
}

func (s *slow) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	s.reads.Add(1)
	if err := wait(ctx, time.Second); err != nil {
		return store.Item{}, err
	}
	return s.Store.Get(ctx, key, r)
}

func ring(s store.Store) *keyring {
	return newKeyring(s, Options{Now: time.Now, SessionTTL: time.Hour, KeyRotation: 24 * time.Hour})
}

// A thousand tokens with keys that do not exist cost two reads, and do not keep the good ones from being found.
func TestVerifierReadsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memstore.New(nil)
		s := &slow{Store: m}
		k := ring(s)
		key, err := ring(m).signer(t.Context())
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				_, err := k.verifier(t.Context(), fmt.Sprint("invented", i))
				assert.ErrorIs(t, err, errNoKey)
			})
		}
		synctest.Wait()
		wg.Go(func() {
			got, err := k.verifier(t.Context(), key.ID)
			if assert.NoError(t, err) {
				assert.Equal(t, key, got)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = k.verifier(ctx, "invented")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		wg.Wait()
		require.LessOrEqual(t, s.reads.Load(), int32(2))
	})
}

// Many instances that start at once agree on one key.
func TestSignersAgree(t *testing.T) {
	m := memstore.New(nil)
	var (
		wg   sync.WaitGroup
		keys [20]SigningKey
	)
	for i := range keys {
		wg.Go(func() {
			var err error
			keys[i], err = ring(m).signer(context.WithoutCancel(t.Context()))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	for _, key := range keys {
		require.Equal(t, keys[0], key)
	}
}
