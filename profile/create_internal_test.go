package profile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// count is an Observer that counts hashes.
type count struct{ hashes int }

func (c *count) Observe(_ context.Context, e observe.Event) {
	if e.Operation == "profile.hash-password" {
		c.hashes++
	}
}

func ann(username string) Registration {
	return Registration{
		Username: username, FirstName: "Ann", LastName: "Lee", Email: username + "@example.com",
		PhoneNumber: "+12015550123", Password: "correct horse",
	}
}

// While a sign-up, a login or a change of password waits for its turn to hash: its turn comes, its caller goes
// away, somebody takes the name.
func TestWaiting(t *testing.T) {
	start := func(t *testing.T) (s, other *Service, hashes *count, release func()) {
		t.Helper()
		m := memstore.New(nil)
		hashes = &count{}
		s, err := NewService(m, Options{Hash: cheapHash, HashConcurrency: 1, Observer: hashes})
		require.NoError(t, err)
		other, err = NewService(m, Options{Hash: cheapHash})
		require.NoError(t, err)
		_, release, err = s.hasher.turn(t.Context())
		require.NoError(t, err)
		return s, other, hashes, release
	}
	login := Credentials{Username: "alice", Password: "correct horse"}

	t.Run("its turn comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _, hashes, release := start(t)
			go func() {
				<-time.After(time.Second)
				release()
			}()
			_, err := s.Create(t.Context(), ann("alice"))
			require.NoError(t, err)
			require.Equal(t, 1, hashes.hashes)
			_, err = s.Login(t.Context(), login)
			require.NoError(t, err)
		})
	})
	t.Run("the name is taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, other, hashes, release := start(t)
			go func() {
				<-time.After(time.Second)
				_, _ = other.Create(context.WithoutCancel(t.Context()), ann("alice"))
				release()
			}()
			_, err := s.Create(t.Context(), ann("alice"))
			require.ErrorIs(t, err, fault.ErrConflict)
			require.Zero(t, hashes.hashes)
		})
	})
	t.Run("its caller goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, other, hashes, release := start(t)
			p, err := other.Create(t.Context(), ann("alice"))
			require.NoError(t, err)
			secret := "another password"
			for _, run := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := s.Create(ctx, ann("bob")); return err },
				func(ctx context.Context) error { _, err := s.Login(ctx, login); return err },
				func(ctx context.Context) error {
					_, err := s.Update(ctx, p.ID, Changes{Password: &secret}, store.Version{})
					return err
				},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := run(ctx)
				require.ErrorIs(t, err, fault.ErrUnavailable)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			require.Zero(t, hashes.hashes)
			release()
			_, err = s.Login(t.Context(), login) // nothing has changed, and no turn was lost
			require.NoError(t, err)
		})
	})
}
