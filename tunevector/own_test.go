package tunevector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// live lets some days pass on which the listener wants it lively where it is quiet and calm where it is loud, the opposite of what the rules have.
func (h *house) live(t testing.TB, noise variable.Variable, days int) {
	r := rand.New(rand.NewPCG(1, 1))
	for range days {
		h.now = h.now.Add(24 * time.Hour)
		for _, level := range []float64{32, 82} {
			h.now = h.now.Add(time.Hour)
			h.read(t, noise, variable.Reading{Value: level})
			var events []ml.Interaction
			for n := range 8 {
				track := h.music.tracks[r.IntN(240)]
				e := ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: h.now.Add(time.Duration(n) * time.Second)}
				if (track.Features.Energy > 0.5) == (level > 50) {
					e.Action, e.PositionSeconds = ml.Skip, p(5.0)
				}
				events = append(events, e)
			}
			h.record(t, events...)
		}
	}
}

func TestRulesHandOverToWhatIsLearned(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	energy := func(level float64) float64 {
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: level})
		return h.create(t, ai(30)).Start.Energy
	}
	lean := func() float64 { return energy(82) - energy(32) }
	before := lean()
	require.InDelta(t, 0.2, before, 1e-9, "the rules: loud means more energy")
	h.live(t, noise, 2)
	some := lean()
	require.Less(t, some, before)
	h.live(t, noise, 3)
	more := lean()
	require.Less(t, more, some, "gradually")
	h.live(t, noise, 12)
	require.Less(t, lean(), -0.1, "the listener's own ways")

	// What is told is told by what was learned.
	h.read(t, noise, variable.Reading{Value: 82})
	h.now = h.now.Add(time.Hour)
	h.read(t, noise, variable.Reading{Value: 82})
	v := h.create(t, ai(30))
	require.Contains(t, v.Plan.Tracks[0].Reasons, "calmer than your usual, as you like it in such situations")
	told := fmt.Sprint(v.Plan.Tracks)
	require.Contains(t, told, "it is loud around you")
	require.NotContains(t, told, "loud around you: more energy")
	h.read(t, h.opt(t, variable.Accelerometer), variable.Reading{Value: 0.1})
	require.Contains(t, fmt.Sprint(h.create(t, ai(30)).Plan.Tracks), "you are at rest: a little calmer", "of which nothing was learned yet")

	// Without the variable nothing of it is left: neither in a new vector nor in one that was planned under it.
	h.optOut(t, noise)
	v = h.get(t, v.ID)
	require.NotContains(t, fmt.Sprint(v.Plan.Tracks), "loud")
	require.NotContains(t, fmt.Sprint(v.Plan.Tracks), "than your usual")
	require.Equal(t, v.Start, h.create(t, ai(30)).Start)
}

// answer has the listener hear one track where it is this loud, and like it or not.
func (h *house) answer(t testing.TB, noise variable.Variable, level float64, track tunevector.Track, likes bool) {
	h.now = h.now.Add(2 * time.Hour)
	h.read(t, noise, variable.Reading{Value: level})
	e := ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: h.now}
	if !likes {
		e.Action, e.PositionSeconds = ml.Skip, p(5.0)
	}
	h.record(t, e)
}

// moved is by how much energy differs between loud and quiet surroundings.
func (h *house) moved(t testing.TB, noise variable.Variable) float64 {
	energy := func(level float64) float64 {
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: level})
		return h.create(t, ai(30)).Start.Energy
	}
	return energy(82) - energy(32)
}

func TestHandOverIsGradual(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	before := h.moved(t, noise)
	for i := range 60 {
		level, track := []float64{32, 82}[i%2], h.music.tracks[i*41%240]
		h.answer(t, noise, level, track, (track.Features.Energy > 0.5) == (level < 50))
		if i < 15 || i%3 > 0 {
			continue
		}
		now := h.moved(t, noise)
		require.InDelta(t, before, now, 0.15, "after %d answers", i+1)
		before = now
	}
	require.Less(t, before, -0.1)
}

