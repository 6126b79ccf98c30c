package personal_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/personal"
)

var options = personal.Options{
	Aspects: []ml.Aspect{
		{Name: "noise", Kind: ml.Amount, Say: map[string]string{"high": "it is loud around you"}},
		{Name: "hour", Kind: ml.Cycle, Period: 24, Say: map[string]string{"now": "at this hour"}},
		{Name: "place", Kind: ml.Category, Say: map[string]string{"work": "you are at work"}},
	},
	Scales: map[string]personal.Scale{"noise": {Center: 55, Spread: 15}},
	Words:  map[string][]string{"place": {"home", "work"}},
}

func learner(t testing.TB) *personal.Learner {
	l, err := personal.New(options)
	require.NoError(t, err)
	return l
}

func item(energy float64) ml.Item {
	return ml.Item{Confidence: 1, Features: map[string]float64{"energy": energy, "valence": 0.5, "tempo": 115, "acousticness": 0.3, "instrumentalness": 0.15}}
}

// opposite is a listener who wants it calm where it is loud, the opposite of what the rules have.
func opposite(n int, seed uint64) (answers []ml.Answer, items []ml.Item) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		noise, energy := 40+30*r.Float64(), r.Float64()
		likes := 0.0
		if (energy-0.5)*(55-noise)/15 > 0.1*r.NormFloat64() {
			likes = 1
		}
		items = append(items, item(energy))
		m := ml.Moment{Numbers: map[string]float64{"noise": noise, "hour": 24 * r.Float64()}, Words: map[string]string{"place": []string{"home", "work", "moon"}[r.IntN(3)]}}
		if i%5 == 0 {
			m = ml.Moment{} // nothing is known
		}
		answers = append(answers, ml.Answer{Item: int32(i), Liking: likes, Moment: m})
	}
	return answers, items
}

func loud() ml.Moment  { return ml.Moment{Numbers: map[string]float64{"noise": 75}} }
func quiet() ml.Moment { return ml.Moment{Numbers: map[string]float64{"noise": 35}} }

func TestItLearnsWhatAListenerWants(t *testing.T) {
	l := learner(t)
	answers, items := opposite(200, 1)
	p := l.Person(answers, items)
	require.Equal(t, 200, p.Answers())
	calm, lively := item(0.15), item(0.9)
	require.Greater(t, p.At(loud()).OfNew(calm).Probability, p.At(loud()).OfNew(lively).Probability+0.3)
	require.Less(t, p.At(quiet()).OfNew(calm).Probability, p.At(quiet()).OfNew(lively).Probability-0.3)

	// Where nothing is known of the moment, it changes nothing: whatever is unknown is as usual.
	for _, m := range []ml.Moment{{}, {Numbers: map[string]float64{"tide": 3, "noise": math.NaN()}}} {
		j := p.At(m).OfNew(calm)
		require.Equal(t, j.Without, j.Probability)
	}
	// Of music of which nothing is known, nothing is told by its features.
	unknown := p.At(loud()).OfNew(ml.Item{Features: map[string]float64{"energy": 0.9}})
	require.Equal(t, unknown, p.At(loud()).Of(0))

	require.Equal(t, []string{"calmer than your usual: it is loud around you"}, p.At(loud()).ReasonsForNew(calm, 1))
	require.Equal(t, []string{"livelier than your usual: noise is low"}, p.At(quiet()).ReasonsForNew(lively, 1), "made up from the name")
	require.Empty(t, p.At(loud()).ReasonsForNew(lively, 1), "nothing speaks for it")
	require.Empty(t, p.At(loud()).ReasonsForNew(calm, 0))
	require.Empty(t, p.At(loud()).Reasons(0, 1))
}

