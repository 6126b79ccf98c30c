package tunevector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

func TestNewServiceNamesAllThatIsMissing(t *testing.T) {
	_, err := tunevector.NewService(tunevector.Options{})
	require.Len(t, wrong(t, err), 5)
}

func TestCreateAndGet(t *testing.T) {
	h := open(t)
	v := h.create(t, tunevector.Definition{
		Name: "  Evening  ", Mode: tunevector.Guided, Direction: tunevector.Descent,
		Stages: []tunevector.Stage{{Genre: " Rock ", Minutes: 15}, {Genre: "ambient", Minutes: 15}},
	})
	require.Equal(t, uuid.Version(7), v.ID.Version())
	require.Equal(t, "Evening", v.Definition.Name)
	require.Equal(t, noon, v.CreatedAt)
	require.Equal(t, noon, v.UpdatedAt)
	require.InDelta(t, 0.85, v.Start.Energy, 1e-9)
	require.InDelta(t, 0.25, v.End.Energy, 1e-9)
	require.NotZero(t, v.Seed)
	requirePlan(t, v)
	for _, track := range v.Plan.Tracks {
		genre := "rock"
		if track.StartSeconds >= 15*60 {
			genre = "ambient"
		}
		require.Equal(t, []string{genre}, track.Genres, "at %v s", track.StartSeconds)
		require.NotEmpty(t, track.Title)
		require.NotEmpty(t, track.URI)
	}
	require.Contains(t, v.Plan.Tracks[0].Reasons, "opens the rock stage")
	require.NotNil(t, v.Plan.LowerBound)
	require.GreaterOrEqual(t, v.Plan.Cost, *v.Plan.LowerBound-1e-3)
	require.True(t, v.Plan.Complete)

	require.Equal(t, v, h.get(t, v.ID))
	require.NotEmpty(t, h.observed.of("tunevector.plan"))
	require.Equal(t, "ok", h.observed.of("tunevector.plan")[0].Status)
}

// requirePlan holds a plan against what every plan must keep.
func requirePlan(t require.TestingT, v tunevector.TuneVector) {
	require.NotNil(t, v.Plan)
	require.NotEmpty(t, v.Plan.Tracks)
	seen, longest, at := map[string]bool{}, 0.0, 0.0
	for i, track := range v.Plan.Tracks {
		require.Equal(t, i, track.Position)
		require.False(t, seen[track.TrackID], "%s twice", track.TrackID)
		seen[track.TrackID] = true
		require.InDelta(t, at, track.StartSeconds, 0.01)
		at += track.DurationSeconds
		longest = max(longest, track.DurationSeconds)
		require.NotEmpty(t, track.Reasons)
		for _, near := range v.Plan.Tracks[max(0, i-1):i] {
			if len(near.Artists) == 0 {
				continue // nobody is there to be spaced
			}
			require.NotEqual(t, near.Artists, track.Artists, "neighbors by one artist")
		}
	}
	require.InDelta(t, at, v.Plan.DurationSeconds, 0.01)
	require.InDelta(t, 60*v.Definition.Filled().DurationMinutes, at, longest/2+0.01)
	requireStages(t, v)
}

// requireStages checks that in a plan along the arc each track still to come, but for a pinned one, is of the genre of the stage in
// which its middle lies.
func requireStages(t require.TestingT, v tunevector.TuneVector) {
	d := v.Definition.Filled()
	if d.Order != tunevector.ByArc {
		return // sorted, a stage's last track may be another than the one it was planned to end with
	}
	var stages []planner.Stage
	end := 0.0
	for _, s := range d.Stages {
		end += 60 * float64(s.Minutes)
		stages = append(stages, planner.Stage{End: end})
	}
	for i, track := range v.Plan.Tracks {
		stage := planner.StageAt(stages, track.StartSeconds, track.DurationSeconds)
		if stage < 0 || track.Played || slices.Contains(track.Reasons, "pinned by you") {
			continue
		}
		require.Contains(t, track.Genres, strings.ToLower(strings.TrimSpace(d.Stages[stage].Genre)), "track %d in stage %d", i, stage)
	}
}

