package ml_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

func TestMeasureAnswers(t *testing.T) {
	t.Parallel()
	judge := func(with, without float64) ml.Judgment { return ml.Judgment{Probability: with, Without: without} }
	m, err := ml.MeasureAnswers([]float64{1, 0, 1, 0}, []ml.Judgment{judge(0.9, 0.5), judge(0.4, 0.5), judge(0.4, 0.5), judge(0.1, 0.5)})
	require.NoError(t, err)
	require.Equal(t, 4, m.Answers)
	require.InDelta(t, 0.875, m.AUC, 1e-12, "of four pairs three are in order and one is a tie")
	require.InDelta(t, 0.5, m.AUCWithout, 1e-12)
	require.InDelta(t, (0.01+0.16+0.36+0.01)/4, m.Brier, 1e-12)
	require.InDelta(t, 0.25, m.BrierWithout, 1e-12)
	require.InDelta(t, math.Ln2, m.LogLossWithout, 1e-12)
	loss := -(math.Log(0.9) + math.Log(0.6) + math.Log(0.4) + math.Log(0.9)) / 4
	require.InDelta(t, loss, m.LogLoss, 1e-12)
	require.InDelta(t, math.Ln2-loss, m.Gain, 1e-12, "beside always saying a half")
	require.Positive(t, m.GainError)
	require.Contains(t, m.String(), "AUC 0.8750 (0.5000 without the situation)")
	require.Contains(t, ml.Metrics{Answers: &m}.String(), "4 answers")
	require.Equal(t, m.Gain, ml.Metrics{Answers: &m, NDCG10: 7}.Score())
	require.Equal(t, 0.3, ml.Metrics{NDCG10: 0.3}.Score())

	m, err = ml.MeasureAnswers([]float64{1, 1}, []ml.Judgment{judge(1, 1), judge(0, 0)})
	require.NoError(t, err)
	require.Equal(t, 0.5, m.AUC, "nothing to tell apart")
	require.False(t, math.IsInf(m.LogLoss, 0), "nobody is infinitely wrong")
	_, err = ml.MeasureAnswers([]float64{1}, nil)
	require.Error(t, err)
	_, err = ml.MeasureAnswers(nil, nil)
	require.NoError(t, err)
}

func TestReliability(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	var likings []float64
	var all []ml.Judgment
	for range 20_000 {
		p := r.Float64()
		y := 0.0
		if r.Float64() < p {
			y = 1
		}
		likings, all = append(likings, y), append(all, ml.Judgment{Probability: p, Without: 0.5})
	}
	m, err := ml.MeasureAnswers(likings, all)
	require.NoError(t, err)
	require.Len(t, m.Reliability, 10)
	for i, b := range m.Reliability {
		require.Equal(t, 2000, b.Answers)
		require.InDelta(t, 0.05+0.1*float64(i), b.Foretold, 0.02)
		require.InDelta(t, b.Foretold, b.Liked, 0.04)
	}
}

// withColumns returns answers with numbers that tell nothing, and what else add says of each.
func withColumns(t *testing.T, n int, add func(d *ml.Data, a *ml.Answer, r *rand.Rand), aspects ...ml.Aspect) *ml.Data {
	t.Helper()
	d := mltest.PlantedAnswers(20, 30, n, 1, 3)
	d.Aspects = append(d.Aspects, aspects...)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range d.Answers {
		add(d, &d.Answers[i], r)
	}
	require.NoError(t, d.Check())
	return d
}

func kinds(all []ml.Finding) map[string]string {
	out := map[string]string{}
	for _, f := range all {
		out[f.Aspect] = f.Kind
	}
	return out
}

func TestAudit(t *testing.T) {
	t.Parallel()
	leak := func(_ *ml.Data, a *ml.Answer, r *rand.Rand) {
		a.Moment.Words["gesture"] = "none"
		if a.Liking == 0 && r.Float64() < 0.6 || r.Float64() < 0.02 {
			a.Moment.Words["gesture"] = "shrug"
		}
	}
	d := withColumns(t, 600, leak, ml.Aspect{Name: "gesture", Kind: ml.Category})
	found, err := ml.Audit(d, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"gesture": ml.Leak}, kinds(found))
	require.Contains(t, found[0].Text, "gesture: by itself it foretells answers better")
	require.Regexp(t, `(shrug|none): \d+ % of \d+ are liked`, found[0].Text)

	clean := d.WithoutAspects("gesture")
	require.NoError(t, clean.Check())
	require.Len(t, clean.Aspects, 3)
	require.Contains(t, d.Answers[0].Moment.Words, "gesture", "the data themselves stay")
	found, err = ml.Audit(clean, nil)
	require.NoError(t, err)
	require.Empty(t, found, "what matters in truth is no leak")

	amount := withColumns(t, 600, func(_ *ml.Data, a *ml.Answer, r *rand.Rand) {
		a.Moment.Numbers["duration"] = 60*a.Liking + 90*r.Float64()
	}, ml.Aspect{Name: "duration", Kind: ml.Amount})
	found, err = ml.Audit(amount, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"duration": ml.Leak}, kinds(found))

	d.Answers = d.Answers[:40]
	found, err = ml.Audit(d, nil)
	require.NoError(t, err)
	require.Empty(t, found, "too few to say")
	d.Answers[0].Liking = 7
	_, err = ml.Audit(d, nil)
	require.Error(t, err)
}