func TestWordsAndHoursAreTold(t *testing.T) {
	l := learner(t)
	r := rand.New(rand.NewPCG(2, 2))
	var answers []ml.Answer
	var items []ml.Item
	for i := range 300 {
		hour, energy := float64(r.IntN(24)), r.Float64()
		word := []string{"home", "work"}[r.IntN(2)]
		likes := 0.0
		if energy > 0.5 == (word == "work") {
			likes = 1
		}
		if i%2 == 0 {
			word, likes = "home", 0
			if energy > 0.5 == (hour >= 12) {
				likes = 1
			}
		}
		items = append(items, item(energy))
		a := ml.Answer{Item: int32(i), Liking: likes, Weight: 1}
		if i%2 == 0 {
			a.Moment.Numbers = map[string]float64{"hour": hour}
		} else {
			a.Moment.Words = map[string]string{"place": word}
		}
		answers = append(answers, a)
	}
	p := l.Person(answers, items)
	at := func(m ml.Moment, energy float64) []string { return p.At(m).ReasonsForNew(item(energy), 2) }
	require.Equal(t, []string{"livelier than your usual: you are at work"}, at(ml.Moment{Words: map[string]string{"place": "work"}}, 0.9))
	require.Contains(t, at(ml.Moment{Words: map[string]string{"place": "home"}}, 0.1)[0], "calmer than your usual")
	require.Equal(t, []string{"livelier than your usual at this hour"}, at(ml.Moment{Numbers: map[string]float64{"hour": 18}}, 0.9))
}

func TestMoreAnswersMakeSurer(t *testing.T) {
	l := learner(t)
	spread, drawn := math.Inf(1), math.Inf(1)
	for _, n := range []int{0, 10, 100, 1000} {
		p := l.Person(opposite(n, 3))
		loudly := p.At(loud())
		now := loudly.SpreadOfNew(item(0.6))
		require.Less(t, now, spread, n)
		require.Equal(t, now, loudly.SpreadOfNew(item(0.6)))
		spread = now

		// Draws are around what is foretold, and spread as it says.
		r := rand.New(rand.NewPCG(4, uint64(n)))
		var sum, squares float64
		const draws = 400
		for range draws {
			d := p.Draw(r).At(loud()).OfNew(item(0.6)).Probability
			sum += d
			squares += d * d
		}
		mean := sum / draws
		sd := math.Sqrt(squares/draws - mean*mean)
		require.InDelta(t, p.At(loud()).OfNew(item(0.6)).Probability, mean, 0.05, n)
		require.Less(t, sd, drawn, n)
		drawn = sd
		if j := loudly.OfNew(item(0.6)); n >= 10 {
			require.InDelta(t, spread*j.Probability*(1-j.Probability), sd, 0.25*sd, n)
		}
	}
	// The same answers and seed give the same.
	a, b := l.Person(opposite(50, 5)), l.Person(opposite(50, 5))
	require.Equal(t, a.At(loud()).OfNew(item(0.2)), b.At(loud()).OfNew(item(0.2)))
	draw := func(p *personal.Person) float64 {
		return p.Draw(rand.New(rand.NewPCG(1, 1))).At(loud()).OfNew(item(0.2)).Probability
	}
	require.Equal(t, draw(a), draw(b))
}

// What is chance is not told, nor taken for evidence; what is there is.
func TestEvidence(t *testing.T) {
	l := learner(t)
	told, asked, evidence := 0, 0, 0.0
	const listeners = 20
	for seed := range uint64(listeners) {
		r := rand.New(rand.NewPCG(seed, 7))
		answers, items := opposite(150, seed)
		for i := range answers {
			answers[i].Liking = float64(r.IntN(2))
		}
		p := l.Person(answers, items)
		evidence += p.Evidence() / listeners
		for range 20 {
			m := ml.Moment{Numbers: map[string]float64{"noise": 40 + 30*r.Float64(), "hour": 24 * r.Float64()}, Words: map[string]string{"place": "work"}}
			told += len(p.At(m).ReasonsForNew(item(r.Float64()), 1))
			asked++
		}
	}
	require.Less(t, evidence, 0.15)
	require.Less(t, float64(told)/float64(asked), 0.03)
	before := 0.0
	for _, n := range []int{0, 12, 40, 150, 400} {
		evidence := 0.0
		for seed := range uint64(listeners) {
			evidence += l.Person(opposite(n, seed)).Evidence() / listeners
		}
		require.GreaterOrEqual(t, evidence, before, n)
		before = evidence
	}
	require.Greater(t, before, 0.8)
	require.Less(t, before, 1.0)
}