func TestCreateRefusesBeforeAnythingIsStored(t *testing.T) {
	tests := []struct {
		name    string
		d       tunevector.Definition
		plain   bool // the provider does not know its genres
		empty   bool // nor has any music
		kind    error
		message string // or
		field   string
	}{
		{name: "invalid", d: tunevector.Definition{}, kind: fault.ErrInvalid, field: "name"},
		{
			name: "an unknown genre", d: guided(tunevector.Stage{Genre: "Polka", Minutes: 9}), kind: fault.ErrConflict,
			message: `No music for genre "polka"; known genres: ambient, jazz, pop, rock`,
		},
		{
			name: "an unknown genre, of a provider that cannot list them", d: guided(tunevector.Stage{Genre: "polka", Minutes: 9}), plain: true,
			kind: fault.ErrConflict, message: `No music for genre "polka"`,
		},
		{
			name: "an unknown genre of podcasts", d: with(guided(tunevector.Stage{Genre: "rock", Minutes: 9}), podcasts), kind: fault.ErrConflict,
			message: `No podcasts for genre "rock"; known genres: talk`,
		},
		{name: "an empty catalog", d: ai(9), empty: true, kind: fault.ErrConflict, message: "The catalog has no music"},
		{name: "no podcasts", d: with(ai(9), podcasts), empty: true, kind: fault.ErrConflict, message: "The catalog has no podcasts"},
		{
			name: "no genres at all", d: guided(tunevector.Stage{Genre: "rock", Minutes: 9}), empty: true, kind: fault.ErrConflict,
			message: `No music for genre "rock": the catalog has no music`,
		},
		{name: "too short", d: ai(1), kind: fault.ErrConflict, message: "No music is short enough for 1 minutes"},
		{name: "too little", d: with(ai(200), podcasts), kind: fault.ErrConflict, message: "Not enough podcasts to fill 200 minutes"},
		{
			name: "too little for a stage", d: guided(tunevector.Stage{Genre: "pop", Minutes: 5}, tunevector.Stage{Genre: "rock", Minutes: 600}), kind: fault.ErrConflict,
			message: "Not enough music for stages[1] (rock)",
		},
		{
			name: "an unknown pin", d: with(ai(30), func(d *tunevector.Definition) { d.Pinned = []tunevector.Pin{{Position: 1, TrackID: "nobody"}} }),
			kind: fault.ErrInvalid, field: "pinned[0].trackId",
		},
		{
			name: "a pin beyond the plan", d: with(ai(30), func(d *tunevector.Definition) { d.Pinned = []tunevector.Pin{{Position: 40, TrackID: "rock-01"}} }),
			kind: fault.ErrInvalid, field: "pinned[0].position",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := openWith(t, func(h *house, o *tunevector.Options) {
				if tt.empty {
					h.music.tracks = nil
				}
				if tt.plain {
					o.Music = h.music
				}
			})
			_, err := h.Create(h.ctx, h.listener, tt.d)
			require.ErrorIs(t, err, tt.kind)
			e, _ := fault.As(err)
			if tt.field != "" {
				require.Contains(t, e.Fields, tt.field, "%v", err)
			} else {
				require.True(t, strings.HasPrefix(e.Message, tt.message), "%q is not %q", e.Message, tt.message)
			}
			require.Equal(t, 1, h.items(t, ""), "only the gate")
		})
	}
}

func podcasts(d *tunevector.Definition) { d.Kind = tunevector.Podcast }

func TestWhatIsLeftOutMayLeaveNothing(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].Explicit = true
		}
		return tracks
	})
	d := guided(tunevector.Stage{Genre: "rock", Minutes: 10})
	h.create(t, d)
	d.ExcludeExplicit = true
	_, err := h.Create(h.ctx, h.listener, d)
	require.ErrorIs(t, err, fault.ErrConflict)
	require.ErrorContains(t, err, `No music for genre "rock" is left without what is explicit, excluded, disliked or avoided`)
	_, err = h.Create(h.ctx, h.listener, with(ai(10), func(d *tunevector.Definition) { d.ExcludeExplicit = true }))
	require.ErrorContains(t, err, "No music is left")
}

func TestKinds(t *testing.T) {
	h := open(t)
	for _, kind := range []tunevector.Kind{tunevector.Podcast, tunevector.Soundscape} {
		v := h.create(t, with(ai(20), func(d *tunevector.Definition) { d.Kind = kind }))
		requirePlan(t, v)
		genre := map[tunevector.Kind]string{tunevector.Podcast: "talk", tunevector.Soundscape: "rain"}[kind]
		for _, track := range v.Plan.Tracks {
			require.Equal(t, []string{genre}, track.Genres)
		}
	}
}

func TestFilters(t *testing.T) {
	h := open(t)
	d := ai(60)
	d.Seed = p(int64(3))
	free := h.create(t, d)
	d.ExcludeExplicit = true
	d.Excluded = ids(free)[:5]
	v := h.create(t, d)
	requirePlan(t, v)
	for _, id := range ids(v) {
		require.NotContains(t, d.Excluded, id)
		require.False(t, explicit(h, id))
	}
}

func explicit(h *house, id string) bool {
	tracks, _ := h.music.Tracks(context.Background(), []string{id})
	return tracks[0].Explicit
}

