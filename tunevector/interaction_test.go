package tunevector_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

func TestRecordTeaches(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			if tracks[i].Genres[0] == "jazz" {
				tracks[i].Provenance = tunevector.FromSpotify
			}
		}
		return tracks
	})
	like := func(track string) ml.Interaction {
		return ml.Interaction{EventID: uuid.New(), TrackID: track, Action: ml.Like, At: h.now}
	}
	done := []ml.Interaction{like("rock-01"), like("rock-02"), like("jazz-01"), like("nobody knows")}
	require.Equal(t, tunevector.Recorded{Accepted: 4, Replanned: []tunevector.Replanned{}}, h.record(t, done...))
	require.Equal(t, 4, h.record(t, done...).Accepted, "repeated ones included")
	learned := h.learned(t)
	require.Contains(t, learned, "rock")
	require.NotContains(t, learned, "jazz", "what came from Spotify does not teach")
	require.Equal(t, 2, learned["rock"], "each event once")
	require.Len(t, h.observed.of("tunevector.record"), 2)
	require.Equal(t, tunevector.Recorded{Accepted: 1, Replanned: []tunevector.Replanned{}}, h.record(t, like("unknown")), "nothing to learn")
}

// learned is what was learned of genres, and from how many signals.
func (h *house) learned(t require.TestingT) map[string]int {
	all, err := h.preferences.Learned(h.ctx, h.listener, func(uuid.UUID) bool { return true })
	require.NoError(t, err)
	genres := map[string]int{}
	for _, l := range all {
		if l.Type == preference.Genre {
			genres[l.Value] = l.Count
		}
	}
	return genres
}

func TestRecordNamesAllThatIsWrong(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(20))
	good := h.did(v, ml.Play, 0)
	stranger := h.did(v, ml.Play, 0)
	stranger.TuneVectorID = uuid.New()
	_, err := h.Record(h.ctx, h.listener, []ml.Interaction{good, stranger, {EventID: uuid.New(), Action: "hum", TuneVectorID: stranger.TuneVectorID}})
	fields := wrong(t, err)
	require.Equal(t, "No such tune vector", fields["events[1].tuneVectorId"])
	require.Contains(t, fields, "events[2].tuneVectorId")
	require.Contains(t, fields, "events[2].action")
	require.Contains(t, fields, "events[2].trackId")
	require.NotContains(t, fields, "events[0].tuneVectorId")
	require.False(t, h.get(t, v.ID).Plan.Tracks[0].Played, "nothing of it was taken")
	_, err = h.Record(h.ctx, h.listener, make([]ml.Interaction, ml.MaxBatch+1))
	require.Contains(t, wrong(t, err), "events")

	other := uuid.New()
	h.admit(t, other)
	_, err = h.Record(h.ctx, other, []ml.Interaction{good})
	require.Contains(t, wrong(t, err), "events[0].tuneVectorId", "another listener's")
}

func TestSkipsBendPlayingAIVectors(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(60))
	skipped := genreOf(v, 0)
	var done []ml.Interaction
	for i := range 3 {
		skip := h.did(v, ml.Skip, i)
		skip.TrackID, skip.PositionSeconds = v.Plan.Tracks[i].TrackID, p(2.0)
		done = append(done, skip)
	}
	r := h.record(t, done...)
	require.Len(t, r.Replanned, 1)
	require.Equal(t, v.ID, r.Replanned[0].TuneVectorID)
	require.GreaterOrEqual(t, r.Replanned[0].FromPosition, 3)
	require.Contains(t, r.Replanned[0].Reasons, "you skipped 3 tracks")
	now := h.get(t, v.ID)
	requirePlan(t, now)
	require.Equal(t, ids(v)[:r.Replanned[0].FromPosition], ids(now)[:r.Replanned[0].FromPosition])
	require.NotEqual(t, ids(v)[r.Replanned[0].FromPosition], ids(now)[r.Replanned[0].FromPosition])
	require.Less(t, count(now, skipped), count(v, skipped), "less of what was skipped: %s", skipped)
	require.Len(t, h.observed.of("tunevector.replan"), 1)

	version := now.Version
	require.Empty(t, h.record(t, done...).Replanned, "nothing is done twice")
	require.Equal(t, version, h.get(t, v.ID).Version)
}

func genreOf(v tunevector.TuneVector, i int) string { return v.Plan.Tracks[i].Genres[0] }

func count(v tunevector.TuneVector, genre string) int {
	n := 0
	for _, t := range v.Plan.Tracks[3:] {
		if slices.Contains(t.Genres, genre) {
			n++
		}
	}
	return n
}

