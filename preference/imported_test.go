package preference_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

var fromSpotify = preference.Options{Sources: []preference.Source{preference.Spotify}}

func found(weight float64, values ...string) preference.Import {
	i := preference.Import{Source: preference.Spotify}
	for _, v := range values {
		typ, value, _ := strings.Cut(v, " ")
		i.Preferences = append(i.Preferences, preference.Addition{Type: preference.Type(typ), Value: value, Weight: &weight})
	}
	return i
}

func (h *home) listed(t *testing.T) []preference.Preference {
	t.Helper()
	page, _, _, err := h.List(t.Context(), h.profile, 100, "")
	require.NoError(t, err)
	return page
}

// What is imported stands behind what was set, keeps its ids when it is imported again, and stays away once the listener has deleted it.
func TestImport(t *testing.T) {
	h := newHome(t, fromSpotify)
	h.add(t, preference.Genre, "rock", 1)
	i := found(0.6, "genre Jazz", "artist Ella", "genre jazz", "genre  ", "mood x", "artist "+strings.Repeat("x", 101), "genre ROCK")
	i.Preferences = append(i.Preferences, preference.Addition{Type: preference.Artist, Value: "Nobody said how much"})
	require.NoError(t, h.Import(t.Context(), h.profile, i))
	listed := h.listed(t)
	require.Equal(t, []string{"rock", "Jazz", "Ella", "ROCK", "Nobody said how much"}, h.values(t), "what is wrong, or there twice, is left out")
	require.Empty(t, listed[0].Source)
	for n, p := range listed[1:] {
		require.Equal(t, preference.Spotify, p.Source)
		require.Equal(t, []float64{0.6, 0.6, 0.6, 1}[n], p.Weight)
	}
	jazz := listed[1]
	one, version, err := h.Get(t.Context(), h.profile, jazz.ID)
	require.NoError(t, err)
	require.Equal(t, jazz, one)
	require.NotZero(t, version)

	_, _, err = h.Update(t.Context(), h.profile, jazz.ID, preference.Changes{Weight: ptr(0.1)}, store.Version{})
	requireKind(t, err, fault.Conflict, "This preference came from Spotify and cannot be changed; create one of your own, which goes before it, or delete it")
	require.NoError(t, h.Delete(t.Context(), h.profile, listed[2].ID, store.Version{}))
	requireKind(t, h.Delete(t.Context(), h.profile, listed[2].ID, store.Version{}), fault.NotFound, "Preference with the specified ID does not exist")
	h.now = h.now.Add(time.Hour)
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.5, "artist ella", "genre jazz", "artist Nina")))
	again := h.listed(t)
	require.Equal(t, []string{"rock", "jazz", "Nina"}, h.values(t))
	require.Equal(t, jazz.ID, again[1].ID)
	require.Equal(t, jazz.CreatedAt, again[1].CreatedAt)
	require.NotEqual(t, jazz.UpdatedAt, again[1].UpdatedAt)

	has, err := h.Any(t.Context(), h.profile)
	require.NoError(t, err)
	require.True(t, has)
	require.NoError(t, h.DeleteAll(t.Context(), h.profile))
	require.Empty(t, h.values(t))
	_, err = h.store.Get(t.Context(), preference.ImportedKey(h.profile, preference.Spotify), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.5, "artist Ella")))
	require.Equal(t, []string{"Ella"}, h.values(t), "nor is it known any more what was deleted")
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.5, "genre jazz")))
	has, err = h.Any(t.Context(), h.profile)
	require.NoError(t, err)
	require.False(t, has, "what was imported keeps no profile")
}

func TestImportedTaste(t *testing.T) {
	h := newHome(t, fromSpotify)
	taste := func() preference.Taste {
		taste, err := h.Taste(t.Context(), h.profile, nil)
		require.NoError(t, err)
		return taste
	}
	require.False(t, taste().Imported())
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.8, "genre jazz", "artist Ella")))
	require.True(t, taste().Imported())
	score, reasons := taste().Score(preference.Traits{Genres: []string{"jazz"}})
	require.Positive(t, score)
	require.Equal(t, []string{"you like jazz on Spotify"}, reasons)
	require.Equal(t, []string{"Ella"}, taste().Artists())
	h.add(t, preference.Genre, "Jazz", -1)
	score, reasons = taste().Score(preference.Traits{Genres: []string{"jazz"}})
	require.Negative(t, score, "the listener's own word goes before")
	require.Equal(t, []string{"you avoid Jazz"}, reasons)
}