// What was answered where one variable told something hands over that variable's rule and no other.
func TestHandOverIsByVariable(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	h.live(t, noise, 12)
	h.optOut(t, noise) // of what was told under it nothing is left
	h.opt(t, variable.TimeOfDay)
	for i := range 60 {
		h.now = h.now.Add(2 * time.Hour)
		h.record(t, ml.Interaction{EventID: uuid.New(), TrackID: h.music.tracks[i*41%240].ID, Action: ml.Complete, At: h.now})
	}
	h.now = h.now.Add(24 * time.Hour)
	usual := h.create(t, ai(30)).Start.Energy
	h.read(t, h.opt(t, variable.Accelerometer), variable.Reading{Value: 8, Cadence: p(170.0)})
	running := h.create(t, ai(30))
	require.InDelta(t, usual+0.2, running.Start.Energy, 0.02)
	require.Contains(t, running.Plan.Tracks[0].Reasons, "you run at 170 steps a minute")
}

// Chance is no evidence: who answers without regard to where they are is moved by neither rules nor what was learned, and told nothing of it.
func TestChanceMovesNothing(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	r := rand.New(rand.NewPCG(8, 8))
	for i := range 200 {
		h.answer(t, noise, []float64{32, 82}[i%2], h.music.tracks[r.IntN(240)], r.IntN(10) < 6)
	}
	require.InDelta(t, 0.2*40/240, h.moved(t, noise), 0.03, "the rest of the rule")
	told := fmt.Sprint(h.create(t, ai(60)).Plan.Tracks)
	require.NotContains(t, told, "than your usual")
}

// An instance that knows nothing joins the log with the readings, and comes to what one knows that was there all the time.
func TestOwnAnswersAreJoinedAnew(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	h.live(t, noise, 6)
	h.now = h.now.Add(time.Hour)
	h.read(t, noise, variable.Reading{Value: 80})
	there := h.create(t, ai(30))
	fresh, err := tunevector.NewService(h.options)
	require.NoError(t, err)
	d := ai(30)
	d.Seed = &there.Seed
	joined, err := fresh.Create(h.ctx, h.listener, d)
	require.NoError(t, err)
	require.InDelta(t, there.Start.Energy, joined.Start.Energy, 0.03)

	// After a day all is joined anew, and comes to the same.
	h.now = h.now.Add(25 * time.Hour)
	h.read(t, noise, variable.Reading{Value: 80})
	again := h.create(t, d)
	require.InDelta(t, there.Start.Energy, again.Start.Energy, 0.05)
}

// What was joined is let go of with the consent and with the profile, and after a day whether it is asked for or not, also in an instance that is told of neither.
func TestJoinedAnswersAreLetGo(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	h.live(t, noise, 1)
	other, err := tunevector.NewService(h.options)
	require.NoError(t, err)
	h.variables.OnChange(func(context.Context, variable.Change) error { return nil })
	joined := func(s *tunevector.Service) {
		_, err := s.Recommend(h.ctx, h.listener, 5)
		require.NoError(t, err)
		require.Equal(t, 1, joinedOf(s))
	}
	joined(h.Service)
	joined(other)
	require.NoError(t, h.DeleteAll(h.ctx, h.listener))
	require.Zero(t, joinedOf(h.Service))
	h.now = h.now.Add(24 * time.Hour)
	require.NoError(t, other.Tidy(h.ctx))
	require.Equal(t, 1, joinedOf(other), "it is a day old and no older")
	h.now = h.now.Add(time.Second)
	require.NoError(t, other.Tidy(h.ctx))
	require.Zero(t, joinedOf(other))
	ended, cancel := context.WithCancel(h.ctx)
	cancel()
	require.ErrorIs(t, other.Tidy(ended), context.Canceled)

	last, err := tunevector.NewService(h.options) // which is told of changes
	require.NoError(t, err)
	joined(last)
	h.optOut(t, noise)
	require.Zero(t, joinedOf(last))
}