func TestSeeds(t *testing.T) {
	h := open(t)
	d := ai(40)
	d.Seed = p(int64(42))
	a, b := h.create(t, d), h.create(t, d)
	require.Equal(t, int64(42), a.Seed)
	require.Equal(t, ids(a), ids(b))
	require.Equal(t, a.Plan.Baselines, b.Plan.Baselines)
	chosen, another := h.create(t, ai(40)), h.create(t, ai(40))
	require.NotEqual(t, chosen.Seed, another.Seed, "chosen ones differ")
	again := open(t)
	again.create(t, d)
	again.create(t, d)
	require.Equal(t, chosen.Seed, again.create(t, ai(40)).Seed, "the service's seed makes them repeatable")
	random := openWith(t, func(_ *house, o *tunevector.Options) { o.Seed = 0 })
	chosen, another = random.create(t, ai(5)), random.create(t, ai(5))
	require.NotEqual(t, chosen.Seed, another.Seed)
}

func TestPins(t *testing.T) {
	h := open(t)
	d := ai(40)
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: "ambient-03"}, {Position: 4, TrackID: "rock-07"}}
	v := h.create(t, d)
	requirePlan(t, v)
	require.Equal(t, "ambient-03", v.Plan.Tracks[0].TrackID)
	require.Equal(t, "rock-07", v.Plan.Tracks[4].TrackID)
	require.Contains(t, v.Plan.Tracks[4].Reasons, "pinned by you")
	require.NotContains(t, v.Plan.Tracks[3].Reasons, "pinned by you")
}

func TestPinsThatNoPlanReaches(t *testing.T) {
	h := open(t)
	d := ai(30)
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: "rock-02"}, {Position: 40, TrackID: "rock-01"}}
	_, err := h.Create(h.ctx, h.listener, d)
	fields := wrong(t, err)
	require.Contains(t, fields, "pinned[1].position")
	require.NotContains(t, fields, "pinned[0].position", "that one is not to blame")
}

func TestGenresBeyondWhatAMessageHolds(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].Genres = []string{fmt.Sprintf("genre %03d", i)}
		}
		return tracks
	})
	_, err := h.Create(h.ctx, h.listener, guided())
	require.ErrorContains(t, err, "genre 149 and 90 more")
}

func TestProfileMustExist(t *testing.T) {
	h := open(t)
	_, err := h.Create(h.ctx, uuid.New(), ai(10))
	require.ErrorIs(t, err, fault.ErrNotFound)
	require.ErrorContains(t, err, "Profile with the specified ID does not exist")

	t.Run("until the last moment", func(t *testing.T) {
		h := openWith(t, func(h *house, o *tunevector.Options) {
			o.Music = closing{h.music, func() { _ = h.store.Apply(h.ctx, store.Delete(profile.GateKey(h.listener), store.None)) }}
		})
		_, err := h.Create(h.ctx, h.listener, ai(10))
		require.ErrorIs(t, err, fault.ErrNotFound)
		require.Zero(t, h.items(t, ""))
	})
}

// closing is music during whose search something happens.
type closing struct {
	*shelf
	then func()
}

func (c closing) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	c.then()
	return c.shelf.Candidates(ctx, q)
}

func TestUnknownVectors(t *testing.T) {
	h := open(t)
	_, err := h.Get(h.ctx, h.listener, uuid.New())
	require.ErrorIs(t, err, fault.ErrNotFound)
	_, err = h.tryUpdate(uuid.New(), func(*tunevector.Definition) {})
	require.ErrorIs(t, err, fault.ErrNotFound)
	require.ErrorIs(t, h.Delete(h.ctx, h.listener, uuid.New(), store.Version{}), fault.ErrNotFound)
	v := h.create(t, ai(10))
	_, err = h.Get(h.ctx, uuid.New(), v.ID)
	require.ErrorIs(t, err, fault.ErrNotFound, "another listener's")
}

func TestListAndDelete(t *testing.T) {
	h := open(t)
	var made []uuid.UUID
	for i := range 5 {
		made = append(made, h.create(t, with(ai(5), func(d *tunevector.Definition) { d.Name = strconv.Itoa(i) })).ID)
	}
	var listed []uuid.UUID
	for token := ""; ; {
		page, next, err := h.List(h.ctx, h.listener, 2, token)
		require.NoError(t, err)
		for _, v := range page {
			require.Nil(t, v.Plan)
			require.NotZero(t, v.Start)
			listed = append(listed, v.ID)
		}
		if token = next; token == "" {
			break
		}
	}
	require.Equal(t, made, listed)

	anyLeft, err := h.Any(h.ctx, h.listener)
	require.NoError(t, err)
	require.True(t, anyLeft)
	require.Equal(t, "tune vectors", h.Kind())

	v := h.get(t, made[0])
	require.ErrorIs(t, h.Delete(h.ctx, h.listener, v.ID, store.NewVersion()), fault.ErrStale)
	require.NoError(t, h.Delete(h.ctx, h.listener, v.ID, v.Version))
	require.ErrorIs(t, h.Delete(h.ctx, h.listener, v.ID, store.Version{}), fault.ErrNotFound)
	require.Equal(t, 4, h.items(t, "plan#"))
	h.record(t, h.did(h.get(t, made[1]), ml.Play, 0))
	require.Equal(t, 1, h.items(t, "playing#"))

	require.NoError(t, h.DeleteAll(h.ctx, h.listener))
	require.NoError(t, h.DeleteAll(h.ctx, h.listener), "again")
	for _, prefix := range []string{"vector#", "plan#", "playing#"} {
		require.Zero(t, h.items(t, prefix), prefix)
	}
	anyLeft, err = h.Any(h.ctx, h.listener)
	require.NoError(t, err)
	require.False(t, anyLeft)

	_, _, err = h.List(h.ctx, h.listener, 0, "")
	require.Contains(t, wrong(t, err), "limit")
	_, _, err = h.List(h.ctx, h.listener, 101, "")
	require.Contains(t, wrong(t, err), "limit")
	_, _, err = h.List(h.ctx, h.listener, 10, "no token")
	require.Contains(t, wrong(t, err), "pageToken")
}