// Evidence is by what is foretold of each answer by all others, here by leaving it out indeed.
func TestEvidenceIsThatOfLeavingOut(t *testing.T) {
	l := learner(t)
	answers, items := opposite(60, 3)
	for i := range items {
		items[i].ID, items[i].Tags = strconv.Itoa(i%20), []string{fmt.Sprint("tag ", i%3)}
		answers[i].Moment.Numbers = map[string]float64{"noise": 40 + float64(i*7%31), "hour": float64(i * 5 % 24)}
		answers[i].Moment.Words = map[string]string{"place": []string{"home", "work"}[i%2]}
		answers[i].Liking = 0
		if items[i].Features["energy"] > 0.5 == (answers[i].Moment.Numbers["noise"] < 55) || i%9 == 0 {
			answers[i].Liking = 1
		}
	}
	whole := l.Person(answers, items)
	sum, squares, n := 0.0, 0.0, float64(len(answers))
	for i, a := range answers {
		weightless := slices.Clone(answers)
		weightless[i].Weight = 1e-12 // so that it is centered on the same, and has the same effects
		j := l.Person(weightless, items).At(a.Moment).OfNew(items[i])
		y := 2*a.Liking - 1
		without, with := y-(2*j.Without-1), y-(2*j.Probability-1)
		gain := without*without - with*with
		sum, squares = sum+gain, squares+gain*gain
	}
	z := sum / n / math.Sqrt((squares/n-sum/n*sum/n)/n)
	require.Greater(t, z, 1.0)
	require.InDelta(t, z/(1+z), whole.Evidence(), 0.02, "judgments are kept off the ends, which this knows nothing of")
}

func TestManyDrawsAreThoseOneByOne(t *testing.T) {
	answers, items := opposite(60, 9)
	for i := range items {
		items[i].ID, items[i].Tags, items[i].Artists = strconv.Itoa(i), []string{fmt.Sprint("tag ", i%7)}, []string{fmt.Sprint("artist ", i%20)}
	}
	p := learner(t).Person(answers, items)
	items = append(items, ml.Item{}, item(0.4))
	for _, moment := range []ml.Moment{{}, loud()} {
		one, all := rand.New(rand.NewPCG(6, 6)), rand.New(rand.NewPCG(6, 6))
		for range 2 { // as if they were asked for in parts
			for _, draw := range p.Draws(all, 3, moment, items) {
				judge := p.Draw(one).At(moment)
				for i := range items {
					require.Equal(t, judge.OfNew(items[i]).Probability, draw[i])
				}
			}
		}
	}
	require.Empty(t, p.Draws(rand.New(rand.NewPCG(6, 6)), 0, loud(), items))
}

// tagged is music that sounds alike, of a tag, by an artist.
func tagged(id, tag, artist string) ml.Item {
	i := item(0.5)
	i.ID, i.Tags, i.Artists = id, []string{tag, tag}, []string{artist}
	return i
}

