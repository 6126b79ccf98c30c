package spotify_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/contracttest"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// desk gives tokens and gates for accounts that were granted something, without the flow by which that comes about.
type desk struct {
	store store.Store
	fake  *spotifytest.Server

	mu      sync.Mutex
	links   map[uuid.UUID]string // profile → the link's id
	access  map[uuid.UUID]string
	scopes  map[uuid.UUID][]string
	account map[uuid.UUID]string
	renewed int
}

var (
	_ spotify.Tokens     = (*desk)(nil)
	_ spotify.Gatekeeper = (*desk)(nil)
)

func (d *desk) link(t *testing.T, profileID uuid.UUID, account string, scopes ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	id := uuid.NewString()
	access, _ := d.fake.Grant(account, scopes...)
	d.links[profileID], d.access[profileID], d.scopes[profileID], d.account[profileID] = id, access, scopes, account
	w := store.Put(store.Item{Key: spotify.Key(profileID, "gate#"+id), Body: []byte(`{}`)}, store.None)
	require.NoError(t, d.store.Apply(t.Context(), w))
}

// unlink ends a link, and wipes what is under the prefix.
func (d *desk) unlink(t *testing.T, profileID uuid.UUID) {
	t.Helper()
	d.mu.Lock()
	id := d.links[profileID]
	delete(d.links, profileID)
	d.mu.Unlock()
	require.NoError(t, d.store.Apply(t.Context(), store.Delete(spotify.Key(profileID, "gate#"+id), store.None)))
	_, err := store.Wipe(t.Context(), d.store, store.Users, profileID, spotify.Prefix)
	require.NoError(t, err)
}

func (d *desk) Token(_ context.Context, profileID uuid.UUID) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[profileID] == "" {
		return "", spotify.ErrNotLinked
	}
	return d.access[profileID], nil
}

func (d *desk) Renew(_ context.Context, profileID uuid.UUID, refused string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[profileID] == "" {
		return "", spotify.ErrNotLinked
	}
	if d.access[profileID] == refused {
		d.renewed++
		d.access[profileID], _ = d.fake.Grant(d.account[profileID], d.scopes[profileID]...)
	}
	return d.access[profileID], nil
}

func (d *desk) Scopes(_ context.Context, profileID uuid.UUID) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[profileID] == "" {
		return nil, spotify.ErrNotLinked
	}
	return d.scopes[profileID], nil
}

func (d *desk) Gate(_ context.Context, profileID uuid.UUID) ([]store.Write, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[profileID] == "" {
		return nil, spotify.ErrNotLinked
	}
	return []store.Write{store.Put(store.Item{Key: spotify.Key(profileID, "gate#"+d.links[profileID]), Body: []byte(`{}`)}, store.Present)}, nil
}

// studio is a Spotify, a store, and what asks one and keeps in the other.
type studio struct {
	clock       *clock
	fake        *spotifytest.Server
	store       store.Store
	desk        *desk
	client      *spotify.Client
	provider    *spotify.Provider
	preferences *preference.Service
	profiles    *profile.Service
	ada         uuid.UUID
	log         *lockedBuffer
	checked     bool // held against the contract, where that is at hand; it takes its time
	slept       []time.Duration
}

// settings alter what a studio is made of.
type settings func(*spotify.ClientOptions, *spotify.ProviderOptions)

// open opens a studio where Ada has an account at Spotify, linked unless she is told not to.
func open(t *testing.T, alter ...settings) *studio {
	t.Helper()
	s := &studio{clock: newClock(), log: &lockedBuffer{}}
	s.fake = spotifytest.New(spotifytest.Options{Now: s.clock.Now, AccessTokenTTL: 1000 * time.Hour})
	s.fake.Add(spotifytest.Account{ID: "ada", DisplayName: "Ada", Country: "SE"}, spotifytest.Account{ID: "bob"})
	s.store = memstore.New(&memstore.Options{Now: s.clock.Now})
	s.desk = &desk{
		store: s.store, fake: s.fake, links: map[uuid.UUID]string{}, access: map[uuid.UUID]string{}, scopes: map[uuid.UUID][]string{}, account: map[uuid.UUID]string{},
	}
	var err error
	s.profiles, err = profile.NewService(s.store, profile.Options{Now: s.clock.Now})
	require.NoError(t, err)
	s.ada = uuid.New()
	require.NoError(t, s.store.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(s.ada), Body: []byte(`{}`)}, store.None)))
	s.preferences, err = preference.NewService(s.store, preference.Options{Now: s.clock.Now, Sources: []preference.Source{preference.Spotify}})
	require.NoError(t, err)
	co := spotify.ClientOptions{
		Tokens: s.desk, BaseURL: s.fake.URL() + "/v1", HTTP: &http.Client{Transport: s.transport(t)}, PerSecond: 1e6, Burst: 1e6, Now: s.clock.Now,
	}
	po := spotify.ProviderOptions{Store: s.store, Gate: s.desk, Now: s.clock.Now, Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, a := range alter {
		a(&co, &po)
	}
	s.client, err = spotify.NewClient(co)
	require.NoError(t, err)
	s.client.SleepBy(func(ctx context.Context, d time.Duration) error {
		s.slept = append(s.slept, d)
		s.clock.advance(d)
		return ctx.Err()
	})
	po.Client = s.client
	s.provider, err = spotify.NewProvider(po)
	require.NoError(t, err)
	s.provider.ImportInto(s.preferences)
	return s
}

// transport reaches the fake, and holds all that goes there and comes back against the contract, where that is at hand.
func (s *studio) transport(t *testing.T) http.RoundTripper {
	t.Helper()
	held := contracttest.FromEnv(t).Transport(s.fake)
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if !s.checked || r.URL.Path == "/v1/tracks" { // Spotify sends null for ids that it does not know, of which the contract says nothing
			return s.fake.RoundTrip(r)
		}
		return held.RoundTrip(r)
	})
}

// all are the scopes for everything that is read.
func all() []string {
	return append(spotify.DefaultScopes(), spotify.ScopeReadRecent, spotify.ScopeReadPlaceInPod)
}

var errBroken = errors.New("broken")
