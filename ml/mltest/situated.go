package mltest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// PlantedAnswers returns answers in which listeners like one genre or another, and, where matters is above 0, that much more (in log odds) energetic music where it is loud and at work, and calm
// music where it is quiet and at home. What is known of a moment is noise (an amount), hour (a cycle) and place (a category); one in ten of each is unknown. The hour never matters.
func PlantedAnswers(listeners, items, answers int, matters float64, seed uint64) *ml.Data {
	r := rand.New(rand.NewPCG(seed, 0x616e73))
	d := &ml.Data{
		Listeners: names("listener", listeners), Items: names("item", items), Heard: &ml.Matrix{Columns: items, Starts: make([]int, listeners+1)},
		Aspects: []ml.Aspect{
			{Name: "noise", Kind: ml.Amount, Say: map[string]string{"low": "it is quiet", "high": "it is loud"}},
			{Name: "hour", Kind: ml.Cycle, Period: 24, Say: map[string]string{"now": "at this hour"}},
			{Name: "place", Kind: ml.Category, Say: map[string]string{"home": "you are at home"}},
		},
	}
	genres := []string{"jazz", "rock", "folk"}
	for i, id := range d.Items {
		d.About = append(d.About, ml.Item{
			ID: id, Artists: []string{fmt.Sprint("artist-", i%7)}, Tags: genres[i%len(genres) : i%len(genres)+1],
			Features: map[string]float64{"energy": r.Float64(), "tempo": 60 + 100*r.Float64()},
		})
	}
	for range answers {
		u, i := r.IntN(listeners), r.IntN(items)
		noise, place := 30+60*r.Float64(), []string{"home", "work", "commute"}[r.IntN(3)]
		odds := -0.5
		if i%len(genres) == u%len(genres) {
			odds += 2
		}
		energy := 2 * (d.About[i].Features["energy"] - 0.5)
		odds += matters * energy * ((noise-60)/30 + map[string]float64{"home": -1, "work": 1}[place])
		a := ml.Answer{Listener: int32(u), Item: int32(i), Moment: ml.Moment{Numbers: map[string]float64{}, Words: map[string]string{}}, At: int64(len(d.Answers))}
		if r.Float64() < 1/(1+math.Exp(-odds)) {
			a.Liking = 1
		}
		for _, known := range []func(){
			func() { a.Moment.Numbers["noise"] = noise }, func() { a.Moment.Numbers["hour"] = 24 * r.Float64() }, func() { a.Moment.Words["place"] = place },
		} {
			if r.Float64() < 0.9 {
				known()
			}
		}
		d.Answers = append(d.Answers, a)
	}
	return d
}

// RunSituated proves that an algorithm for models of situations keeps the contract of [ml.Algorithm], and its models that of [ml.Foreteller].
func RunSituated(t *testing.T, a ml.Algorithm, v ml.Values) {
	t.Helper()
	s := &suite{a: a, o: Options{Values: v}, data: PlantedAnswers(30, 24, 260, 2, 1)}
	for name, check := range map[string]func(*testing.T){
		"Parameters":  s.parameters,
		"Repeatable":  s.repeatable,
		"Saves":       s.saves,
		"Refuses":     s.refuses,
		"Stops":       s.stops,
		"Progress":    s.progress,
		"Resumes":     s.resumes,
		"Watched":     s.watched,
		"Concurrency": s.concurrency,
		"Foretells":   s.foretells,
		"Harmless":    s.harmless,
		"Unknown":     s.unknown,
		"Opened":      s.opened,
		"Personal":    s.personal,
		"Reasons":     s.reasons,
		"Judges":      s.judges,
		"Strange":     s.strange,
	} {
		t.Run(name, check)
	}
}

func (s *suite) situated(t *testing.T, d *ml.Data) ml.Foreteller {
	t.Helper()
	m, ok := s.fit(t, d, ml.FitOptions{Seed: 1}).(ml.Foreteller)
	require.True(t, ok)
	require.Len(t, m.Held(), len(d.Answers))
	return m
}

func likings(d *ml.Data) []float64 {
	all := make([]float64, len(d.Answers))
	for i := range all {
		all[i] = d.Answers[i].Liking
	}
	return all
}

