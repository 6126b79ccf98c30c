package ml_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

func TestMomentWithout(t *testing.T) {
	t.Parallel()
	m := ml.Moment{Numbers: map[string]float64{"hour": 7}, Words: map[string]string{"place": "home"}}
	require.Equal(t, ml.Moment{Numbers: map[string]float64{}, Words: map[string]string{"place": "home"}}, m.Without("hour"))
	require.Equal(t, ml.Moment{Numbers: map[string]float64{"hour": 7}, Words: map[string]string{}}, m.Without("place"))
	require.Equal(t, m, m.Without("noise"))
	require.Len(t, m.Numbers, 1, "the moment itself stays")
	require.Equal(t, ml.Moment{}, ml.Moment{}.Without("hour"))
}

// answered returns small data with answers.
func answered() *ml.Data {
	return &ml.Data{
		Listeners: []string{"ada", "ben"}, Items: []string{"x", "y"},
		Heard: &ml.Matrix{Columns: 2, Starts: []int{0, 0, 0}},
		About: []ml.Item{{ID: "x", Features: map[string]float64{"energy": 0.5}}, {ID: "y"}},
		Aspects: []ml.Aspect{
			{Name: "noise", Kind: ml.Amount, Say: map[string]string{"high": "loud"}},
			{Name: "hour", Kind: ml.Cycle, Period: 24},
			{Name: "place", Kind: ml.Category},
		},
		Answers: []ml.Answer{
			{Listener: 0, Item: 1, Liking: 1, Moment: ml.Moment{Numbers: map[string]float64{"noise": 40, "hour": 8}, Words: map[string]string{"place": "home"}}},
			{Listener: -1, Item: 0, Liking: 0.4, Weight: 2, At: 100},
		},
	}
}

func TestDataSaysWhatIsWrongWithAnswers(t *testing.T) {
	t.Parallel()
	require.NoError(t, answered().Check())
	for says, spoil := range map[string]func(d *ml.Data){
		"aspects[0].name: \"\"":           func(d *ml.Data) { d.Aspects[0].Name = "" },
		"aspects[1].name: \"place\"":      func(d *ml.Data) { d.Aspects = d.Aspects[1:]; d.Aspects[0].Name = "place" },
		"aspects[0].kind: must be one of": func(d *ml.Data) { d.Aspects[0].Kind = "sort" },
		"aspects[1].period":               func(d *ml.Data) { d.Aspects[1].Period = math.Inf(1) },
		"answer 0 is of listener 2 of 2":  func(d *ml.Data) { d.Answers[0].Listener = 2 },
		"answer 1 is of listener -2":      func(d *ml.Data) { d.Answers[1].Listener = -2 },
		"answer 0 is to item 2 of 2":      func(d *ml.Data) { d.Answers[0].Item = 2 },
		"answer 0 is to item -1":          func(d *ml.Data) { d.Answers[0].Item = -1 },
		"liking of answer 0 is NaN":       func(d *ml.Data) { d.Answers[0].Liking = math.NaN() },
		"liking of answer 0 is 1.1":       func(d *ml.Data) { d.Answers[0].Liking = 1.1 },
		"degree of answer 1 is 2":         func(d *ml.Data) { x := 2.0; d.Answers[1].Degree = &x },
		"weight of answer 1 is -1":        func(d *ml.Data) { d.Answers[1].Weight = -1 },
		"weight of answer 1 is +Inf":      func(d *ml.Data) { d.Answers[1].Weight = math.Inf(1) },
		`"mood" is no aspect with number`: func(d *ml.Data) { d.Answers[0].Moment.Numbers["mood"] = 1 },
		`"place" is no aspect with numbe`: func(d *ml.Data) { d.Answers[0].Moment.Numbers["place"] = 1 },
		`"hour" is no aspect with words`:  func(d *ml.Data) { d.Answers[0].Moment.Words["hour"] = "late" },
		`"mood" is no aspect with words`:  func(d *ml.Data) { d.Answers[0].Moment.Words["mood"] = "good" },
		`"noise" is NaN`:                  func(d *ml.Data) { d.Answers[0].Moment.Numbers["noise"] = math.NaN() },
		`"noise" is -Inf`:                 func(d *ml.Data) { d.Answers[0].Moment.Numbers["noise"] = math.Inf(-1) },
	} {
		d := answered()
		spoil(d)
		require.ErrorContains(t, d.Check(), says)
	}
}

func TestFingerprintOfAnswers(t *testing.T) {
	t.Parallel()
	without := answered()
	without.Answers, without.Aspects = nil, nil
	prints := map[string]string{"as it is": answered().Fingerprint(), "without answers": without.Fingerprint()}
	for what, change := range map[string]func(d *ml.Data){
		"listener": func(d *ml.Data) { d.Answers[0].Listener = 1 },
		"item":     func(d *ml.Data) { d.Answers[0].Item = 0 },
		"liking":   func(d *ml.Data) { d.Answers[0].Liking = 0.5 },
		"degree":   func(d *ml.Data) { x := 0.3; d.Answers[1].Degree = &x },
		"weight":   func(d *ml.Data) { d.Answers[1].Weight = 3 },
		"aside":    func(d *ml.Data) { d.Answers[1].Aside = true },
		"time":     func(d *ml.Data) { d.Answers[1].At = 101 },
		"number":   func(d *ml.Data) { d.Answers[0].Moment.Numbers["noise"] = 41 },
		"word":     func(d *ml.Data) { d.Answers[0].Moment.Words["place"] = "work" },
		"unknown":  func(d *ml.Data) { d.Answers[0].Moment = d.Answers[0].Moment.Without("hour") },
		"words":    func(d *ml.Data) { d.Aspects[0].Say["high"] = "noisy" },
		"period":   func(d *ml.Data) { d.Aspects[1].Period = 12 },
		"about":    func(d *ml.Data) { d.About[0].Features["energy"] = 0.6 },
	} {
		d := answered()
		change(d)
		prints[what] = d.Fingerprint()
	}
	all := slices.Sorted(maps.Values(prints))
	require.Len(t, slices.Compact(all), len(prints), "each is another: %v", prints)

	d := answered()
	d.Answers[0].Weight = 1
	require.Equal(t, prints["as it is"], d.Fingerprint(), "0 means 1")
}
