package tunevector_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Whichever read of whatever call fails, of the store or of the provider, the call says so and can be made again.
func TestEveryReadMayFail(t *testing.T) {
	type fixture struct {
		*house
		v     tunevector.TuneVector
		noise variable.Variable
		stars variable.Variable
		done  []ml.Interaction
	}
	set := func(t *testing.T) *fixture {
		f := &fixture{house: open(t)}
		f.likes(t, preference.Genre, "jazz", 0.8)
		f.likes(t, preference.Artist, "rock artist 3", 0.8)
		f.noise, f.stars = f.opt(t, variable.AmbientNoise), f.opt(t, variable.VectorRating)
		f.read(t, f.noise, variable.Reading{Value: 80})
		f.v = f.create(t, ai(12))
		f.record(t, f.did(f.v, ml.Complete, 0))
		f.done = []ml.Interaction{f.did(f.v, ml.Dislike, 1)}
		return f
	}
	calls := map[string]func(*fixture) error{
		"create ai": func(f *fixture) error { _, err := f.Create(f.ctx, f.listener, ai(12)); return err },
		"create guided": func(f *fixture) error {
			_, err := f.Create(f.ctx, f.listener, guided(tunevector.Stage{Genre: "rock", Minutes: 6}, tunevector.Stage{Genre: "pop", Minutes: 6}))
			return err
		},
		"get": func(f *fixture) error { _, err := f.Get(f.ctx, f.listener, f.v.ID); return err },
		"update": func(f *fixture) error {
			_, err := f.tryUpdate(f.v.ID, func(d *tunevector.Definition) { d.DurationMinutes++ })
			return err
		},
		"resort": func(f *fixture) error {
			_, err := f.tryUpdate(f.v.ID, func(d *tunevector.Definition) { d.Order = tunevector.Shuffle })
			return err
		},
		"record": func(f *fixture) error { _, err := f.Record(f.ctx, f.listener, f.done); return err },
		"read": func(f *fixture) error {
			return f.variables.Record(f.ctx, f.listener, f.noise.ID, []variable.Reading{{Value: 30, At: f.now}})
		},
		"rate": func(f *fixture) error {
			return f.variables.Record(f.ctx, f.listener, f.stars.ID, []variable.Reading{{Value: 5, TuneVectorID: f.v.ID, At: f.now}})
		},
		"get without consent":  func(f *fixture) error { _, err := f.Get(f.ctx, f.listener, f.v.ID); return err },
		"list without consent": func(f *fixture) error { _, _, err := f.List(f.ctx, f.listener, 9, ""); return err },
		"recommend":            func(f *fixture) error { _, err := f.Recommend(f.ctx, f.listener, 9); return err },
		"any":                  func(f *fixture) error { _, err := f.Any(f.ctx, f.listener); return err },
		"delete":               func(f *fixture) error { return f.Delete(f.ctx, f.listener, f.v.ID, store.Version{}) },
		"delete all":           func(f *fixture) error { return f.DeleteAll(f.ctx, f.listener) },
		"no music for a genre": func(f *fixture) error {
			_, err := f.Create(f.ctx, f.listener, guided(tunevector.Stage{Genre: "polka", Minutes: 6}))
			return refused(err)
		},
		"none short enough": func(f *fixture) error { _, err := f.Create(f.ctx, f.listener, ai(1)); return refused(err) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			f := set(t)
			if name == "get without consent" || name == "list without consent" {
				require.NoError(t, f.Delete(f.ctx, f.listener, f.v.ID, store.Version{}))
				f.v = f.create(t, ai(12)) // not playing, so that opting out leaves it to its reader
				f.optOut(t, f.noise)
			}
			for which, fail := range map[string]func(int){"store": f.store.failRead, "music": f.music.failCall} {
				for at := 1; ; at++ {
					fail(at)
					err := call(f)
					fail(0)
					if err == nil {
						break // there was no such read
					}
					require.ErrorIs(t, err, errBroken, "%s, read %d", which, at)
				}
				if name == "delete" {
					return // there is nothing left to delete
				}
			}
			require.NoError(t, call(f))
		})
	}
}

// refused is nil for the refusal that is expected, so that what remains is what broke.
func refused(err error) error {
	if e, ok := asConflict(err); ok && e != "" {
		return nil
	}
	return err
}

// A provider that filters nothing is lived with.
func TestProvidersThatDoNotFilter(t *testing.T) {
	h := openWith(t, func(h *house, o *tunevector.Options) { o.Music = careless{h.music} })
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			if i%5 == 0 {
				tracks[i].DurationSeconds = 5000
			}
			if tracks[i].Kind == tunevector.Playlist && i%2 == 0 {
				tracks[i].Kind = ""
			}
		}
		return tracks
	})
	v := h.create(t, with(ai(20), func(d *tunevector.Definition) { d.ExcludeExplicit, d.Excluded = true, []string{"rock-01", "pop-01"} }))
	requirePlan(t, v)
	for _, track := range v.Plan.Tracks {
		require.Less(t, track.DurationSeconds, 2400.0)
		require.False(t, explicit(h, track.TrackID))
		require.NotContains(t, []string{"talk", "rain"}, track.Genres[0])
	}
}

type careless struct{ *shelf }

func (c careless) Candidates(_ context.Context, _ tunevector.CandidateQuery) ([]tunevector.Track, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tracks, nil
}

// What is deleted while it is adapted, or listed, is gone, and no error.
func TestDeletedInBetween(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(12))
	e := h.did(v, ml.Play, 0)
	removed := false
	h.store.onApply(func() {
		if !removed {
			removed = true
			_ = h.Delete(h.ctx, h.listener, v.ID, store.Version{})
		}
	})
	r := h.record(t, e)
	require.True(t, removed)
	require.Equal(t, 1, r.Accepted)
	require.Zero(t, h.items(t, "vector#"))
	require.Zero(t, h.items(t, "playing#"))
}

func TestOldInteractionsMoveTheBeginning(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	other := h.create(t, ai(30))
	early := h.did(v, ml.Play, 0)
	h.now = h.now.Add(20 * time.Minute)
	late, too := h.did(v, ml.Play, 1), h.did(other, ml.Play, 0)
	h.record(t, late, too)
	h.record(t, early)
	h.now = h.now.Add(15 * time.Minute) // 35 after the first
	for i := range 3 {
		skip := h.did(v, ml.Skip, 2+i)
		skip.EventID, skip.PositionSeconds = uuid.New(), p(1.0)
		require.Empty(t, h.record(t, skip).Replanned, "its time has passed")
	}
	require.Equal(t, 1, h.items(t, "playing#"), "the other's has not")
}

func TestMuchHistory(t *testing.T) {
	h := open(t)
	var heard []string
	for i := range 301 {
		heard = append(heard, fmt.Sprintf("rock-%02d", i%90))
	}
	h.hear(t, ml.Play, heard...)
	requirePlan(t, h.create(t, ai(30)))
	h.likes(t, preference.Genre, "pop", -1)
	for _, r := range h.recommend(t, 50) {
		require.NotContains(t, r.TrackID, "pop-")
	}
}
