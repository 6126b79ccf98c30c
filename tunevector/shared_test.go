package tunevector_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// shared gives the house a model of situations of listeners who hear lively music where it is loud, and calm music where it is quiet.
func (h *house) shared(t *testing.T, described bool) *ml.Situations {
	t.Helper()
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{Threads: 1})
	require.NoError(t, err)
	about := func(_ context.Context, ids []string) (map[string]ml.Item, error) {
		items := map[string]ml.Item{}
		for _, track := range h.music.tracks {
			if item, permitted := track.Item(); described && permitted && slices.Contains(ids, item.ID) {
				items[item.ID] = item
			}
		}
		return items, nil
	}
	log, err := ml.NewService(h.store, ml.Options{Now: func() time.Time { return h.now }, Describe: about})
	require.NoError(t, err)
	for i := range 21 {
		id := uuid.UUID{6: 0x40, 8: 0x80, 14: byte(i), 15: 1}
		h.admit(t, id)
		_, err = log.Log(h.ctx, id, []ml.Interaction{{EventID: uuid.New(), TrackID: h.music.tracks[0].ID, Action: ml.Complete, At: h.now.Add(-time.Hour)}})
		require.NoError(t, err)
	}
	s, err := ml.NewSituations(log, ml.SituationOptions{
		Algorithms: []ml.Algorithm{situation.Logistic{}}, Blobs: kept, Trainer: trainer, Aspects: tunevector.Aspects(),
		Select: ml.SelectOptions{Fixed: map[string]ml.Values{"logistic": {"folds": "2"}}},
		Answers: func(_ context.Context, id uuid.UUID, until time.Time) ([]ml.Answered, error) {
			if id == h.listener {
				return nil, nil
			}
			r := rand.New(rand.NewPCG(1, uint64(id[14])))
			all := make([]ml.Answered, 50)
			for i := range all {
				track := h.music.tracks[r.IntN(240)]
				item, permitted := track.Item()
				require.True(t, permitted)
				level := []float64{33, 82}[r.IntN(2)]
				all[i] = ml.Answered{Answer: ml.Answer{Moment: ml.Moment{Numbers: map[string]float64{"noise": level}}, At: until.Unix() - int64(1000*(60-i))}, Of: item}
				if (track.Features.Energy > 0.5) == (level > 50) && r.IntN(10) > 0 {
					all[i].Liking = 1
				}
			}
			return all, nil
		},
	})
	require.NoError(t, err)
	got, err := s.Train(h.ctx, nil)
	require.NoError(t, err)
	require.True(t, got.Promoted, got.Why)
	h.options.Situations = s
	h.Service, err = tunevector.NewService(h.options)
	require.NoError(t, err)
	return s
}

// What all answer serves whoever has not answered yet, as far as it is trusted; their own answers take over.
func TestASharedModelIsDepartedFrom(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.shared(t, true)
	require.Greater(t, s.Prior().Trust(), 0.5)
	noise, heart := h.opt(t, variable.AmbientNoise), h.opt(t, variable.HeartRateVariability)
	at := func(level float64) tunevector.TuneVector {
		h.now = h.now.Add(40 * time.Minute)
		h.read(t, noise, variable.Reading{Value: level})
		return h.create(t, ai(30))
	}
	loud, calm := at(84), at(31)
	require.Greater(t, loud.Start.Energy, calm.Start.Energy+0.2)
	require.NotContains(t, fmt.Sprint(loud.Plan.Tracks), "more energy", "the rule of noise has handed over")
	require.Contains(t, fmt.Sprint(loud.Plan.Tracks), "it is loud around you")
	require.NotContains(t, fmt.Sprint(loud.Plan.Tracks), "a try", "nothing is tried before there is an answer")

	// What the model has not learned of is left to the rules.
	for day := range 6 {
		h.read(t, heart, variable.Reading{Value: 60, At: h.now.Add(-time.Duration(day+1) * 24 * time.Hour)})
	}
	h.read(t, heart, variable.Reading{Value: 20})
	require.Contains(t, fmt.Sprint(h.create(t, ai(30)).Plan.Tracks), "your heart rate varies less than usual: calmer")

	// Recommendations follow, too.
	h.now = h.now.Add(40 * time.Minute)
	h.read(t, noise, variable.Reading{Value: 84})
	found, err := h.Recommend(h.ctx, h.listener, 10)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(found), "it is loud around you")
	require.NotContains(t, fmt.Sprint(found[0].Reasons), "something new for you")

	// This listener answers the other way round.
	h.live(t, noise, 8)
	h.now = h.now.Add(time.Hour)
	require.Less(t, at(84).Start.Energy, at(31).Start.Energy)
	found, err = h.Recommend(h.ctx, h.listener, 10)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(found), "it is quiet around you")

	// Without the variable nothing of it is left.
	h.optOut(t, noise)
	require.NotContains(t, fmt.Sprint(h.create(t, ai(30)).Plan.Tracks), "around you")
}