func TestNothingFlutters(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(60))
	for i := range 3 {
		r := h.record(t, h.did(v, ml.Play, i))
		require.Empty(t, r.Replanned, "to go on is no reason for another plan")
		h.now = h.now.Add(3 * time.Minute)
	}
	require.Equal(t, ids(v), ids(h.get(t, v.ID)))
}

func TestWhatDoesNotBend(t *testing.T) {
	skips := func(h *house, v tunevector.TuneVector) []ml.Interaction {
		return []ml.Interaction{h.did(v, ml.Dislike, 0), h.did(v, ml.Dislike, 1), h.did(v, ml.Skip, 2)}
	}
	t.Run("guided", func(t *testing.T) {
		h := open(t)
		v := h.create(t, guided())
		require.Empty(t, h.record(t, skips(h, v)...).Replanned)
		now := h.get(t, v.ID)
		require.Equal(t, ids(v), ids(now))
		require.True(t, now.Plan.Tracks[2].Played)
	})
	t.Run("over", func(t *testing.T) {
		h := open(t)
		v := h.create(t, ai(30))
		h.record(t, h.did(v, ml.Play, 0))
		h.now = h.now.Add(31 * time.Minute)
		require.Empty(t, h.record(t, skips(h, v)...).Replanned)
		require.Zero(t, h.items(t, "playing#"))
	})
	t.Run("no vector named", func(t *testing.T) {
		h := open(t)
		v := h.create(t, ai(30))
		done := skips(h, v)
		for i := range done {
			done[i].TuneVectorID = uuid.Nil
		}
		require.Empty(t, h.record(t, done...).Replanned)
		require.False(t, h.get(t, v.ID).Plan.Tracks[0].Played)
	})
	t.Run("no music any more", func(t *testing.T) {
		h := open(t)
		v := h.create(t, ai(30))
		h.music.change(func([]tunevector.Track) []tunevector.Track { return nil })
		require.Empty(t, h.record(t, skips(h, v)...).Replanned)
		now := h.get(t, v.ID)
		require.Equal(t, ids(v), ids(now), "a plan that cannot be bettered stays")
		require.True(t, now.Plan.Tracks[2].Played)
	})
	t.Run("a liking of what comes later", func(t *testing.T) {
		h := open(t)
		v := h.create(t, ai(30))
		h.record(t, h.did(v, ml.Like, 4))
		require.False(t, h.get(t, v.ID).Plan.Tracks[0].Played, "to like is not to hear")
	})
}

func TestOldMomentsAreForgotten(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	var done []ml.Interaction
	for i := range 60 {
		e := h.did(v, ml.Rate, 0)
		e.Rating, e.At = p(4), h.now.Add(time.Duration(i-60)*time.Second)
		done = append(done, e)
	}
	h.record(t, done...)
	version := h.get(t, v.ID).Version
	h.record(t, done[:10]...)
	require.Equal(t, version, h.get(t, v.ID).Version, "what was dropped once is dropped again")
}

// A batch that failed half-way is finished by the same batch, whichever write failed and whether or not it was made.
func TestRecordCanBeTriedAgain(t *testing.T) {
	for at := 1; ; at++ {
		reached := false
		for _, after := range []bool{false, true} {
			h := open(t)
			v := h.create(t, ai(60))
			var done []ml.Interaction
			for i := range 3 {
				e := h.did(v, ml.Skip, i)
				e.PositionSeconds = p(1.0)
				done = append(done, e)
			}
			h.store.fail(at, after)
			_, err := h.Record(h.ctx, h.listener, done)
			reached = reached || err != nil
			h.store.fail(0, false)
			r := h.record(t, done...)
			name := fmt.Sprintf("write %d, after %v", at, after)
			require.Equal(t, 3, r.Accepted, name)
			now := h.get(t, v.ID)
			requirePlan(t, now)
			require.True(t, now.Plan.Tracks[2].Played, name)
			require.Less(t, count(now, genreOf(v, 0)), count(v, genreOf(v, 0)), name)
			n := 0
			for _, err := range h.learning.Interactions(h.ctx, h.listener, time.Time{}, time.Time{}, false) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, 3, n, name)
			require.Equal(t, 3, total(h.learned(t)), name)
		}
		if !reached {
			require.Greater(t, at, 2, "several writes were tried")
			return
		}
	}
}