// Columns of 0 and 1 that say together what one of them leaks are found with it.
func TestAuditFindsWhatBelongsToALeak(t *testing.T) {
	t.Parallel()
	names := []string{"still", "walking", "running", "missing", "even"}
	var aspects []ml.Aspect
	for _, name := range names {
		aspects = append(aspects, ml.Aspect{Name: name, Kind: ml.Amount})
	}
	d := withColumns(t, 600, func(_ *ml.Data, a *ml.Answer, r *rand.Rand) {
		is := []string{"still", "running"}[r.IntN(2)]
		if a.Liking == 0 && r.Float64() < 0.6 {
			is = "walking"
		}
		for _, name := range names[:4] {
			a.Moment.Numbers[name] = 0
		}
		a.Moment.Numbers[is] = 1
		a.Moment.Numbers["even"] = float64(r.IntN(2))
	}, aspects...)
	found, err := ml.Audit(d, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"walking": ml.Leak, "still": ml.With, "running": ml.With, "missing": ml.With}, kinds(found))
}

func TestAuditFindsDrift(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(20, 30, 400, 1, 3)
	var same, other, silent []ml.Moment
	for _, a := range mltest.PlantedAnswers(20, 30, 200, 1, 4).Answers {
		same = append(same, a.Moment)
		loud := a.Moment.Without("noise")
		loud.Numbers["noise"] = 85
		other, silent = append(other, loud), append(silent, a.Moment.Without("place"))
	}
	for want, serving := range map[string][]ml.Moment{"map[]": same, "map[noise:drift]": other, "map[place:drift]": silent} {
		found, err := ml.Audit(d, serving)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(kinds(found)))
	}
}

// quick are hyperparameters of which fits are quick.
var quick = map[string]ml.Values{"logistic": {"folds": "3"}, "machine": {"folds": "3", "epochs": "20"}, "trees": {"folds": "3", "trees": "30"}, "gp": {"folds": "3", "landmarks": "12"}}

func TestSelectModelsOfSituations(t *testing.T) {
	t.Parallel()
	d := withColumns(t, 400, func(_ *ml.Data, a *ml.Answer, r *rand.Rand) {
		a.Moment.Numbers["duration"] = 60*a.Liking + 90*r.Float64()
		a.Aside = r.IntN(8) == 0
	}, ml.Aspect{Name: "duration", Kind: ml.Amount})
	o := ml.SelectOptions{Algorithms: append(situation.Algorithms(), popular.Algorithm{}), Trials: 6, Seed: 1, Fixed: quick}
	s, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"duration": ml.Leak}, kinds(s.Audit))
	require.Len(t, s.Foretold(), s.Held)
	require.Less(t, s.Held, len(d.Answers), "those aside are not measured by")
	model, ok := s.Model().(ml.Situated)
	require.True(t, ok)
	require.Len(t, model.Aspects(), 3, "the leak is left out")
	chosen := s.Trials[s.Best].Metrics.Answers
	require.Positive(t, chosen.Gain)
	require.Less(t, chosen.AUC, 0.9)
	table := s.String()
	require.Contains(t, table, "log loss")
	require.Regexp(t, `nats an answer better than always saying the mean`, s.Reason)
	require.Contains(t, table, "failed: ml: a model of popular does not say what it foretold of answers")

	again, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.Equal(t, s.Foretold(), again.Foretold())

	o.KeepAudited, o.Trials, o.NoBlend = true, 1, true
	kept, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.Greater(t, kept.Trials[0].Metrics.Answers.AUC, 0.9)

	d.Answers[0].Liking = -1
	_, err = ml.Select(t.Context(), d, o)
	require.Error(t, err)
}

// blended fits a blend of all algorithms.
func blendedModel(t *testing.T, d *ml.Data) (ml.Blending, ml.Situated) {
	t.Helper()
	b := ml.Blending{}
	for i, a := range situation.Algorithms() {
		b.Parts = append(b.Parts, ml.BlendPart{Algorithm: a, Values: quick[a.Name()], Weight: []float64{0.4, 0.3, 0.2, 0.2}[i]})
	}
	m, err := b.Fit(t.Context(), d, nil, ml.FitOptions{Seed: 2})
	require.NoError(t, err)
	s, ok := m.(ml.Situated)
	require.True(t, ok)
	return b, s
}