func TestTagsArtistsAndTracksAreLearned(t *testing.T) {
	l := learner(t)
	var answers []ml.Answer
	var items []ml.Item
	answer := func(i ml.Item, likes float64) {
		items = append(items, i)
		answers = append(answers, ml.Answer{Item: int32(len(items) - 1), Liking: likes, Moment: loud()})
	}
	for i := range 20 {
		answer(tagged(fmt.Sprint("jazz ", i), "jazz", fmt.Sprint("a", i)), 1)
		answer(tagged(fmt.Sprint("rock ", i), "rock", "the one"), float64(i%2))
		answer(tagged(fmt.Sprint("more rock ", i), "rock", fmt.Sprint("b", i)), 0)
		answer(tagged("the hit", "pop", "c"), 1)
		answer(tagged("the bore", "pop", "c"), 0)
	}
	p := l.Person(answers, items)
	of := func(i ml.Item) float64 { return p.At(loud()).OfNew(i).Probability }
	require.Greater(t, of(tagged("new", "jazz", "new")), of(tagged("new", "rock", "new"))+0.3)
	require.Greater(t, of(tagged("new", "rock", "the one")), of(tagged("new", "rock", "new"))+0.1)
	require.Greater(t, of(tagged("the hit", "pop", "c")), of(tagged("the bore", "pop", "c"))+0.2)
	// What the listener never answered to is as usual.
	require.Equal(t, of(item(0.5)), of(tagged("new", "polka", "new")))
	require.Equal(t, p.At(loud()).OfNew(item(0.5)), p.At(loud()).OfNew(tagged("new", "polka", "a1")), "one answer tells nothing of an artist beside its tag")

	// It is surer of what it knows well, and draws are spread as it says.
	for _, i := range []ml.Item{tagged("new", "jazz", "new"), tagged("the hit", "pop", "c"), tagged("new", "rock", "the one")} {
		j, spread := p.At(loud()).OfNew(i), p.At(loud()).SpreadOfNew(i)
		r := rand.New(rand.NewPCG(8, 8))
		var sum, squares float64
		const draws = 600
		for range draws {
			d := p.Draw(r).At(loud()).OfNew(i).Probability
			sum += d
			squares += d * d
		}
		sd := math.Sqrt(squares/draws - sum/draws*sum/draws)
		require.InDelta(t, j.Probability, sum/draws, 0.02)
		require.InDelta(t, spread*j.Probability*(1-j.Probability), sd, 0.15*sd, i.ID)
	}

	// Of many, those answered to most have a weight of their own, so that a listener stays small.
	for i := range 200 {
		answer(tagged(fmt.Sprint("other ", i), fmt.Sprint("tag ", i), fmt.Sprint("d", i%60)), float64(i%2))
	}
	p = l.Person(answers, items)
	require.Equal(t, of(item(0.5)), of(tagged("new", "tag 199", "new")))
	require.NotEqual(t, of(item(0.5)), of(tagged("new", "tag 1", "new")))
	require.Greater(t, of(tagged("new", "jazz", "new")), of(tagged("new", "rock", "new"))+0.3)
}

func TestWhatCannotBeUsedIsLeftOut(t *testing.T) {
	l := learner(t)
	answers, items := opposite(20, 6)
	bad := append([]ml.Answer{{Item: -1, Liking: 1}, {Item: 99, Liking: 1}, {Item: 0, Liking: math.NaN()}}, answers...)
	require.Equal(t, l.Person(answers, items).At(loud()).OfNew(item(0.3)), l.Person(bad, items).At(loud()).OfNew(item(0.3)))
	// An answer of weight 2 is two.
	twice := []ml.Answer{answers[1], answers[1]}
	once := []ml.Answer{answers[1]}
	once[0].Weight = 2
	require.InDelta(t, l.Person(twice, items).At(loud()).OfNew(item(0.3)).Probability, l.Person(once, items).At(loud()).OfNew(item(0.3)).Probability, 1e-12)
}

func TestWrongOptions(t *testing.T) {
	_, err := personal.New(personal.Options{Aspects: []ml.Aspect{
		{Name: "a", Kind: ml.Amount}, {Name: "b", Kind: ml.Cycle}, {Name: "c", Kind: ml.Category}, {Name: "d", Kind: "x"},
	}})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 4)
}

func Example() {
	l, err := personal.New(options)
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := l.Person(opposite(200, 1))
	loud := ada.At(ml.Moment{Numbers: map[string]float64{"noise": 75}})
	calm := item(0.15)
	fmt.Printf("%.1f now, %.1f usually: %s\n", loud.OfNew(calm).Probability, loud.OfNew(calm).Without, loud.ReasonsForNew(calm, 1)[0])
	// Output: 1.0 now, 0.5 usually: calmer than your usual: it is loud around you
}

// BenchmarkPerson fits a listener of 300 answers.
func BenchmarkPerson(b *testing.B) {
	l := learner(b)
	answers, items := opposite(300, 1)
	for b.Loop() {
		l.Person(answers, items)
	}
}