// What was logged just now counts, also where the log does not show it yet.
func TestNewsAheadOfTheLog(t *testing.T) {
	h := open(t)
	h.store.behind = true
	v := h.create(t, ai(60))
	hated := h.did(v, ml.Dislike, 5)
	hated.TuneVectorID = uuid.Nil
	h.record(t, hated, hated, h.did(v, ml.Play, 0))
	for _, track := range h.get(t, v.ID).Plan.Tracks {
		require.NotEqual(t, hated.TrackID, track.TrackID)
	}
}

func total(learned map[string]int) int {
	n := 0
	for _, c := range learned {
		n += c
	}
	return n
}

func TestReadingsBendPlayingAIVectors(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	steps := h.opt(t, variable.Accelerometer)
	v := h.create(t, ai(40))
	still := h.create(t, ai(40))
	h.record(t, h.did(v, ml.Play, 0))
	require.Equal(t, 1, h.items(t, "playing#"))

	h.read(t, steps, variable.Reading{Value: 12, Cadence: p(168.0)})
	now := h.get(t, v.ID)
	requirePlan(t, now)
	require.InDelta(t, 168, now.Start.Tempo, 1e-9)
	require.InDelta(t, v.Start.Energy+0.2, now.Start.Energy, 0.03)
	require.Equal(t, ids(v)[0], ids(now)[0])
	require.NotEqual(t, ids(v), ids(now))
	require.Contains(t, now.Plan.Tracks[1].Reasons, "you run at 168 steps a minute")
	require.Equal(t, ids(still), ids(h.get(t, still.ID)), "what is not playing stays")

	h.read(t, noise, variable.Reading{Value: 55})
	require.Equal(t, ids(now), ids(h.get(t, v.ID)), "as usual: nothing changes")

	h.record(t, h.did(now, ml.Play, 2))
	h.optOut(t, steps)
	calm := h.get(t, v.ID)
	requirePlan(t, calm)
	require.InDelta(t, v.Start.Energy, calm.Start.Energy, 0.03, "nothing of the steps is left")
	require.InDelta(t, v.Start.Tempo, calm.Start.Tempo, 3)
	require.Equal(t, ids(now)[:3], ids(calm)[:3])
	for _, track := range calm.Plan.Tracks {
		require.NotContains(t, track.Reasons, "you run at 168 steps a minute")
		require.InDelta(t, calm.Start.Tempo, track.Target.Tempo, 1e-3, "targets of what was played included")
	}
}

func TestOptingOutDropsPlans(t *testing.T) {
	readers := map[string]func(*testing.T, *house, uuid.UUID) tunevector.TuneVector{
		"get": func(t *testing.T, h *house, id uuid.UUID) tunevector.TuneVector { return h.get(t, id) },
		"list": func(t *testing.T, h *house, id uuid.UUID) tunevector.TuneVector {
			listed, _, err := h.List(h.ctx, h.listener, 10, "")
			require.NoError(t, err)
			v := h.get(t, id)
			require.Equal(t, v.Start, listed[0].Start)
			require.Equal(t, v.Version, listed[0].Version, "it was stored")
			return v
		},
		"rename": func(t *testing.T, h *house, id uuid.UUID) tunevector.TuneVector {
			return h.update(t, id, func(d *tunevector.Definition) { d.Name = "x" })
		},
		"resort": func(t *testing.T, h *house, id uuid.UUID) tunevector.TuneVector {
			h.update(t, id, func(d *tunevector.Definition) { d.Order = tunevector.Shuffle })
			return h.update(t, id, func(d *tunevector.Definition) { d.Order = tunevector.ByArc })
		},
		"replace": func(t *testing.T, h *house, id uuid.UUID) tunevector.TuneVector {
			return h.update(t, id, func(d *tunevector.Definition) { d.Excluded = []string{"nothing"} })
		},
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			h.now = time.Date(2026, 5, 4, 21, 0, 0, 0, time.UTC) // 23 h in Berlin
			hour := h.opt(t, variable.TimeOfDay)
			d := ai(30)
			d.Direction, d.Seed = tunevector.Descent, p(int64(5))
			v := h.create(t, d)
			require.InDelta(t, 0.7, v.Start.Energy, 1e-9)
			require.Contains(t, v.Plan.Tracks[0].Reasons, "late evening: calmer")
			h.optOut(t, hour)
			now := read(t, h, v.ID)
			require.InDelta(t, 0.85, now.Start.Energy, 1e-9)
			require.NotContains(t, now.Plan.Tracks[0].Reasons, "late evening: calmer")
			require.Equal(t, ids(open(t).create(t, d)), ids(now), "the plan is one that was never told the hour")
		})
	}
	t.Run("without music", func(t *testing.T) {
		h := open(t)
		hour := h.opt(t, variable.TimeOfDay)
		v := h.create(t, ai(30))
		h.record(t, h.did(v, ml.Play, 1))
		h.music.change(func([]tunevector.Track) []tunevector.Track { return nil })
		h.optOut(t, hour)
		now := h.get(t, v.ID)
		require.Equal(t, ids(v)[:2], ids(now), "what was played, and nothing else")
		require.Nil(t, now.Plan.Gap)
	})
	t.Run("opting in again", func(t *testing.T) {
		h := open(t)
		hour := h.opt(t, variable.TimeOfDay)
		v := h.create(t, ai(30))
		h.optOut(t, hour)
		_, err := h.variables.Update(h.ctx, h.listener, hour.ID, variable.Changes{OptedIn: p(true)}, store.Version{})
		require.NoError(t, err)
		require.NotEqual(t, v.Version, h.get(t, v.ID).Version, "it is another consent")
	})
	t.Run("broken", func(t *testing.T) {
		h := open(t)
		hour := h.opt(t, variable.TimeOfDay)
		v := h.create(t, ai(30))
		h.optOut(t, hour)
		h.music.fail(errBroken)
		_, err := h.Get(h.ctx, h.listener, v.ID)
		require.ErrorIs(t, err, errBroken, "rather than to serve it")
		_, _, err = h.List(h.ctx, h.listener, 10, "")
		require.ErrorIs(t, err, errBroken)
	})
}