// Nothing is kept once the source may be read no more, or the profile is gone, and it is gone by itself after a while.
func TestImportIsGuarded(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	o := fromSpotify
	o.Now = func() time.Time { return now }
	h := newHomeOn(t, st, o)
	link := store.Key{Table: store.Users, Partition: h.profile, Sort: "spotify#gate"}
	i := found(0.8, "genre jazz")
	i.Guard = []store.Write{store.Put(store.Item{Key: link, Body: []byte(`{}`)}, store.Present)}
	i.ExpiresAt = now.Add(time.Hour)
	require.True(t, store.Has(h.Import(t.Context(), h.profile, i), link))
	require.Empty(t, h.values(t))
	require.NoError(t, st.Apply(t.Context(), store.Put(store.Item{Key: link, Body: []byte(`{}`)}, store.None)))
	require.NoError(t, h.Import(t.Context(), h.profile, i))
	require.Equal(t, []string{"jazz"}, h.values(t))
	require.NoError(t, h.Delete(t.Context(), h.profile, h.listed(t)[0].ID, store.Version{}))
	item, err := st.Get(t.Context(), preference.ImportedKey(h.profile, preference.Spotify), store.Strong)
	require.NoError(t, err)
	require.Equal(t, i.ExpiresAt, item.ExpiresAt, "deleting a preference keeps the rest no longer")
	now = now.Add(time.Hour)
	require.Empty(t, h.values(t))

	// What was deleted stays so for longer than that.
	i = found(0.8, "genre jazz", "genre pop")
	require.NoError(t, h.Import(t.Context(), h.profile, i))
	require.Equal(t, []string{"pop"}, h.values(t))
	rejected, err := st.Get(t.Context(), store.Key{Table: store.Users, Partition: h.profile, Sort: "spotify#rejected"}, store.Strong)
	require.NoError(t, err)
	require.Zero(t, rejected.ExpiresAt)
	require.NotContains(t, string(rejected.Body), "jazz")

	closeGate(t, st, h.profile)
	require.ErrorIs(t, h.Import(t.Context(), h.profile, i), profile.ErrNotFound)
	require.Error(t, newHome(t, preference.Options{}).Import(t.Context(), h.profile, i), "it was not told of the source")
	_, err = preference.NewService(st, preference.Options{Sources: []preference.Source{"spotify", "spotify", "x"}})
	requireFields(t, err, map[string]string{"sources[1]": "Must be spotify, once", "sources[2]": "Must be spotify, once"})
}

// A long list with all that is imported is listed page by page, each once.
func TestImportedPages(t *testing.T) {
	h := newHome(t, fromSpotify)
	var values []string
	for n := range preference.MaxImported + 5 {
		values = append(values, fmt.Sprintf("artist number %d", n))
	}
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.8, values...)))
	for n := range preference.MaxPreferences {
		h.add(t, preference.Genre, fmt.Sprintf("genre %d", n), 1)
	}
	token, seen := "", map[uuid.UUID]bool{}
	for {
		page, next, _, err := h.List(t.Context(), h.profile, 7, token)
		require.NoError(t, err)
		for _, p := range page {
			require.Equal(t, len(seen), p.Index)
			require.False(t, seen[p.ID])
			seen[p.ID] = true
		}
		if token = next; token == "" {
			break
		}
	}
	require.Len(t, seen, preference.MaxPreferences+preference.MaxImported)
}

func TestImportWhileTheStoreFails(t *testing.T) {
	st := &failing{Store: newHome(t, preference.Options{}).store}
	h := newHomeOn(t, st, fromSpotify)
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.8, "genre jazz")))
	sound, err := preference.NewService(st.Store, fromSpotify)
	require.NoError(t, err)
	listed, _, _, err := sound.List(t.Context(), h.profile, 1, "")
	require.NoError(t, err)
	p := listed[0]
	spoil := func(body string) {
		w := store.Put(store.Item{Key: preference.ImportedKey(h.profile, preference.Spotify), Body: []byte(body)}, store.None)
		require.NoError(t, st.Store.Apply(t.Context(), w))
	}
	calls := map[string]func() error{
		"import": func() error { return h.Import(t.Context(), h.profile, found(0.8, "genre pop")) },
		"delete": func() error { return h.Delete(t.Context(), h.profile, p.ID, store.Version{}) },
		"get":    func() error { _, _, err := h.Get(t.Context(), h.profile, p.ID); return err },
		"list":   func() error { _, _, _, err := h.List(t.Context(), h.profile, 1, ""); return err },
		"taste":  func() error { _, err := h.Taste(t.Context(), h.profile, nil); return err },
		"update": func() error {
			_, _, err := h.Update(t.Context(), h.profile, p.ID, preference.Changes{Weight: ptr(0.1)}, store.Version{})
			return err
		},
	}
	spoil(`{"preferences": 7}`)
	for name, call := range calls {
		if name != "list" { // which reads what this store does not show
			require.Error(t, call(), name)
		}
	}
	_, _, _, err = sound.List(t.Context(), h.profile, 1, "")
	require.Error(t, err)
	spoil(`{"preferences": []}`)
	requireKind(t, calls["update"](), fault.NotFound, "Preference with the specified ID does not exist")
	requireKind(t, calls["get"](), fault.NotFound, "Preference with the specified ID does not exist")
}

// A listener who deletes a preference while all that came from the source is deleted leaves nothing behind.
func TestRejectedWhileAllIsDeleted(t *testing.T) {
	h := newHome(t, fromSpotify)
	key := store.Key{Table: store.Users, Partition: h.profile, Sort: "spotify#rejected"}
	require.NoError(t, h.Import(t.Context(), h.profile, found(0.5, "genre jazz")))
	late, err := preference.NewService(wiping{h.store, key}, fromSpotify)
	require.NoError(t, err)
	requireKind(t, late.Delete(t.Context(), h.profile, h.listed(t)[0].ID, store.Version{}), fault.NotFound, "Preference with the specified ID does not exist")
	_, err = h.store.Get(t.Context(), key, store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)

	require.NoError(t, h.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{"hashes": 7}`)}, store.None)))
	require.ErrorContains(t, h.Import(t.Context(), h.profile, found(0.5, "genre pop")), "what was rejected")
	require.ErrorContains(t, h.Delete(t.Context(), h.profile, h.listed(t)[0].ID, store.Version{}), "what was rejected")
}

// wiping deletes an item before anything else is written.
type wiping struct {
	store.Store
	key store.Key
}

func (w wiping) Apply(ctx context.Context, writes ...store.Write) error {
	if err := w.Store.Apply(ctx, store.Delete(w.key, store.None)); err != nil {
		return err
	}
	return w.Store.Apply(ctx, writes...)
}