// Where the arc is nobody's wish, how the listener answers has more say than a target that was only guessed from it; where it is, it stays.
func TestAnOpenArcGivesWayToHowAListenerAnswers(t *testing.T) {
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	r := rand.New(rand.NewPCG(2, 2))
	liked := func(id string) bool { // every other artist, in all kinds of music
		var n int
		_, err := fmt.Sscanf(id[len(id)-2:], "%d", &n)
		require.NoError(t, err)
		return n/3%2 == 0
	}
	share := func(d tunevector.Definition) float64 {
		n := 0
		v := h.create(t, d)
		for _, track := range v.Plan.Tracks {
			if liked(track.TrackID) {
				n++
			}
		}
		return float64(n) / float64(len(v.Plan.Tracks))
	}
	for range 40 {
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: 50})
		var events []ml.Interaction
		for n := range 6 {
			track := h.music.tracks[r.IntN(len(h.music.tracks))]
			e := ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: h.now.Add(time.Duration(n) * time.Second)}
			if !liked(track.ID) {
				e.Action, e.PositionSeconds = ml.Skip, p(5.0)
			}
			events = append(events, e)
		}
		h.record(t, events...)
	}
	h.now = h.now.Add(24 * time.Hour)
	h.read(t, noise, variable.Reading{Value: 50})
	whole, given := ai(60), ai(60)
	given.Start = &tunevector.Aim{Energy: p(0.5)}
	require.Greater(t, share(whole), share(given)+0.1, "what is given is a wish")
	require.Contains(t, fmt.Sprint(h.create(t, whole).Plan.Tracks), "chosen by how you answer to such music")
}

func TestTriesAreFew(t *testing.T) {
	count := func(v tunevector.TuneVector) (n int) {
		for _, track := range v.Plan.Tracks {
			if track.Try {
				require.Contains(t, track.Reasons, "a try: to learn whether it suits you now")
				n++
			}
		}
		return n
	}
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	require.Zero(t, count(h.create(t, ai(60))), "nothing is known yet, so nothing is tried")
	h.live(t, noise, 2)
	h.now = h.now.Add(time.Hour)
	h.read(t, noise, variable.Reading{Value: 80})
	tried := 0
	for seed := range int64(5) {
		d := ai(90)
		d.Seed = &seed
		v := h.create(t, d)
		budget := 90 * 60 / 210 / 8
		require.LessOrEqual(t, count(v), budget)
		tried += count(v)
		for n := range 6 {
			h.now = h.now.Add(time.Minute)
			action := ml.Skip
			if n%2 == 0 {
				action = ml.Complete
			}
			h.record(t, h.did(v, action, n))
			v = h.get(t, v.ID)
			require.LessOrEqual(t, count(v), budget, "whatever is planned anew")
		}
		h.now = h.now.Add(2 * time.Hour)
		h.read(t, noise, variable.Reading{Value: 80})
	}
	require.Positive(t, tried)

	// One switch, and nothing is tried.
	h.options.NoTries = true
	s, err := tunevector.NewService(h.options)
	require.NoError(t, err)
	for seed := range int64(6) {
		d := ai(90)
		d.Seed = &seed
		v, err := s.Create(h.ctx, h.listener, d)
		require.NoError(t, err)
		require.Zero(t, count(v))
	}
}

// However long tracks are, at most one in eight is a try.
func TestTriesAreFewAmongLongTracks(t *testing.T) {
	tried := 0
	for _, longer := range []float64{0.5, 1.3, 3} {
		h := open(t)
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
			for i := range tracks {
				tracks[i].DurationSeconds *= longer
			}
			return tracks
		})
		noise := h.opt(t, variable.AmbientNoise)
		h.live(t, noise, 2)
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: 80})
		for seed := range int64(4) {
			d := ai(120)
			d.Seed = &seed
			n, v := 0, h.create(t, d)
			for _, track := range v.Plan.Tracks {
				if track.Try {
					n++
				}
			}
			require.LessOrEqual(t, n*8, len(v.Plan.Tracks), "%g times as long", longer)
			tried += n
		}
	}
	require.Positive(t, tried)
}

// Music that must not train anything is neither learned from nor judged by what was learned.
func TestOwnAnswersKeepToProvenance(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].Provenance = tunevector.FromSpotify
		}
		return tracks
	})
	noise := h.opt(t, variable.AmbientNoise)
	h.live(t, noise, 6)
	h.now = h.now.Add(time.Hour)
	h.read(t, noise, variable.Reading{Value: 82})
	v := h.create(t, ai(60))
	require.InDelta(t, 0.65, v.Start.Energy, 0.02, "the rules")
	require.NotContains(t, fmt.Sprint(v.Plan.Tracks), "than your usual")
}