func TestUpdateOfTheNamePlansNothing(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	planned := len(h.observed.of("tunevector.plan"))
	h.now = h.now.Add(time.Hour)
	renamed := h.update(t, v.ID, func(d *tunevector.Definition) { d.Name = " Other " })
	require.Equal(t, "Other", renamed.Definition.Name)
	require.Equal(t, v.Plan, renamed.Plan)
	require.NotEqual(t, v.Version, renamed.Version)
	require.Equal(t, h.now, renamed.UpdatedAt)
	require.Equal(t, v.CreatedAt, renamed.CreatedAt)
	require.Len(t, h.observed.of("tunevector.plan"), planned)
	require.Equal(t, renamed, h.get(t, v.ID))

	same := h.update(t, v.ID, func(d *tunevector.Definition) { d.Points = []tunevector.Point{} })
	require.Equal(t, renamed, same, "nothing changed, and so the version stays")
	spelled := h.update(t, v.ID, func(d *tunevector.Definition) { d.Kind, d.Order = tunevector.Playlist, tunevector.ByArc })
	require.Equal(t, v.Plan, spelled.Plan, "saying the default changes nothing")
}

func TestUpdateRefuses(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	_, err := h.tryUpdate(v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 0 })
	require.Contains(t, wrong(t, err), "durationMinutes")
	_, err = h.Update(h.ctx, h.listener, v.ID, func(*tunevector.Definition) error { return errBroken }, store.Version{})
	require.ErrorIs(t, err, errBroken)
	_, err = h.Update(h.ctx, h.listener, v.ID, func(d *tunevector.Definition) error { d.Name = "x"; return nil }, store.NewVersion())
	require.ErrorIs(t, err, fault.ErrStale)
	_, err = h.tryUpdate(v.ID, func(d *tunevector.Definition) {
		d.Mode, d.DurationMinutes, d.Stages = tunevector.Guided, 0, []tunevector.Stage{{Genre: "polka", Minutes: 10}}
	})
	require.ErrorIs(t, err, fault.ErrConflict)
	require.Equal(t, v, h.get(t, v.ID))
	_, err = h.Update(h.ctx, h.listener, v.ID, func(d *tunevector.Definition) error { d.Name = "x"; return nil }, v.Version)
	require.NoError(t, err)
}

func TestUpdateReaims(t *testing.T) {
	h := open(t)
	v := h.create(t, with(ai(30), func(d *tunevector.Definition) { d.Direction = tunevector.Descent }))
	up := h.update(t, v.ID, func(d *tunevector.Definition) { d.Direction = tunevector.Ascent })
	require.Equal(t, v.Start, up.End, "what was filled in is filled in anew")
	require.Equal(t, v.End, up.Start)
	requirePlan(t, up)

	aimed := h.update(t, v.ID, func(d *tunevector.Definition) { d.End = energy(0.7) })
	require.InDelta(t, 0.7, aimed.End.Energy, 1e-9)
	bent := h.update(t, v.ID, func(d *tunevector.Definition) {
		d.Curve, d.Points = tunevector.Linear, []tunevector.Point{{At: 0.5, Aim: *energy(0.1)}}
	})
	middle := bent.Plan.Tracks[len(bent.Plan.Tracks)/2]
	require.InDelta(t, 0.1, middle.Target.Energy, 0.15)
	require.Equal(t, aimed.Start, bent.Start)

	staged := h.update(t, v.ID, func(d *tunevector.Definition) {
		*d = guided(tunevector.Stage{Genre: "jazz", Minutes: 20})
	})
	requirePlan(t, staged)
	require.Equal(t, v.Seed, staged.Seed, "the seed chosen stays")
	require.Equal(t, []string{"jazz"}, staged.Plan.Tracks[0].Genres)
	require.Equal(t, int64(9), h.update(t, v.ID, func(d *tunevector.Definition) { d.Seed = p(int64(9)) }).Seed)
}