// Models that err apart from each other are blended, with weights that were chosen on other answers than they are measured by.
func TestSelectBlendsModelsOfSituations(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(20, 25, 900, 2, 8)
	fixed := map[string]ml.Values{"logistic": {"folds": "3", "situation-cross": "0.05"}, "machine": {"folds": "3", "epochs": "5"}, "trees": {"folds": "3", "rate": "0.2"}, "gp": {"folds": "3", "situation-cross": "0.01", "landmarks": "8"}}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: situation.Algorithms(), Trials: 4, Seed: 1, Fixed: fixed})
	require.NoError(t, err)
	last := s.Trials[len(s.Trials)-1]
	require.Equal(t, "blend", last.Algorithm, "%s", s)
	for _, x := range s.Trials[:4] {
		require.GreaterOrEqual(t, last.Metrics.Answers.Gain, x.Metrics.Answers.Gain-0.005, "%s", s)
	}
	sum := 0.0
	for _, p := range last.Parts {
		sum += p.Weight
	}
	require.InDelta(t, 1.15, sum, 0.16)
	a, _ := s.Chosen()
	require.Equal(t, s.Trials[s.Best].Algorithm, a.Name())
	require.NotEmpty(t, s.Foretold())
}

func TestBlendOfModelsOfSituations(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(12, 15, 200, 3, 6)
	b, m := blendedModel(t, d)
	require.Len(t, m.Aspects(), 3)
	parts, weights := m.(interface {
		Parts() ([]ml.Model, []float64)
	}).Parts()
	require.Len(t, parts, 4)
	odds := func(p float64) float64 { return math.Log(p / (1 - p)) }
	for i, a := range d.Answers[:20] {
		sum, spread, ofNew := 0.0, 0.0, 0.0
		for k, part := range parts {
			j := part.(ml.Situated).Row(int(a.Listener)).At(a.Moment)
			sum += weights[k] * odds(j.Of(a.Item).Probability)
			spread += weights[k] * j.Spread(a.Item)
			ofNew += weights[k] * j.SpreadOfNew(d.About[a.Item])
		}
		j := m.Row(int(a.Listener)).At(a.Moment)
		require.InDelta(t, sum, odds(j.Of(a.Item).Probability), 1e-9)
		require.InDelta(t, spread, j.Spread(a.Item), 1e-9)
		require.InDelta(t, ofNew, j.SpreadOfNew(d.About[a.Item]), 1e-9)
		p := m.Person(d.Answers[:i])
		drawn := p.Draw(rand.New(rand.NewPCG(1, 1))).At(a.Moment).OfNew(d.About[a.Item])
		require.Equal(t, drawn, p.Draw(rand.New(rand.NewPCG(1, 1))).At(a.Moment).OfNew(d.About[a.Item]))
	}
	quiet := ml.Moment{Numbers: map[string]float64{"noise": 32}, Words: map[string]string{"place": "home"}}
	told, toldNew := 0, 0
	for i := range d.Items {
		told += len(m.Row(-1).At(quiet).Reasons(int32(i), 1))
		toldNew += len(m.Row(-1).At(quiet).ReasonsForNew(d.About[i], 1))
	}
	require.Positive(t, told)
	require.Positive(t, toldNew)
	scores := make([]float32, len(d.Items))
	m.Scores(scores, ml.Heard{Listener: 2})
	for i, x := range scores {
		require.InDelta(t, odds(m.Row(2).At(ml.Moment{}).Of(int32(i)).Probability), x, 1e-4)
	}
	opened, err := b.Open(m.Tensors())
	require.NoError(t, err)
	require.Equal(t, m.Row(1).At(quiet).Of(3), opened.(ml.Situated).Row(1).At(quiet).Of(3))
}

// The trainers and the registry of models of taste serve models of situations, too.
func TestTrainersTrainModelsOfSituations(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(12, 15, 150, 3, 6)
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{})
	require.NoError(t, err)
	job := ml.Job{ID: "situation-1", Algorithm: situation.Machine{}, Values: quick["machine"], Data: d, Seed: 1}
	a, err := trainer.Train(t.Context(), job, nil)
	require.NoError(t, err)
	opened, file, err := ml.OpenArtifact(context.WithoutCancel(t.Context()), kept, a, situation.Algorithms())
	require.NoError(t, err)
	require.Equal(t, d.Fingerprint(), file.Meta["training.data"])
	want, err := situation.Machine{}.Fit(t.Context(), d, quick["machine"], ml.FitOptions{Seed: 1})
	require.NoError(t, err)
	moment := d.Answers[0].Moment
	require.Equal(t, want.(ml.Situated).Row(1).At(moment).Of(2), opened.(ml.Situated).Row(1).At(moment).Of(2))
	require.NotContains(t, fmt.Sprint(file.Meta), "listener-", "listeners are numbers")
}
