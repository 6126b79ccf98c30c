package tunevector_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// lender is a shelf from which some tracks are lent to listeners while they have linked an account.
type lender struct {
	*shelf
	h *house

	mu      sync.Mutex
	link    string // the id of the link of the house's listener; "": none
	written []tunevector.TuneVector
	err     error
	late    bool // its music is there still, though no account is linked any more
}

var (
	_ tunevector.Lender         = (*lender)(nil)
	_ tunevector.ListenerTracks = (*lender)(nil)
	_ tunevector.PlaylistWriter = (*lender)(nil)
)

const lentPrefix = "lent-"

func isLent(id string) bool { return strings.HasPrefix(id, lentPrefix) }

func (l *lender) key(link string) store.Key {
	return store.Key{Table: store.Users, Partition: l.h.listener, Sort: "spotify#gate#" + link}
}

func (l *lender) linked() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link
}

// connect links an account.
func (l *lender) connect(t *testing.T) {
	t.Helper()
	id := uuid.NewString()
	require.NoError(t, l.h.store.Store.Apply(t.Context(), store.Put(store.Item{Key: l.key(id), Body: []byte(`{}`)}, store.None)))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link = id
}

// cut ends the link, and deletes what was imported.
func (l *lender) cut(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	id := l.link
	l.link = ""
	l.mu.Unlock()
	imported := preference.ImportedKey(l.h.listener, preference.Spotify)
	require.NoError(t, l.h.store.Store.Apply(context.WithoutCancel(t.Context()), store.Delete(l.key(id), store.None), store.Delete(imported, store.None)))
}

func (l *lender) Guard(_ context.Context, listener uuid.UUID) ([]store.Write, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	if l.link == "" || listener != l.h.listener {
		return nil, nil
	}
	return []store.Write{store.Put(store.Item{Key: l.key(l.link), Body: []byte(`{}`)}, store.Present)}, nil
}

func (l *lender) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lender) Lent(_ context.Context, ids []string) (map[string]bool, error) {
	lent := map[string]bool{}
	for _, id := range ids {
		if isLent(id) {
			lent[id] = true
		}
	}
	return lent, nil
}

func (l *lender) without(tracks []tunevector.Track, listener uuid.UUID) []tunevector.Track {
	if (l.linked() != "" || l.late) && listener == l.h.listener {
		return tracks
	}
	return slices.DeleteFunc(tracks, func(t tunevector.Track) bool { return isLent(t.ID) })
}

func (l *lender) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	tracks, err := l.shelf.Candidates(ctx, q)
	return l.without(slices.Clone(tracks), q.Listener), err
}

func (l *lender) Tracks(ctx context.Context, ids []string) ([]tunevector.Track, error) {
	return l.TracksFor(ctx, uuid.Nil, ids)
}

func (l *lender) TracksFor(ctx context.Context, listener uuid.UUID, ids []string) ([]tunevector.Track, error) {
	tracks, err := l.shelf.Tracks(ctx, ids)
	return l.without(tracks, listener), err
}

func (l *lender) WritePlaylist(_ context.Context, _ uuid.UUID, v tunevector.TuneVector) (tunevector.WrittenPlaylist, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = append(l.written, v)
	return tunevector.WrittenPlaylist{ID: "p", Created: len(l.written) == 1, Tracks: len(v.Plan.Tracks)}, nil
}

// borrowing is a house where every second track of the shelf is lent.
func borrowing(t *testing.T) (*house, *lender) {
	t.Helper()
	var l *lender
	h := openWith(t, func(h *house, o *tunevector.Options) {
		l = &lender{shelf: h.music, h: h}
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
			for i := range tracks {
				if i%2 == 1 {
					tracks[i].ID, tracks[i].Provenance = lentPrefix+tracks[i].ID, tunevector.FromSpotify
					tracks[i].Popularity = 0.95 // so that plans like them
				}
			}
			return tracks
		})
		var err error
		h.preferences, err = preference.NewService(h.store, preference.Options{Now: o.Now, Sources: []preference.Source{preference.Spotify}})
		require.NoError(t, err)
		o.Music, o.Preferences = l, h.preferences
	})
	l.connect(t)
	return h, l
}