func TestUpdateResorts(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(40))
	h.record(t, h.did(v, ml.Play, 1))
	arc := h.get(t, v.ID)
	keys := map[tunevector.Order]func(tunevector.PlannedTrack) float64{
		tunevector.EnergyAscending:  func(t tunevector.PlannedTrack) float64 { return t.Features.Energy },
		tunevector.EnergyDescending: func(t tunevector.PlannedTrack) float64 { return -t.Features.Energy },
		tunevector.TempoAscending:   func(t tunevector.PlannedTrack) float64 { return t.Features.Tempo },
		tunevector.TempoDescending:  func(t tunevector.PlannedTrack) float64 { return -t.Features.Tempo },
		tunevector.Shuffle:          nil,
	}
	for order, key := range keys {
		t.Run(string(order), func(t *testing.T) {
			sorted := h.update(t, v.ID, func(d *tunevector.Definition) { d.Order = order })
			requirePlan(t, sorted)
			require.ElementsMatch(t, ids(arc), ids(sorted), "the same tracks")
			require.Equal(t, ids(arc)[:2], ids(sorted)[:2], "what was played stays")
			require.Nil(t, sorted.Plan.Gap)
			require.Nil(t, sorted.Plan.LowerBound)
			require.Equal(t, arc.Plan.Baselines, sorted.Plan.Baselines)
			require.Equal(t, arc.Start, sorted.Start)
			if key != nil {
				require.True(t, slices.IsSortedFunc(sorted.Plan.Tracks[2:], func(a, b tunevector.PlannedTrack) int {
					return int(1e6 * (key(a) - key(b)))
				}))
			}
		})
	}
	back := h.update(t, v.ID, func(d *tunevector.Definition) { d.Order = "" })
	require.NotNil(t, back.Plan.Gap)
	require.Equal(t, ids(arc)[:2], ids(back)[:2])

	fresh := h.create(t, with(ai(30), func(d *tunevector.Definition) { d.Order = tunevector.TempoAscending }))
	requirePlan(t, fresh)
	require.Nil(t, fresh.Plan.Gap)
	require.NotNil(t, fresh.Plan.Baselines.Greedy)
}

func TestResortLivesWithoutTracksThatAreGone(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	gone := v.Plan.Tracks[2].TrackID
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		return slices.DeleteFunc(tracks, func(t tunevector.Track) bool { return t.ID == gone })
	})
	sorted := h.update(t, v.ID, func(d *tunevector.Definition) { d.Order = tunevector.EnergyAscending })
	require.ElementsMatch(t, ids(v), ids(sorted))
	require.InDelta(t, v.Plan.DurationSeconds, sorted.Plan.DurationSeconds, 0.01)
}

func TestReplacingATrackLeavesTheOthers(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(40))
	bad := v.Plan.Tracks[3].TrackID
	replaced := h.update(t, v.ID, func(d *tunevector.Definition) { d.Excluded = []string{bad} })
	requirePlan(t, replaced)
	require.NotEqual(t, bad, replaced.Plan.Tracks[3].TrackID)
	require.Equal(t, slices.Delete(ids(v), 3, 4), slices.Delete(ids(replaced), 3, 4))
	require.NotNil(t, replaced.Plan.Gap)

	pinned := h.update(t, v.ID, func(d *tunevector.Definition) { d.Pinned = []tunevector.Pin{{Position: 5, TrackID: "jazz-11"}} })
	require.Equal(t, "jazz-11", pinned.Plan.Tracks[5].TrackID)
	require.Equal(t, ids(replaced)[:5], ids(pinned)[:5])
	requirePlan(t, pinned)
}

func TestPinningATrackThatIsInThePlanMovesIt(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(40))
	moved := v.Plan.Tracks[6].TrackID
	now := h.update(t, v.ID, func(d *tunevector.Definition) { d.Pinned = []tunevector.Pin{{Position: 2, TrackID: moved}} })
	requirePlan(t, now)
	require.Equal(t, moved, now.Plan.Tracks[2].TrackID)
	require.Equal(t, ids(v)[:2], ids(now)[:2])

	h.record(t, h.did(now, ml.Play, 3))
	later := h.update(t, v.ID, func(d *tunevector.Definition) { d.Direction = tunevector.Ascent })
	require.Equal(t, ids(now)[:4], ids(later)[:4], "a pin that was played is no pin any more")
	requirePlan(t, later)
}

func TestPinsOfNoLength(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		return append(tracks, tunevector.Track{ID: "silence", Kind: tunevector.Playlist})
	})
	d := ai(20)
	d.Pinned = []tunevector.Pin{{Position: 1, TrackID: "silence"}}
	_, err := h.Create(h.ctx, h.listener, d)
	require.Contains(t, wrong(t, err), "pinned[0].trackId")
}