func TestRatingsTeachUnderTheirConsent(t *testing.T) {
	h := open(t)
	rating := h.opt(t, variable.VectorRating)
	v := h.create(t, guided(tunevector.Stage{Genre: "jazz", Minutes: 20}))
	h.record(t, h.did(v, ml.Play, 3))
	before := h.learned(t)["jazz"]
	at := h.now
	good := variable.Reading{Value: 5, TuneVectorID: v.ID, At: at}
	h.read(t, rating, good)
	require.Equal(t, before+4, h.learned(t)["jazz"], "each track that was heard")
	h.read(t, rating, good)
	require.Equal(t, before+4, h.learned(t)["jazz"], "a rating is learned from once")
	h.read(t, rating, variable.Reading{Value: 3, TuneVectorID: v.ID}, variable.Reading{Value: 1, TuneVectorID: uuid.New()})
	require.Equal(t, before+4, h.learned(t)["jazz"], "a 3 says nothing, and neither does the rating of a vector that is gone")

	h.optOut(t, rating)
	require.Equal(t, before, h.learned(t)["jazz"], "forgotten")
	require.NotEqual(t, v.Version, h.get(t, v.ID).Version)
	requirePlan(t, h.get(t, v.ID))
}

func TestHookFailsWhereItMust(t *testing.T) {
	h := open(t)
	noise, rating := h.opt(t, variable.AmbientNoise), h.opt(t, variable.VectorRating)
	v := h.create(t, ai(40))
	h.record(t, h.did(v, ml.Play, 0))
	h.music.fail(errBroken)
	require.ErrorIs(t, h.variables.Record(h.ctx, h.listener, noise.ID, []variable.Reading{{Value: 90}}), errBroken)
	require.ErrorIs(t, h.variables.Record(h.ctx, h.listener, rating.ID, []variable.Reading{{Value: 5, TuneVectorID: v.ID}}), errBroken)
	h.music.fail(nil)
	require.NoError(t, h.Delete(h.ctx, h.listener, v.ID, store.Version{}))
	h.read(t, noise, variable.Reading{Value: 90})
}

func TestTasteShapesPlans(t *testing.T) {
	h := open(t)
	d := ai(40)
	d.Seed = p(int64(3))
	before := h.create(t, d)
	h.likes(t, preference.Genre, "jazz", 1)
	h.likes(t, preference.Artist, "pop artist 3", 1)
	h.likes(t, preference.Tempo, "100-110", 1)
	after := h.create(t, d)
	requirePlan(t, after)
	require.Greater(t, genre(after, "jazz"), genre(before, "jazz"))
	require.InDelta(t, 105, after.Start.Tempo, 15)
	require.Less(t, after.Start.Energy, before.Start.Energy, "the middle of jazz is calmer")
	told := 0
	for _, track := range after.Plan.Tracks {
		if slices.ContainsFunc(track.Reasons, func(r string) bool { return r == "you like jazz" }) {
			told++
		}
	}
	require.Positive(t, told)

	h.likes(t, preference.Genre, "rock", -1)
	never := h.create(t, d)
	require.Zero(t, genre(never, "rock"), "what is avoided is not planned")
	_, err := h.Create(h.ctx, h.listener, guided(tunevector.Stage{Genre: "rock", Minutes: 10}))
	require.ErrorIs(t, err, fault.ErrConflict)
}