// What was planted is found, on answers that were not seen.
func (s *suite) foretells(t *testing.T) {
	d := PlantedAnswers(18, 24, 2800, 3, 2)
	test := d.Answers[800:]
	d.Answers = d.Answers[:800]
	m := s.situated(t, d)
	held, err := ml.MeasureAnswers(likings(d), m.Held())
	require.NoError(t, err)
	d.Answers = test
	var all []ml.Judgment
	for _, a := range test {
		all = append(all, m.Row(int(a.Listener)).At(a.Moment).Of(a.Item))
	}
	got, err := ml.MeasureAnswers(likings(d), all)
	require.NoError(t, err)
	require.Greater(t, got.AUC, got.AUCWithout+0.03, "%v", got)
	for _, aspect := range d.Aspects { // one that is silent costs what it would have told, and no more
		hidden := make([]ml.Judgment, len(test))
		for i, a := range test {
			hidden[i] = m.Row(int(a.Listener)).At(a.Moment.Without(aspect.Name)).Of(a.Item)
		}
		less, err := ml.MeasureAnswers(likings(d), hidden)
		require.NoError(t, err)
		require.Greater(t, less.AUC, less.AUCWithout-0.005, "%s is unknown: %v", aspect.Name, less)
		require.Equal(t, got.AUCWithout, less.AUCWithout)
	}
	require.Less(t, got.LogLoss, got.LogLossWithout, "%v", got)
	require.InDelta(t, got.AUC, held.AUC, 0.1, "what was held out tells how good it is")
	for _, b := range got.Reliability {
		require.InDelta(t, b.Foretold, b.Liked, 0.35, "it is calibrated, but for chance in %d answers", b.Answers)
	}
}

// Where situations do not matter nothing is lost.
func (s *suite) harmless(t *testing.T) {
	d := PlantedAnswers(18, 24, 400, 0, 3)
	m := s.situated(t, d)
	held, err := ml.MeasureAnswers(likings(d), m.Held())
	require.NoError(t, err)
	require.Less(t, held.LogLoss, held.LogLossWithout+0.01, "%v", held)
}

// Nothing known is no situation, whatever else is in the moment.
func (s *suite) unknown(t *testing.T) {
	m := s.situated(t, s.data)
	for _, moment := range []ml.Moment{
		{},
		{Numbers: map[string]float64{"humidity": 3}, Words: map[string]string{"mood": "good"}},
		{Numbers: map[string]float64{"noise": math.NaN(), "hour": math.Inf(1)}, Words: map[string]string{"place": "the moon"}},
	} {
		for i := range int32(5) {
			j := m.Row(int(i)).At(moment).Of(i)
			require.Equal(t, j.Without, j.Probability)
			require.Empty(t, m.Row(int(i)).At(moment).Reasons(i, 3))
		}
	}
	require.Len(t, m.Aspects(), 3)
}

// A model that was opened judges to the bit as the one that was saved.
func (s *suite) opened(t *testing.T) {
	m := s.situated(t, s.data)
	b := file(t, m)
	f, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	again, err := s.a.Open(f)
	require.NoError(t, err)
	o, ok := again.(ml.Foreteller)
	require.True(t, ok)
	require.Equal(t, m.Aspects(), o.Aspects())
	require.Empty(t, o.Held())
	for i := range s.data.Answers[:50] {
		a := &s.data.Answers[i]
		one, other := m.Row(int(a.Listener)).At(a.Moment), o.Row(int(a.Listener)).At(a.Moment)
		require.Equal(t, one.Of(a.Item), other.Of(a.Item))
		require.Equal(t, one.OfNew(s.data.About[a.Item]), other.OfNew(s.data.About[a.Item]))
		require.Equal(t, one.Reasons(a.Item, 2), other.Reasons(a.Item, 2))
		require.Equal(t, m.Person(s.data.Answers[:i]).At(a.Moment).Of(a.Item), o.Person(s.data.Answers[:i]).At(a.Moment).Of(a.Item))
	}
}

// What somebody answered moves what is foretold of them, and makes it surer; drawing them is as wide as the model is unsure.
func (s *suite) personal(t *testing.T) {
	m := s.situated(t, s.data)
	moment := ml.Moment{Numbers: map[string]float64{"noise": 60}}
	var own []ml.Answer
	for range 30 {
		own = append(own, ml.Answer{Item: 3, Liking: 1, Moment: moment, Weight: 1}, ml.Answer{Item: 99, Liking: 0})
	}
	before, after := m.Person(nil), m.Person(own)
	b, a := before.At(moment).Of(3), after.At(moment).Of(3)
	require.Greater(t, a.Probability, b.Probability)
	require.Greater(t, a.Without, b.Without)
	require.Less(t, after.At(moment).Spread(3), before.At(moment).Spread(3))
	require.Equal(t, m.Row(-1).At(moment).Of(3).Probability, m.Row(10_000).At(moment).Of(3).Probability, "nobody of whom anything is known")
	require.InDelta(t, b.Probability, m.Row(-1).At(moment).Of(3).Probability, 1e-9, "nor of whom nothing was answered")
	require.Less(t, m.Row(0).At(moment).Spread(3), m.Row(-1).At(moment).Spread(3), "those of the data are known better")

	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []ml.Person{before, after, m.Row(0)} {
		sum, square := 0.0, 0.0
		const n = 400
		for range n {
			q := p.Draw(r).At(moment).Of(3).Probability
			x := math.Log(q / (1 - q))
			sum, square = sum+x/n, square+x*x/n
		}
		j, spread := p.At(moment).Of(3), p.At(moment).Spread(3)
		require.InDelta(t, math.Log(j.Probability/(1-j.Probability)), sum, 4*spread/math.Sqrt(n)+1e-9)
		require.InDelta(t, spread, math.Sqrt(square-sum*sum), 0.2*spread)
	}
	require.Zero(t, after.Draw(r).At(moment).Spread(3), "a draw is sure")
	drawn := after.Draw(rand.New(rand.NewPCG(3, 3))).At(moment).Of(3)
	require.Equal(t, drawn, after.Draw(rand.New(rand.NewPCG(3, 3))).At(moment).Of(3))
}

