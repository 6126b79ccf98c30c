package spotify_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// faulty is a store whose n-th call from now on fails.
type faulty struct {
	store.Store
	mu     sync.Mutex
	calls  int
	failAt int
}

func (f *faulty) fail(at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.failAt = 0, at
}

func (f *faulty) next() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls++; f.calls == f.failAt {
		return errBroken
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if err := f.next(); err != nil {
		return store.Item{}, err
	}
	return f.Store.Get(ctx, key, r)
}

func (f *faulty) Apply(ctx context.Context, w ...store.Write) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.Store.Apply(ctx, w...)
}

// Whatever the store refuses, it is told, and a second try does it.
func TestStoreFails(t *testing.T) {
	var f *faulty
	s := linked(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) {
		f = &faulty{Store: p.Store}
		p.Store = f
	})
	far := s.fake.AddTracks(spotifytest.Track{Name: "Far", Artists: []string{"Omega"}, Milliseconds: 100_000})[0]
	s.desk.link(t, s.ada, "ada", append(all(), spotify.ScopeModifyPrivate)...)
	v := tunevector.TuneVector{ID: uuid.New(), Definition: tunevector.Definition{Name: "x"}, Plan: &tunevector.Plan{Tracks: []tunevector.PlannedTrack{{URI: "spotify:track:" + far}}}}
	for name, call := range map[string]func() error{
		"import":     func() error { _, err := s.provider.Import(t.Context(), s.ada); return err },
		"candidates": func() error { _, err := s.provider.Candidates(t.Context(), query(s.ada, "Omega")); return err },
		"tracks":     func() error { _, err := s.provider.TracksFor(t.Context(), s.ada, []string{far}); return err },
		"playlist":   func() error { _, err := s.provider.WritePlaylist(t.Context(), s.ada, v); return err },
	} {
		for at := 1; ; at++ {
			require.Less(t, at, 100, name)
			f.fail(at)
			err := call()
			f.fail(0)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errBroken, name)
			s.clock.advance(2 * time.Minute)
			require.NoError(t, call(), name)
			s.clock.advance(25 * time.Hour)
			_, err = store.Wipe(t.Context(), s.store, store.Users, s.ada, "spotify#found")
			require.NoError(t, err)
		}
	}
	require.Len(t, s.fake.Playlists("ada"), 1)
}

// What is stored and is not what it should be is told as that.
func TestDamagedStore(t *testing.T) {
	s := linked(t)
	require.NoError(t, s.imports(t))
	for _, key := range s.left(t) {
		if strings.HasPrefix(key, "spotify#gate") || key == string(preference.Spotify)+"#preferences" || key == string(preference.Spotify)+"#rejected" {
			continue
		}
		k := store.Key{Table: store.Users, Partition: s.ada, Sort: key}
		sound, err := s.store.Get(t.Context(), k, store.Strong)
		require.NoError(t, err)
		require.NoError(t, s.store.Apply(t.Context(), store.Put(store.Item{Key: k, Body: []byte(`{"pieces": 7, "parts": "x"}`)}, store.None)))
		_, err = s.provider.Candidates(t.Context(), query(s.ada))
		require.ErrorContains(t, err, "read "+strings.TrimPrefix(key, ""))
		require.NoError(t, s.store.Apply(t.Context(), store.Put(store.Item{Key: k, Body: sound.Body, ExpiresAt: sound.ExpiresAt}, store.None)))
	}
	// A part that is missing was replaced, or is being: after a while that is told.
	require.NoError(t, s.store.Apply(t.Context(), store.Delete(spotify.Key(s.ada, "library#0"), store.None)))
	_, err := s.provider.Candidates(t.Context(), query(s.ada))
	require.ErrorContains(t, err, "replaced again and again")
}

// A large library is kept in parts, and a smaller one leaves none of them behind; what is found is bounded.
func TestLargeLibrary(t *testing.T) {
	s := open(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) { p.Tracks = 2000 })
	var tracks []spotifytest.Track
	for i := range 2000 {
		tracks = append(tracks, spotifytest.Track{Name: fmt.Sprint("Song ", i, strings.Repeat(" and on", 30)), Artists: []string{fmt.Sprint("Band ", i%40)}, Milliseconds: 200_000})
	}
	ids := s.fake.AddTracks(tracks...)
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: ids})
	s.desk.link(t, s.ada, "ada", spotify.ScopeReadLibrary)
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Equal(t, 2000, r.Tracks)
	require.Contains(t, s.left(t), "spotify#library#2")
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Limit: 5000}), 2000)
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: ids[:10]})
	s.clock.advance(25 * time.Hour)
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Limit: 5000}), 510, "and the last 500 of those that are saved no more, since plans may have them")
	require.NotContains(t, s.left(t), "spotify#library#1")
	for i := range 120 {
		s.clock.advance(time.Second)
		s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Genres: []string{fmt.Sprint("a ", i), fmt.Sprint("b ", i), fmt.Sprint("c ", i)}})
	}
	asked := s.fake.Count("GET /v1/search")
	require.Equal(t, 360, asked)
	s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Genres: []string{"a 119"}})
	require.Equal(t, asked, s.fake.Count("GET /v1/search"))
}
