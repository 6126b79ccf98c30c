package spotify_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Tokens that were made at one moment fall due over a third of their life, none before its half or in its last sixth.
func TestDueTimesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		var dues []time.Duration
		for range 50 {
			id := b.linked(t)
			item, err := b.store.Get(t.Context(), spotify.Key(id, "link"), store.Strong)
			require.NoError(t, err)
			var link struct {
				Due time.Time `json:"due"`
			}
			require.NoError(t, item.Decode(&link))
			dues = append(dues, time.Until(link.Due))
		}
		require.GreaterOrEqual(t, slices.Min(dues), 30*time.Minute)
		require.LessOrEqual(t, slices.Max(dues), 50*time.Minute)
		require.Less(t, slices.Min(dues), 35*time.Minute)
		require.Greater(t, slices.Max(dues), 45*time.Minute)
		require.NoError(t, b.links.Close())
	})
}

// A profile that is deleted at the moment at which its link is saved has none, and nothing of the account is kept.
func TestDeletedWhileLinked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deleting := &broken{}
		b := newBubble(t, spotifytest.Options{}, deleting.over)
		id := b.profile(t)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		b.fake.SignIn("ada")
		begun, err := b.links.Begin(t.Context(), id, linking.Request{})
		require.NoError(t, err)
		deleting.apply = func(writes []store.Write, next func() error) error {
			if brings(writes, "spotify#link", "") {
				if err := b.store.Apply(t.Context(), store.Delete(profile.GateKey(id), store.None)); err != nil {
					return err
				}
			}
			return next()
		}
		_, err = b.links.Finish(t.Context(), b.goes(t, begun))
		require.ErrorIs(t, err, rhythmiq.ErrNotFound)
		require.Equal(t, spotify.None, b.state(t, id).State)
		require.NotContains(t, everything(t, b.store), "spotify#claim")
		require.Empty(t, b.due(t, id))
		require.NoError(t, b.links.Close())
	})
}

// Where the accounts service sends its callers elsewhere, no code and no refresh token goes there.
func TestAccountsAreNotRedirected(t *testing.T) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	h := build(t, plan{})
	l := h.listener(t)
	h.fake.Inject(spotifytest.Fault{Path: "/api/token", Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere.URL}}})
	l.do(t, http.MethodGet, l.begin(t), nil).is(t, 503)
	h.fake.Heal()
	l.link(t)
	h.clock.advance(time.Hour)
	h.fake.Inject(spotifytest.Fault{Path: "/api/token", Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere.URL}}})
	_, err := h.links.Token(t.Context(), l.id)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	require.Zero(t, asked.Load())
}

// What was found by a search is kept as long as anything, and no longer for what was found after it.
func TestFoundIsForgotten(t *testing.T) {
	s := linked(t)
	first := s.fake.AddTracks(spotifytest.Track{Name: "First", Artists: []string{"Omega"}, Milliseconds: 100_000})[0]
	second := s.fake.AddTracks(spotifytest.Track{Name: "Second", Artists: []string{"Psi"}, Milliseconds: 100_000})[0]
	kept := func() []string {
		tracks, err := s.provider.Library(t.Context(), s.ada)
		require.NoError(t, err)
		return ids(tracks)
	}
	s.candidates(t, query(s.ada, "Omega"))
	require.Contains(t, kept(), first)
	s.clock.advance(6 * 24 * time.Hour)
	s.candidates(t, query(s.ada, "Psi"))
	require.Contains(t, kept(), first)
	require.Contains(t, kept(), second)
	s.clock.advance(25 * time.Hour)
	require.NotContains(t, kept(), first)
	require.Contains(t, kept(), second)
}