// What speaks for an item is told by what it is: calm music where it is quiet.
func (s *suite) reasons(t *testing.T) {
	d := PlantedAnswers(18, 24, 900, 3, 4)
	m := s.situated(t, d)
	calm, wild := int32(0), int32(0)
	for i := range d.About {
		if d.About[i].Features["energy"] < d.About[calm].Features["energy"] {
			calm = int32(i)
		}
		if d.About[i].Features["energy"] > d.About[wild].Features["energy"] {
			wild = int32(i)
		}
	}
	quiet := ml.Moment{Numbers: map[string]float64{"noise": 32, "hour": 20}, Words: map[string]string{"place": "home"}}
	j := m.Row(-1).At(quiet)
	require.Greater(t, j.Of(calm).Probability, j.Of(wild).Probability)
	told := j.Reasons(calm, 5)
	require.Contains(t, told, "calmer than your usual at this hour: it is quiet")
	require.Contains(t, told, "calmer than your usual at this hour: you are at home")
	require.Equal(t, told[:1], j.Reasons(calm, 1), "the strongest first")
	require.Empty(t, j.Reasons(calm, 0))
	require.NotContains(t, j.Reasons(wild, 5), "more energetic than your usual at this hour: it is quiet")
	require.Contains(t, j.ReasonsForNew(ml.Item{Features: d.About[calm].Features}, 5), "calmer than your usual at this hour: it is quiet")
	told = m.Person(d.Answers).At(ml.Moment{Words: map[string]string{"place": "work"}}).Reasons(wild, 5)
	require.NotEmpty(t, told)
	for _, text := range told {
		require.True(t, strings.HasSuffix(text, ": place is work"), text)
	}
}

// Judges of several goroutines do not disturb each other.
func (s *suite) judges(t *testing.T) {
	m := s.situated(t, s.data)
	p := m.Person(s.data.Answers[:40])
	want := make([]ml.Judgment, len(s.data.Answers))
	for i, a := range s.data.Answers {
		want[i] = p.At(a.Moment).Of(a.Item)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, a := range s.data.Answers {
				if got := p.At(a.Moment).Of(a.Item); got != want[i] {
					t.Errorf("answer %d: %v, alone %v", i, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// Data of which little or nothing is known are no trouble.
func (s *suite) strange(t *testing.T) {
	for name, change := range map[string]func(d *ml.Data){
		"no aspects":      func(d *ml.Data) { *d = *d.WithoutAspects("noise", "hour", "place") },
		"nothing of them": func(d *ml.Data) { d.About = nil },
		"two answers":     func(d *ml.Data) { d.Answers = d.Answers[:2] },
		"all yes": func(d *ml.Data) {
			for i := range d.Answers {
				d.Answers[i].Liking = 1
			}
		},
		"nobody": func(d *ml.Data) {
			for i := range d.Answers {
				d.Answers[i].Listener = -1
			}
		},
		"always the same": func(d *ml.Data) {
			for i := range d.Answers {
				d.Answers[i].Moment = ml.Moment{Numbers: map[string]float64{"noise": 5, "hour": 3}, Words: map[string]string{"place": "home"}}
			}
		},
		"weights and degrees": func(d *ml.Data) {
			for i := range d.Answers {
				x := float64(i%5) / 4
				d.Answers[i].Weight, d.Answers[i].Degree, d.Answers[i].Aside = float64(i%3), &x, i%2 == 0
			}
		},
		"ratings": func(d *ml.Data) {
			for i := range d.Answers {
				d.Answers[i].Liking = float64(i%6) / 5
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := PlantedAnswers(6, 8, 60, 1, 5)
			moments := d.Answers
			change(d)
			m := s.situated(t, d)
			finite(t, m, ml.Heard{Listener: -1})
			for _, a := range moments {
				known, own, nobody := m.Row(int(a.Listener)).At(a.Moment), m.Person(d.Answers).At(a.Moment), m.Row(-1).At(a.Moment)
				for _, spread := range []float64{known.Spread(a.Item), own.SpreadOfNew(ml.Item{}), nobody.Spread(-1)} {
					require.False(t, math.IsNaN(spread))
				}
				for _, j := range []ml.Judgment{known.Of(a.Item), own.OfNew(ml.Item{}), nobody.Of(-1)} {
					require.False(t, math.IsNaN(j.Probability) || math.IsNaN(j.Without), "%v", j)
					require.True(t, j.Probability > 0 && j.Probability < 1, "%v", j)
				}
			}
		})
	}
	d := PlantedAnswers(6, 8, 1, 1, 5)
	_, err := s.a.Fit(t.Context(), d, s.o.Values, ml.FitOptions{})
	require.Error(t, err, "one answer is too few")
}
