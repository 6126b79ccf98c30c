package spotify_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// bubble is Links and a Spotify without any network, for tests in testing/synctest, whose time is simulated.
type bubble struct {
	fake  *spotifytest.Server
	store store.Store
	links *spotify.Links
	log   *bytes.Buffer

	musicLog lockedBuffer
}

func newBubble(t *testing.T, o spotifytest.Options, wrap func(store.Store) store.Store, changes ...func(*spotify.Options)) *bubble {
	t.Helper()
	o.Now = time.Now
	b := &bubble{fake: spotifytest.New(o), log: &bytes.Buffer{}}
	b.store = memstore.New(&memstore.Options{Now: time.Now})
	used := b.store
	if wrap != nil {
		used = wrap(used)
	}
	b.links = b.process(t, used, changes...)
	return b
}

// process returns other Links over a store.
func (b *bubble) process(t *testing.T, s store.Store, changes ...func(*spotify.Options)) *spotify.Links {
	t.Helper()
	o := spotify.Options{
		ClientID: b.fake.ClientID(), ClientSecret: b.fake.ClientSecret(), RedirectURI: "https://example.com/spotify/callback", Cipher: ring(t, "a"),
		PerSecond: 1e6, Burst: 1e6, AccountsURL: b.fake.URL(), APIURL: b.fake.URL(), Client: b.fake.Client(), Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, change := range changes {
		change(&o)
	}
	links, err := spotify.NewLinks(s, o)
	require.NoError(t, err)
	return links
}

// profile makes a profile as far as this package asks for one.
func (b *bubble) profile(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.Absent),
		store.Put(store.Item{Key: store.Key{Table: store.Users, Partition: id, Sort: "login"}, Body: []byte(`{"password":"x"}`)}, store.Absent)))
	return id
}

// goes sends a browser to Spotify and returns what it brings back.
func (b *bubble) goes(t *testing.T, begun linking.Begun) linking.Callback {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, begun.AuthorizeURL, http.NoBody)
	require.NoError(t, err)
	res, err := b.fake.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	q := to.Query()
	return linking.Callback{
		Code: q.Get("code"), State: q.Get("state"), Error: q.Get("error"), Cookies: map[string]string{begun.Cookie.Name: begun.Cookie.Value},
	}
}

// linked makes a profile whose owner has linked an account of their own.
func (b *bubble) linked(t *testing.T) uuid.UUID {
	t.Helper()
	id := b.profile(t)
	b.fake.Add(spotifytest.Account{ID: "user-" + id.String()})
	b.fake.SignIn("user-" + id.String())
	begun, err := b.links.Begin(t.Context(), id, linking.Request{})
	require.NoError(t, err)
	_, err = b.links.Finish(t.Context(), b.goes(t, begun))
	require.NoError(t, err)
	return id
}

// request asks to link the account that waits, from the browser that signed in.
func request(out linking.Outcome) linking.Request {
	return linking.Request{Pending: out.Pending, Cookies: map[string]string{out.PendingCookie.Name: out.PendingCookie.Value}}
}

func (b *bubble) state(t *testing.T, id uuid.UUID) spotify.Link {
	t.Helper()
	link, err := b.links.Link(t.Context(), id)
	require.NoError(t, err)
	return link
}

// good reports whether Spotify takes an access token.
func (b *bubble) good(t *testing.T, token string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.fake.URL()+"/v1/me", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := b.fake.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode == http.StatusOK
}

// due returns the jobs that wait.
func (b *bubble) due(t *testing.T, id uuid.UUID) (jobs []store.Item) {
	t.Helper()
	scanner, ok := store.As[store.Scanner](b.store)
	require.True(t, ok)
	for cursor := ""; ; {
		page, err := scanner.Scan(t.Context(), store.Users, cursor, 0)
		require.NoError(t, err)
		for _, item := range page.Items {
			if bytes.HasPrefix([]byte(item.Key.Sort), []byte("refresh-spotify@")) && bytes.HasSuffix([]byte(item.Key.Sort), []byte(id.String())) {
				jobs = append(jobs, item)
			}
		}
		if cursor = page.Next; cursor == "" {
			return jobs
		}
	}
}

// broken is a store of which something fails.
type broken struct {
	store.Store
	apply func(writes []store.Write, next func() error) error
	get   func(key store.Key) error
}

// over breaks a store.
func (b *broken) over(s store.Store) store.Store {
	b.Store = s
	return b
}

func (b *broken) Apply(ctx context.Context, writes ...store.Write) error {
	next := func() error { return b.Store.Apply(ctx, writes...) }
	if b.apply == nil {
		return next()
	}
	return b.apply(writes, next)
}

func (b *broken) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if b.get != nil {
		if err := b.get(key); err != nil {
			return store.Item{}, err
		}
	}
	return b.Store.Get(ctx, key, r)
}

// brings reports whether writes hold a put whose body has a text in it.
func brings(writes []store.Write, sort, text string) bool {
	for _, w := range writes {
		if w.Key.Sort == sort && !w.Delete && bytes.Contains(w.Body, []byte(text)) {
			return true
		}
	}
	return false
}