func TestPlayedPartStays(t *testing.T) {
	h := open(t)
	v := h.create(t, guided())
	h.record(t, h.did(v, ml.Play, 0), h.did(v, ml.Complete, 2))
	v = h.get(t, v.ID)
	require.True(t, v.Plan.Tracks[2].Played, "and all before it")
	require.True(t, v.Plan.Tracks[1].Played)
	require.False(t, v.Plan.Tracks[3].Played)
	for name, change := range map[string]func(*tunevector.Definition){
		"re-aimed": func(d *tunevector.Definition) { d.Direction = tunevector.Ascent },
		"bent":     func(d *tunevector.Definition) { d.Curve = tunevector.EaseIn },
		"staged":   func(d *tunevector.Definition) { d.Stages = []tunevector.Stage{{Genre: "pop", Minutes: 40}} },
		"sorted":   func(d *tunevector.Definition) { d.Order = tunevector.Shuffle },
		"excluded": func(d *tunevector.Definition) { d.Excluded = ids(v)[:1] },
		"longer": func(d *tunevector.Definition) {
			d.Stages = append(d.Stages, tunevector.Stage{Genre: "jazz", Minutes: 10})
		},
		"in ai mode": func(d *tunevector.Definition) {
			*d = ai(30)
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := h.update(t, v.ID, func(d *tunevector.Definition) {
				*d = guided()
				change(d)
			})
			requirePlan(t, now)
			require.Equal(t, v.Plan.Tracks[:3], now.Plan.Tracks[:3])
			require.False(t, now.Plan.Tracks[3].Played)
		})
	}
	_, err := h.tryUpdate(v.ID, func(d *tunevector.Definition) { *d = ai(2) })
	require.Contains(t, wrong(t, err), "durationMinutes")
	_, err = h.tryUpdate(v.ID, func(d *tunevector.Definition) { *d = guided(tunevector.Stage{Genre: "rock", Minutes: 1}) })
	require.Contains(t, wrong(t, err), "stages")
	_, err = h.tryUpdate(v.ID, func(d *tunevector.Definition) {
		d.Pinned = []tunevector.Pin{{0, "jazz-01"}, {7, v.Plan.Tracks[1].TrackID}, {2, v.Plan.Tracks[2].TrackID}}
	})
	fields := wrong(t, err)
	require.Contains(t, fields, "pinned[0].position")
	require.Contains(t, fields, "pinned[1].trackId")
	require.NotContains(t, fields, "pinned[2].trackId", "it was played where it is pinned")
}

func TestAllPlayed(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(15))
	last := len(v.Plan.Tracks) - 1
	r := h.record(t, h.did(v, ml.Skip, last))
	require.Empty(t, r.Replanned, "nothing is left to plan")
	aimed := h.update(t, v.ID, func(d *tunevector.Definition) { d.End = energy(0.9) })
	require.Equal(t, ids(v), ids(aimed))
	_, err := h.tryUpdate(v.ID, func(d *tunevector.Definition) { d.Pinned = []tunevector.Pin{{Position: last + 1, TrackID: "rock-01"}} })
	require.Contains(t, wrong(t, err), "pinned[0].position")
	longer := h.update(t, v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 30 })
	require.Equal(t, ids(v), ids(longer)[:last+1])
	requirePlan(t, longer)
}

func TestTracksThatAreGoneAreServedByTheirID(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(30))
	gone := v.Plan.Tracks[0]
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		return slices.DeleteFunc(tracks, func(t tunevector.Track) bool { return t.ID == gone.TrackID })
	})
	track := h.get(t, v.ID).Plan.Tracks[0]
	require.Equal(t, gone.TrackID, track.TrackID)
	require.InDelta(t, gone.DurationSeconds, track.DurationSeconds, 1e-9)
	require.Empty(t, track.Title)
	require.Zero(t, track.Confidence)
	require.Contains(t, track.Reasons, "no longer in the catalog")
	require.NotNil(t, track.Artists)

	h.record(t, h.did(v, ml.Play, 0))
	again := h.update(t, v.ID, func(d *tunevector.Definition) { d.End = energy(0.8) })
	require.Equal(t, gone.TrackID, again.Plan.Tracks[0].TrackID, "it was played all the same")
}

func TestUnsoundFeaturesAreTakenAsUnknown(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			switch i % 3 {
			case 0:
				tracks[i].Features.Tempo = 0
			case 1:
				tracks[i].Features.Energy = 7
			case 2:
				tracks[i].Confidence = 0
			}
		}
		return append(tracks, tunevector.Track{ID: "jingle", Kind: tunevector.Playlist, DurationSeconds: 3}, tunevector.Track{Kind: tunevector.Playlist, DurationSeconds: 200})
	})
	v := h.create(t, ai(200))
	requirePlan(t, v)
	require.NotContains(t, ids(v), "jingle")
	unknown := 0
	for _, track := range v.Plan.Tracks {
		require.LessOrEqual(t, track.Features.Energy, 1.0)
		if slices.Contains(track.Reasons, "nothing is known of how it sounds") {
			unknown++
		}
	}
	require.Positive(t, unknown)
}