func TestArtistsAloneShapeTheMiddle(t *testing.T) {
	h := open(t)
	h.likes(t, preference.Artist, "ambient artist 2", 1)
	v := h.create(t, ai(30))
	require.Less(t, v.Start.Energy, 0.45)
	guidedBy := h.create(t, guided())
	requirePlan(t, guidedBy)
}

func genre(v tunevector.TuneVector, name string) int {
	n := 0
	for _, t := range v.Plan.Tracks {
		if slices.Contains(t.Genres, name) {
			n++
		}
	}
	return n
}

func TestDislikedTracksAreNotPlanned(t *testing.T) {
	h := open(t)
	d := ai(20)
	d.Seed = p(int64(8))
	v := h.create(t, d)
	first := ids(v)[0]
	e := h.did(v, ml.Dislike, 0)
	h.record(t, e)
	require.NotContains(t, ids(h.create(t, d)), first)
	h.now = h.now.Add(time.Minute)
	h.record(t, h.did(v, ml.Like, 0))
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: first}}
	require.Equal(t, first, ids(h.create(t, d))[0], "forgiven")
}

func TestBatchesOfOneMomentAreTakenOnce(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	var done []ml.Interaction
	for range 60 {
		e := h.did(v, ml.Rate, 0)
		e.Rating = p(4)
		done = append(done, e)
	}
	h.record(t, done...)
	version := h.get(t, v.ID).Version
	h.record(t, done...)
	require.Equal(t, version, h.get(t, v.ID).Version, "which of them stay does not depend on how often they are told")
}

// A vector that is sorted after ratings were opted into has been explained with what they taught.
func TestResortCarriesTheConsentOfRatings(t *testing.T) {
	h := open(t)
	played := h.create(t, guided(tunevector.Stage{Genre: "jazz", Minutes: 20}))
	h.record(t, h.did(played, ml.Play, 3))
	v := h.create(t, guided(tunevector.Stage{Genre: "jazz", Minutes: 30}))
	rating := h.opt(t, variable.VectorRating)
	h.read(t, rating, variable.Reading{Value: 5, TuneVectorID: played.ID})
	v = h.update(t, v.ID, func(d *tunevector.Definition) { d.Order = tunevector.EnergyDescending })
	h.optOut(t, rating)
	require.NotEqual(t, v.Version, h.get(t, v.ID).Version, "planned anew")
}

// What one call plans is bounded, however many vectors are playing.
func TestManyPlayingVectors(t *testing.T) {
	h := open(t)
	const playing = 12
	var done []ml.Interaction
	var vectors []uuid.UUID
	for range playing {
		v := h.create(t, ai(15))
		vectors = append(vectors, v.ID)
		done = append(done, h.did(v, ml.Skip, 0), h.did(v, ml.Skip, 1))
	}
	planned := func() int { return len(h.observed.of("tunevector.plan")) }
	before := planned()
	h.record(t, done...)
	require.Equal(t, 8, planned()-before)
	for _, id := range vectors {
		require.True(t, h.get(t, id).Plan.Tracks[1].Played, "all are noted")
	}
	noise := h.opt(t, variable.AmbientNoise)
	before = planned()
	h.read(t, noise, variable.Reading{Value: 90})
	require.Equal(t, 8, planned()-before)
	for i, id := range vectors {
		told := slices.ContainsFunc(h.get(t, id).Plan.Tracks, func(t tunevector.PlannedTrack) bool {
			return slices.Contains(t.Reasons, "loud around you: more energy")
		})
		require.Equal(t, i >= playing-8, told, "those made last are planned anew")
	}
}

// However many ratings come at once, telling them again teaches nothing.
func TestManyRatingsTeachOnce(t *testing.T) {
	h := open(t)
	rating := h.opt(t, variable.VectorRating)
	v := h.create(t, ai(60))
	h.record(t, h.did(v, ml.Play, len(v.Plan.Tracks)-1))
	var all []variable.Reading
	for i := range 40 {
		all = append(all, variable.Reading{Value: 5, TuneVectorID: v.ID, At: h.now.Add(time.Duration(i-40) * time.Minute)})
	}
	h.read(t, rating, all...)
	learned := total(h.learned(t))
	require.Positive(t, learned)
	h.read(t, rating, all...)
	require.Equal(t, learned, total(h.learned(t)))
}