func lentOf(v tunevector.TuneVector) (ids []string) {
	for _, t := range v.Plan.Tracks {
		if isLent(t.TrackID) {
			ids = append(ids, t.TrackID)
		}
	}
	return ids
}

// bytesLent are the stored items in which something lent is named.
func bytesLent(t *testing.T, h *house, words ...string) (keys []string) {
	t.Helper()
	for _, table := range store.Tables() {
		scanner, ok := store.As[store.Scanner](h.store.Store)
		require.True(t, ok)
		for cursor := ""; ; {
			page, err := scanner.Scan(t.Context(), table, cursor, 100)
			require.NoError(t, err)
			for _, item := range page.Items {
				for _, word := range append(words, lentPrefix) {
					if strings.Contains(string(item.Body), word) || strings.Contains(item.Key.Sort, word) {
						keys = append(keys, item.Key.Sort+": "+word)
					}
				}
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return keys
}

var hour = tunevector.Definition{Name: "An hour", Mode: tunevector.AI, DurationMinutes: 60}

// Once the account is unlinked nothing is left of what it lent: not in plans, pins, exclusions, what was heard, reasons, or the log.
func TestWithdraw(t *testing.T) {
	h, l := borrowing(t)
	i := preference.Import{Source: preference.Spotify, Preferences: []preference.Addition{{Type: preference.Artist, Value: "Zzyzx Ensemble"}, {Type: preference.Genre, Value: "jazz"}}}
	require.NoError(t, h.preferences.Import(t.Context(), h.listener, i))
	d := hour
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: "lent-jazz-01"}, {Position: 2, TrackID: "jazz-02"}}
	d.Excluded = []string{"lent-pop-03", "pop-04"}
	v, err := h.Create(t.Context(), h.listener, d)
	require.NoError(t, err)
	require.NotEmpty(t, lentOf(v))
	require.Contains(t, v.Plan.Tracks[2].Reasons, "you like jazz on Spotify")
	heard, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	events := []ml.Interaction{}
	for n, track := range heard.Plan.Tracks[:4] {
		events = append(events, ml.Interaction{
			EventID: uuid.New(), TuneVectorID: heard.ID, TrackID: track.TrackID, Action: ml.Complete, At: h.now.Add(time.Duration(n-10) * time.Minute),
		})
	}
	events = append(events, ml.Interaction{EventID: uuid.New(), TrackID: "lent-rock-01", Action: ml.Like, At: h.now}, ml.Interaction{EventID: uuid.New(), TrackID: "rock-00", Action: ml.Like, At: h.now})
	recorded, err := h.Record(t.Context(), h.listener, events)
	require.NoError(t, err)
	require.Equal(t, len(events), recorded.Accepted)
	require.NotEmpty(t, bytesLent(t, h))
	plain, err := h.Create(t.Context(), h.listener, tunevector.Definition{Name: "Plain", Mode: tunevector.Guided, Stages: []tunevector.Stage{{Genre: "rock", Minutes: 20}}})
	require.NoError(t, err)

	l.cut(t)
	require.NoError(t, h.Withdraw(t.Context(), h.listener))
	require.Empty(t, bytesLent(t, h, "Zzyzx", "on Spotify"))
	after, err := h.Get(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.Empty(t, lentOf(after))
	require.Equal(t, []tunevector.Pin{{Position: 2, TrackID: "jazz-02"}}, after.Definition.Pinned)
	require.Equal(t, []string{"pop-04"}, after.Definition.Excluded)
	require.InDelta(t, 3600, after.Plan.DurationSeconds, 300, "it is planned from the music that is left")
	again, err := h.Get(t.Context(), h.listener, heard.ID)
	require.NoError(t, err)
	require.False(t, again.Plan.Tracks[0].Played, "of what was heard something was lent, so it begins anew")
	for _, id := range []uuid.UUID{v.ID, heard.ID, plain.ID} {
		before, err := h.Get(t.Context(), h.listener, id)
		require.NoError(t, err)
		require.NoError(t, h.Withdraw(t.Context(), h.listener))
		now, err := h.Get(t.Context(), h.listener, id)
		require.NoError(t, err)
		require.Equal(t, before, now, "nothing is done twice")
	}
	var left []string
	for i, err := range h.learning.Interactions(t.Context(), h.listener, time.Time{}, time.Time{}, false) {
		require.NoError(t, err)
		left = append(left, i.TrackID)
	}
	require.Contains(t, left, "rock-00")
}

// What was heard of the catalog's stays heard, though something else of the plan was lent.
func TestWithdrawKeepsWhatWasHeard(t *testing.T) {
	h, l := borrowing(t)
	d := hour
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: "rock-00"}, {Position: 1, TrackID: "lent-rock-01"}}
	v, err := h.Create(t.Context(), h.listener, d)
	require.NoError(t, err)
	_, err = h.Record(t.Context(), h.listener, []ml.Interaction{{EventID: uuid.New(), TuneVectorID: v.ID, TrackID: "rock-00", Action: ml.Play, At: h.now}})
	require.NoError(t, err)
	l.cut(t)
	require.NoError(t, h.Withdraw(t.Context(), h.listener))
	after, err := h.Get(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.True(t, after.Plan.Tracks[0].Played)
	require.Equal(t, "rock-00", after.Plan.Tracks[0].TrackID)
	require.Empty(t, bytesLent(t, h))
}

// Whoever meets a vector first after the link has ended has it planned anew, also before all of them are.
func TestLentPlansEndWithTheLink(t *testing.T) {
	h, l := borrowing(t)
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	require.NotEmpty(t, lentOf(v))
	l.cut(t)
	after, err := h.Get(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.Empty(t, lentOf(after))
	renamed, err := h.Update(t.Context(), h.listener, v.ID, func(d *tunevector.Definition) error { d.Name = "Other"; return nil }, store.Version{})
	require.NoError(t, err)
	require.Equal(t, "Other", renamed.Definition.Name)
	require.Empty(t, bytesLent(t, h))
}

// Music is all lent: without it the plan is empty.
func TestWithdrawAll(t *testing.T) {
	h, l := borrowing(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		return slices.DeleteFunc(tracks, func(t tunevector.Track) bool { return !isLent(t.ID) })
	})
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	_, err = h.Record(t.Context(), h.listener, []ml.Interaction{{EventID: uuid.New(), TuneVectorID: v.ID, TrackID: v.Plan.Tracks[1].TrackID, Action: ml.Skip, At: h.now}})
	require.NoError(t, err)
	l.cut(t)
	require.NoError(t, h.Withdraw(t.Context(), h.listener))
	after, err := h.Get(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.Empty(t, after.Plan.Tracks)
	require.Empty(t, bytesLent(t, h))
}

// A link that ends while something is planned from it: what is written then is planned without.
func TestUnlinkedWhilePlanning(t *testing.T) {
	h, l := borrowing(t)
	h.store.onApply(func() { l.cut(t) })
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	require.Empty(t, lentOf(v))
	require.Empty(t, bytesLent(t, h))

	l.connect(t)
	h.store.onApply(func() { l.cut(t) })
	v, err = h.Update(t.Context(), h.listener, v.ID, func(d *tunevector.Definition) error { d.DurationMinutes = 50; return nil }, store.Version{})
	require.NoError(t, err)
	require.Empty(t, lentOf(v))
	require.Empty(t, bytesLent(t, h))

	l.connect(t)
	h.store.onApply(func() { // the writing of the log
		l.cut(t)
		require.NoError(t, h.Withdraw(context.WithoutCancel(t.Context()), h.listener))
	})
	recorded, err := h.Record(t.Context(), h.listener, []ml.Interaction{
		{EventID: uuid.New(), TrackID: "lent-rock-01", Action: ml.Like, At: h.now}, {EventID: uuid.New(), TrackID: "rock-00", Action: ml.Like, At: h.now},
	})
	require.NoError(t, err)
	require.Equal(t, 1, recorded.Accepted)
	require.Empty(t, bytesLent(t, h))
}

// A link that ends while something is told of its music, by a server that is killed right after it has written: nobody is there to take anything back, and nothing is left.
func TestUnlinkedWhileLogging(t *testing.T) {
	h, l := borrowing(t)
	h.store.onApply(func() {
		l.cut(t)
		require.NoError(t, h.Withdraw(context.WithoutCancel(t.Context()), h.listener))
		h.store.breakReads(errBroken)
	})
	told := []ml.Interaction{{EventID: uuid.New(), TrackID: "lent-rock-01", Action: ml.Like, At: h.now}, {EventID: uuid.New(), TrackID: "rock-00", Action: ml.Like, At: h.now}}
	_, err := h.Record(t.Context(), h.listener, told)
	require.ErrorIs(t, err, errBroken)
	h.store.breakReads(nil)
	require.Empty(t, bytesLent(t, h))
	recorded, err := h.Record(t.Context(), h.listener, told)
	require.NoError(t, err)
	require.Equal(t, 1, recorded.Accepted)
	require.Empty(t, bytesLent(t, h))

	l.connect(t) // now what is told is all lent, and more than goes into one Apply
	var many []ml.Interaction
	for i := range 250 {
		many = append(many, ml.Interaction{EventID: uuid.New(), TrackID: "lent-rock-01", Action: ml.Play, At: h.now.Add(-time.Duration(i) * time.Minute)})
	}
	recorded, err = h.Record(t.Context(), h.listener, many)
	require.NoError(t, err)
	require.Equal(t, 250, recorded.Accepted)
	require.Len(t, bytesLent(t, h), 250)
	for i := range many {
		many[i].EventID = uuid.New()
	}
	h.store.onApply(func() {
		h.store.onApply(func() {
			l.cut(t)
			require.NoError(t, h.Withdraw(context.WithoutCancel(t.Context()), h.listener))
		})
	})
	recorded, err = h.Record(t.Context(), h.listener, many)
	require.NoError(t, err)
	require.Zero(t, recorded.Accepted)
	require.Empty(t, bytesLent(t, h))
}

// A vector in which nothing is lent notes what was told of lent music only while there is a link.
func TestUnlinkedWhileNoting(t *testing.T) {
	h, l := borrowing(t)
	l.cut(t)
	for _, d := range []tunevector.Definition{hour, {Name: "Rock", Mode: tunevector.Guided, Stages: []tunevector.Stage{{Genre: "rock", Minutes: 20}}}} {
		v, err := h.Create(t.Context(), h.listener, d)
		require.NoError(t, err)
		require.Empty(t, lentOf(v))
		l.connect(t)
		told := []ml.Interaction{{EventID: uuid.New(), TuneVectorID: v.ID, TrackID: "lent-rock-01", Action: ml.Play, At: h.now}}
		h.store.onApply(func() { // the writing of the log, and then of the vector
			h.store.onApply(func() {
				l.cut(t)
				require.NoError(t, h.Withdraw(context.WithoutCancel(t.Context()), h.listener))
			})
		})
		_, err = h.Record(t.Context(), h.listener, told)
		require.ErrorIs(t, err, fault.ErrUnavailable)
		require.Empty(t, bytesLent(t, h))
		recorded, err := h.Record(t.Context(), h.listener, told)
		require.NoError(t, err)
		require.Zero(t, recorded.Accepted)

		l.connect(t) // what was noted goes with the link, and is guarded until then, whatever the vector is planned from
		told[0].EventID = uuid.New()
		_, err = h.Record(t.Context(), h.listener, told)
		require.NoError(t, err)
		require.NotEmpty(t, bytesLent(t, h))
		l.cut(t)
		require.NoError(t, h.Withdraw(t.Context(), h.listener))
		require.Empty(t, bytesLent(t, h))
	}
}

// Of a listener without a link nothing is kept that is lent, whoever tells it.
func TestNothingLentWithoutLink(t *testing.T) {
	h, l := borrowing(t)
	l.cut(t)
	like := func(id string) ml.Interaction {
		return ml.Interaction{EventID: uuid.New(), TrackID: id, Action: ml.Like, At: h.now}
	}
	recorded, err := h.Record(t.Context(), h.listener, []ml.Interaction{like("lent-rock-01")})
	require.NoError(t, err)
	require.Zero(t, recorded.Accepted)
	recorded, err = h.Record(t.Context(), h.listener, []ml.Interaction{like("lent-rock-01"), like("rock-00")})
	require.NoError(t, err)
	require.Equal(t, 1, recorded.Accepted)
	require.Empty(t, bytesLent(t, h))
	_, err = h.Record(t.Context(), uuid.New(), []ml.Interaction{like("lent-rock-01")})
	require.ErrorIs(t, err, profile.ErrNotFound)

	// What was imported is there still, since the unlinking has not come so far.
	l.connect(t)
	require.NoError(t, h.preferences.Import(t.Context(), h.listener, found("jazz")))
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	l.mu.Lock()
	l.link = ""
	l.mu.Unlock()
	_, err = h.Create(t.Context(), h.listener, hour)
	require.ErrorIs(t, err, fault.ErrUnavailable)
	require.ErrorIs(t, h.Withdraw(t.Context(), h.listener), fault.ErrUnavailable, "it is called again until it succeeds")
	require.NoError(t, h.store.Apply(t.Context(), store.Delete(preference.ImportedKey(h.listener, preference.Spotify), store.None)))
	require.NoError(t, h.Withdraw(t.Context(), h.listener))
	_, err = h.Get(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.Empty(t, bytesLent(t, h, "on Spotify"))
}

func found(genre string) preference.Import {
	return preference.Import{Source: preference.Spotify, Preferences: []preference.Addition{{Type: preference.Genre, Value: genre}}}
}

// While an account is being unlinked its music may be there still. Nothing is made of it then.
func TestUnlinkedAndStillThere(t *testing.T) {
	h, l := borrowing(t)
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	l.late = true
	l.cut(t)
	_, err = h.Create(t.Context(), h.listener, hour)
	require.ErrorIs(t, err, fault.ErrUnavailable)
	_, err = h.Get(t.Context(), h.listener, v.ID)
	require.ErrorIs(t, err, fault.ErrUnavailable)
	l.late = false
	require.NoError(t, h.Withdraw(t.Context(), h.listener))
	require.Empty(t, bytesLent(t, h))
	sorted, err := h.Update(t.Context(), h.listener, v.ID, func(d *tunevector.Definition) error { d.Order = tunevector.TempoAscending; return nil }, store.Version{})
	require.NoError(t, err)
	require.Empty(t, lentOf(sorted))
}

// Whatever fails on the way, a second try finishes it.
func TestWithdrawFails(t *testing.T) {
	h, l := borrowing(t)
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	_, err = h.Record(t.Context(), h.listener, []ml.Interaction{{EventID: uuid.New(), TuneVectorID: v.ID, TrackID: lentOf(v)[0], Action: ml.Like, At: h.now}})
	require.NoError(t, err)
	l.fail(errBroken)
	for name, call := range map[string]func() error{
		"create":   func() error { _, err := h.Create(t.Context(), h.listener, hour); return err },
		"get":      func() error { _, err := h.Get(t.Context(), h.listener, v.ID); return err },
		"withdraw": func() error { return h.Withdraw(t.Context(), h.listener) },
		"record": func() error {
			_, err := h.Record(t.Context(), h.listener, []ml.Interaction{{EventID: uuid.New(), TrackID: "lent-rock-01", Action: ml.Like, At: h.now}})
			return err
		},
	} {
		require.ErrorIs(t, call(), errBroken, name)
	}
	l.fail(nil)
	l.cut(t)
	for at := 1; ; at++ {
		h.store.failRead(at)
		if err := h.Withdraw(t.Context(), h.listener); err == nil {
			require.Greater(t, at, 5)
			break
		}
	}
	h.store.failRead(0)
	require.Empty(t, bytesLent(t, h))
	none := open(t)
	require.NoError(t, none.Withdraw(t.Context(), none.listener), "its provider lends nothing")
}

func TestWritePlaylist(t *testing.T) {
	h, l := borrowing(t)
	v, err := h.Create(t.Context(), h.listener, hour)
	require.NoError(t, err)
	written, err := h.WritePlaylist(t.Context(), h.listener, v.ID)
	require.NoError(t, err)
	require.Equal(t, tunevector.WrittenPlaylist{ID: "p", Created: true, Tracks: len(v.Plan.Tracks)}, written)
	require.Equal(t, []tunevector.TuneVector{v}, l.written)
	_, err = h.WritePlaylist(t.Context(), h.listener, uuid.New())
	require.ErrorIs(t, err, fault.ErrNotFound)
	none := open(t)
	_, err = none.WritePlaylist(t.Context(), none.listener, v.ID)
	require.ErrorIs(t, err, fault.ErrNotFound)
}