// Where nobody says what the music is that the model knows, it cannot tell what the middle of it is, and the rules keep their word; tracks are chosen by it all the same.
func TestASharedModelOfMusicThatIsNotDescribed(t *testing.T) {
	t.Parallel()
	h := open(t)
	require.Empty(t, h.shared(t, false).Prior().Reference())
	noise := h.opt(t, variable.AmbientNoise)
	h.read(t, noise, variable.Reading{Value: 84})
	told := fmt.Sprint(h.create(t, ai(30)).Plan.Tracks)
	require.Contains(t, told, "loud around you: more energy")
	require.Contains(t, told, "it is loud around you")
}

// Answers are joined with what was known of their moments, as plans are made by it; without a living consent there are none.
func TestAnswersForTraining(t *testing.T) {
	t.Parallel()
	h := open(t)
	all, err := h.Answers(h.ctx, h.listener, h.now)
	require.NoError(t, err)
	require.Empty(t, all)
	noise := h.opt(t, variable.AmbientNoise)
	all, err = h.Answers(h.ctx, h.listener, h.now)
	require.NoError(t, err)
	require.Empty(t, all, "nothing was answered")
	h.live(t, noise, 25)
	before := h.now
	h.now = h.now.Add(time.Hour)
	all, err = h.Answers(h.ctx, h.listener, h.now)
	require.NoError(t, err)
	require.InDelta(t, 246, len(all), 4, "the newest, but for those that only tell what was before them; one of those to one listening")
	type listening struct {
		track string
		hour  int64
	}
	once := map[listening]bool{}
	for _, a := range all {
		once[listening{a.Of.ID, a.At / 3600}] = true
	}
	require.Len(t, once, len(all))
	loud := 0
	for i, a := range all {
		require.Contains(t, []float64{32, 82}, a.Moment.Numbers["noise"])
		require.NotContains(t, a.Moment.Numbers, "hour", "that was not opted into")
		require.Equal(t, a.Of.Features["energy"] > 0.5 == (a.Moment.Numbers["noise"] > 50), a.Liking == 0)
		require.Positive(t, a.Weight)
		require.False(t, i > 0 && a.At > all[i-1].At)
		if a.Moment.Numbers["noise"] > 50 {
			loud++
		}
	}
	require.InDelta(t, 125, loud, 10)
	require.Contains(t, all[0].Moment.Numbers, "patience")
	some, err := h.Answers(h.ctx, h.listener, before.Add(-24*time.Hour))
	require.NoError(t, err)
	require.Less(t, some[0].At, all[0].At)
	twice, err := h.Answers(h.ctx, h.listener, h.now)
	require.NoError(t, err)
	require.Equal(t, all, twice)

	h.music.err = errors.New("broken")
	_, err = h.Answers(h.ctx, h.listener, h.now)
	require.ErrorIs(t, err, h.music.err)
	h.music.err = nil
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	_, err = h.Answers(ctx, h.listener, h.now)
	require.ErrorIs(t, err, context.Canceled)
	_, err = h.Tries(ctx, h.listener)
	require.ErrorIs(t, err, context.Canceled)
	h.optOut(t, noise)
	all, err = h.Answers(h.ctx, h.listener, h.now)
	require.NoError(t, err)
	require.Empty(t, all)
}