// A day of music is a plan of several hundred tracks; a plan of very many is stored in chunks.
func TestLongPlans(t *testing.T) {
	h := openWith(t, func(h *house, _ *tunevector.Options) {
		for i := range 1500 {
			h.music.tracks = append(h.music.tracks, tunevector.Track{
				ID: fmt.Sprintf("%s-%04d", strings.Repeat("long", 45), i), Kind: tunevector.Soundscape, DurationSeconds: 60 + float64(i%7), Confidence: 0.5,
				Genres: []string{"hum"}, Features: tunevector.Features{Energy: 0.2, Tempo: 60, Valence: 0.3, Acousticness: 0.5, Instrumentalness: 1},
			})
		}
	})
	v := h.create(t, with(ai(1200), func(d *tunevector.Definition) { d.Kind = tunevector.Soundscape }))
	requirePlan(t, v)
	chunks := h.items(t, "plan#")
	require.Greater(t, chunks, 1)
	require.Equal(t, v, h.get(t, v.ID))
	h.update(t, v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 30 })
	require.Equal(t, 1, h.items(t, "plan#"), "the chunks no longer needed are gone")
	require.NoError(t, h.Delete(h.ctx, h.listener, v.ID, store.Version{}))
	require.Equal(t, 1, h.items(t, ""), "only the gate")
}

func TestDefinitionThatNoStoreTakes(t *testing.T) {
	h := open(t)
	d := ai(10)
	for i := range 500 {
		d.Excluded = append(d.Excluded, fmt.Sprintf("%03d%s", i, strings.Repeat("\x01", 150)))
	}
	_, err := h.Create(h.ctx, h.listener, d)
	require.Contains(t, wrong(t, err), "excluded")
}

func TestNumbersNextToZeroAreZero(t *testing.T) {
	h := open(t)
	d := with(ai(10), func(d *tunevector.Definition) {
		d.Start, d.End = energy(1e-200), &tunevector.Aim{Valence: p(1e-150), Acousticness: p(0.5)}
		d.Points = []tunevector.Point{{At: 0.5, Aim: *energy(5e-324)}}
	})
	v := h.create(t, d)
	require.Zero(t, *v.Definition.Start.Energy)
	require.Zero(t, *v.Definition.Points[0].Energy)
	require.Zero(t, v.End.Valence)
	require.InDelta(t, 0.5, v.End.Acousticness, 1e-9)
	require.NotZero(t, *d.Start.Energy, "the caller's is not touched")
}

func TestJSON(t *testing.T) {
	h := open(t)
	v := h.create(t, with(guided(), func(d *tunevector.Definition) { d.Points = []tunevector.Point{{At: 0.5, Aim: *energy(0.4)}} }))
	body, err := json.Marshal(v)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(body, &fields))
	for field, value := range map[string]any{
		"tuneVectorId": v.ID.String(), "name": "guided", "kind": "playlist", "mode": "guided", "durationMinutes": 30.0, "direction": "steady",
		"curve": "s-curve", "order": "arc", "seed": float64(v.Seed), "excludeExplicit": false, "createdAt": "2026-05-04T12:00:00Z",
		"points": []any{map[string]any{"at": 0.5, "energy": 0.4}},
	} {
		require.Equal(t, value, fields[field], field)
	}
	for _, field := range []string{"start", "end"} {
		require.Len(t, fields[field], 5)
	}
	require.NotContains(t, fields, "pinned")
	plan := fields["plan"].(map[string]any)
	for _, field := range []string{"tracks", "durationSeconds", "cost", "lowerBound", "gap", "baselines", "boundOver", "complete"} {
		require.Contains(t, plan, field)
	}

	var back tunevector.TuneVector
	require.NoError(t, json.Unmarshal(body, &back))
	require.Equal(t, v.Plan, back.Plan)
	require.Equal(t, v.Start, back.Start)
	require.NoError(t, back.Definition.Validate(), "what is shown can be given")
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.JSONEq(t, string(body), string(again))
	require.Error(t, json.Unmarshal([]byte(`{"seed": "x"}`), &back))

	listed, _, err := h.List(h.ctx, h.listener, 1, "")
	require.NoError(t, err)
	body, err = json.Marshal(listed[0])
	require.NoError(t, err)
	require.NotContains(t, string(body), `"plan"`)
}

func TestBrokenDependencies(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(15))
	calls := map[string]func() error{
		"create":    func() error { _, err := h.Create(h.ctx, h.listener, guided()); return err },
		"create ai": func() error { _, err := h.Create(h.ctx, h.listener, ai(15)); return err },
		"get":       func() error { _, err := h.Get(h.ctx, h.listener, v.ID); return err },
		"update": func() error {
			_, err := h.tryUpdate(v.ID, func(d *tunevector.Definition) { d.Order = tunevector.Shuffle })
			return err
		},
		"record": func() error {
			_, err := h.Record(h.ctx, h.listener, []ml.Interaction{h.did(v, ml.Like, 0)})
			return err
		},
		"recommend": func() error { _, err := h.Recommend(h.ctx, h.listener, 5); return err },
		"export":    func() error { _, _, err := h.Export(h.ctx, h.listener, v.ID, tunevector.XSPF); return err },
	}
	h.music.fail(errBroken)
	for name, call := range calls {
		require.ErrorIs(t, call(), errBroken, name)
	}
	h.music.fail(nil)
	h.store.breakReads(errBroken)
	calls["delete"] = func() error { return h.Delete(h.ctx, h.listener, v.ID, store.Version{}) }
	calls["list"] = func() error { _, _, err := h.List(h.ctx, h.listener, 5, ""); return err }
	calls["any"] = func() error { _, err := h.Any(h.ctx, h.listener); return err }
	calls["delete all"] = func() error { return h.DeleteAll(h.ctx, h.listener) }
	for name, call := range calls {
		require.ErrorIs(t, call(), errBroken, name)
	}
}

// A reader that meets a plan half replaced reads again.
func TestTornReads(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(20))
	torn := false
	h.store.tear(func() {
		if torn {
			return
		}
		torn = true
		h.store.tear(nil)
		h.update(t, v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 40 })
	})
	got := h.get(t, v.ID)
	require.True(t, torn)
	requirePlan(t, got)
	require.Equal(t, 40, got.Definition.DurationMinutes)
}

// Nothing is lost whichever write fails, before or after it was made: the same call again finishes it.
func TestCreateAndUpdateCanBeTriedAgain(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after %v", after), func(t *testing.T) {
			h := open(t)
			h.store.fail(1, after)
			_, err := h.Create(h.ctx, h.listener, ai(10))
			requireSettled(t, err, after)
			h.store.fail(0, false)
			page, _, err := h.List(h.ctx, h.listener, 10, "")
			require.NoError(t, err)
			require.Len(t, page, map[bool]int{false: 0, true: 1}[after], "all of it or nothing")
			v := h.create(t, ai(10))
			h.store.fail(1, after)
			_, err = h.tryUpdate(v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 20 })
			requireSettled(t, err, after)
			h.store.fail(0, false)
			requirePlan(t, h.get(t, v.ID))
			requirePlan(t, h.update(t, v.ID, func(d *tunevector.Definition) { d.DurationMinutes = 20 }))
			h.store.fail(1, after)
			require.ErrorIs(t, h.DeleteAll(h.ctx, h.listener), store.ErrUnavailable)
			h.store.fail(0, false)
			require.NoError(t, h.DeleteAll(h.ctx, h.listener))
			require.Equal(t, 1, h.items(t, ""))
		})
	}
}

// requireSettled checks the error of a write that failed: one that was made is seen to be, and no failure.
func requireSettled(t *testing.T, err error, made bool) {
	t.Helper()
	if made {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
}

func TestVersion(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(10))
	version, err := h.Version(h.ctx, h.listener, v.ID)
	require.NoError(t, err)
	require.Equal(t, v.Version, version)
	_, err = h.Version(h.ctx, h.listener, uuid.New())
	require.ErrorIs(t, err, fault.ErrNotFound)
	require.ErrorContains(t, err, "Tune vector with the specified ID does not exist")
}

func TestManyWritersOfOneVector(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(10))
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() {
			_, err := h.tryUpdate(v.ID, func(d *tunevector.Definition) { d.Excluded = append(d.Excluded, strconv.Itoa(i)) })
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.Len(t, h.get(t, v.ID).Definition.Excluded, 8)
}

func TestContextThatEnded(t *testing.T) {
	h := open(t)
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	_, err := h.Create(ctx, h.listener, ai(10))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, h.items(t, ""))
}

// What moves in time because of a short track before it stays only as far as it is still within its stage.
func TestTracksThatMoveOutOfTheirStageAreReplaced(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		short := tracks[0]
		short.ID, short.Title, short.Artists, short.DurationSeconds = "short", "Short", []string{"Somebody"}, 30
		return append(slices.Clone(tracks), short)
	})
	d := guided(tunevector.Stage{Genre: "rock", Minutes: 20}, tunevector.Stage{Genre: "jazz", Minutes: 20})
	d.Excluded = []string{"short"}
	before := h.create(t, d)
	requirePlan(t, before)
	after := h.update(t, before.ID, func(d *tunevector.Definition) {
		d.Excluded, d.Pinned = nil, []tunevector.Pin{{TrackID: "short", Position: 1}}
	})
	requirePlan(t, after)
	require.Equal(t, "short", after.Plan.Tracks[1].TrackID)
	require.Equal(t, ids(before)[2:4], ids(after)[2:4], "these are still rock")
	last := len(before.Plan.Tracks) - 1
	require.Equal(t, ids(before)[last], ids(after)[last], "and this is still jazz")
}
