package tunevector

import (
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/personal"
	"github.com/rhythmiq/rhythmiq/variable"
)

// How old what is known of a situation may be to tell of it. The rules in situation.go and the aspects below go by the same.
const (
	noiseFresh       = 30 * time.Minute
	movementFresh    = 10 * time.Minute
	heartFresh       = 12 * time.Hour
	temperatureFresh = 3 * time.Hour
	ratingFresh      = 30 * 24 * time.Hour
	patienceFresh    = 14 * 24 * time.Hour
	justNow          = time.Hour
)

// patienceLeast is from how many skips on their average is taken for a habit.
const patienceLeast = 3

// aspect is one thing that learners see of a situation: where it comes from, and what is usual of it.
type aspect struct {
	ml.Aspect
	variable variable.Type // "" for what is known from the listener's own interactions
	scale    personal.Scale
	words    []string
}

// The aspects. All but the last four need an opt-in each, and hold only while what they are read from is fresh; what is not known is left out, and
// counts as usual.
//
//	hour, weekday           time-of-day; as cycles of 24 hours and 7 days, both with their fractions
//	temperature             outside-temperature, °C, 3 h
//	noise                   ambient-noise, dB(A), 30 min
//	place                   location, 30 min: home, work, commute or elsewhere by the listener's own pattern; no coordinates
//	heart-rate-variability  12 h; the logarithm of the reading by the listener's own median of 30 days
//	movement, cadence       accelerometer, 10 min: still, walk or run; steps per minute from 60 to 230
//	rating                  vector-rating, 30 days: what the newest rating of a vector was, 1–5
//	patience                seconds after which the listener skips, on the average of 14 days and 50 interactions, from 3 skips on; never served
//	just-energy, just-tempo the mean of the last three tracks of the hour before, tempo in BPM
//	just-liked              what the last interactions of the hour before said on the average, −1 to 1
//
// What the listener did with the very track that they answer to tells nothing of the situation of that answer: whoever likes a track has just heard it to its
// end, which would tell the answer. So the last four leave it out where answers are learned from; where tracks are chosen there is none to leave out.
var aspects = []aspect{
	{ml.Aspect{Name: "hour", Kind: ml.Cycle, Period: 24, Say: map[string]string{"now": "at this hour"}}, variable.TimeOfDay, personal.Scale{}, nil},
	{ml.Aspect{Name: "weekday", Kind: ml.Cycle, Period: 7, Say: map[string]string{"now": "on this day of the week"}}, variable.TimeOfDay, personal.Scale{}, nil},
	{
		ml.Aspect{Name: "temperature", Kind: ml.Amount, Say: map[string]string{"low": "it is cold outside", "high": "it is warm outside"}},
		variable.OutsideTemperature,
		personal.Scale{Center: 14, Spread: 9},
		nil,
	},
	{
		ml.Aspect{Name: "noise", Kind: ml.Amount, Say: map[string]string{"low": "it is quiet around you", "high": "it is loud around you"}},
		variable.AmbientNoise,
		personal.Scale{Center: 55, Spread: 14},
		nil,
	},
	{
		ml.Aspect{Name: "place", Kind: ml.Category, Say: map[string]string{
			string(variable.Home): "you are at home", string(variable.Work): "you are at work",
			string(variable.Commute): "you are on your way", string(variable.Elsewhere): "you are out",
		}},
		variable.Location,
		personal.Scale{},
		[]string{string(variable.Home), string(variable.Work), string(variable.Commute), string(variable.Elsewhere)},
	},
	{
		ml.Aspect{Name: "heart-rate-variability", Kind: ml.Amount, Say: map[string]string{
			"low": "heart rate variability is low", "high": "heart rate variability is high",
		}}, variable.HeartRateVariability, personal.Scale{Center: 0, Spread: 0.3}, nil,
	},
	{
		ml.Aspect{Name: "movement", Kind: ml.Category, Say: map[string]string{still: "you are at rest", walk: "you are walking", run: "you are running"}},
		variable.Accelerometer,
		personal.Scale{},
		[]string{still, walk, run},
	},
	{
		ml.Aspect{Name: "cadence", Kind: ml.Amount, Say: map[string]string{"low": "your steps are slow", "high": "your steps are fast"}},
		variable.Accelerometer,
		personal.Scale{Center: 140, Spread: 35},
		nil,
	},
	{ml.Aspect{Name: "rating", Kind: ml.Amount}, variable.VectorRating, personal.Scale{Center: 3.5, Spread: 1}, nil},
	{ml.Aspect{Name: "patience", Kind: ml.Amount}, "", personal.Scale{Center: 30, Spread: 30}, nil},
	{ml.Aspect{Name: "just-energy", Kind: ml.Amount}, "", personal.Scale{Center: 0.55, Spread: 0.25}, nil},
	{ml.Aspect{Name: "just-tempo", Kind: ml.Amount}, "", personal.Scale{Center: 115, Spread: 25}, nil},
	{ml.Aspect{Name: "just-liked", Kind: ml.Amount}, "", personal.Scale{Center: 0.2, Spread: 0.4}, nil},
}

// Aspects returns what learners see of a situation. A shared model is trained on these, and asked by them.
func Aspects() []ml.Aspect {
	all := make([]ml.Aspect, len(aspects))
	for i, a := range aspects {
		all[i] = a.Aspect
	}
	return all
}

// newLearner returns what learns how each listener answers to situations.
func newLearner() (*personal.Learner, error) {
	o := personal.Options{Scales: map[string]personal.Scale{}, Words: map[string][]string{}}
	for _, a := range aspects {
		o.Aspects = append(o.Aspects, a.Aspect)
		o.Scales[a.Name], o.Words[a.Name] = a.scale, a.words
	}
	return personal.New(o)
}

// Words for movement.
const (
	still = "still"
	walk  = "walk"
	run   = "run"
)

// momentOf is what the surroundings tell of a moment, and under which consents it was read.
func momentOf(in variable.Snapshot, now time.Time) (m ml.Moment, consents []uuid.UUID) {
	m = ml.Moment{Numbers: map[string]float64{}, Words: map[string]string{}}
	fresh := func(t variable.Type, within time.Duration) (variable.Reading, bool) {
		consent, opted := in.Consents[t]
		r, read := in.Latest[t]
		if !opted || !read || now.Sub(r.At) > within {
			return r, false
		}
		consents = append(consents, consent)
		return r, true
	}
	if consent, ok := in.Consents[variable.TimeOfDay]; ok && in.Zone != nil {
		consents = append(consents, consent)
		local := now.In(in.Zone)
		hour := float64(local.Hour()) + float64(local.Minute())/60 //nolint:mnd // minutes
		m.Numbers["hour"] = hour
		m.Numbers["weekday"] = float64(local.Weekday()) + hour/24 //nolint:mnd // hours
	}
	if r, ok := fresh(variable.OutsideTemperature, temperatureFresh); ok {
		m.Numbers["temperature"] = r.Value
	}
	if r, ok := fresh(variable.AmbientNoise, noiseFresh); ok {
		m.Numbers["noise"] = r.Value
	}
	if _, ok := fresh(variable.Location, variable.WhereaboutsFresh); ok && in.Whereabouts != "" {
		m.Words["place"] = string(in.Whereabouts)
	}
	if r, ok := fresh(variable.HeartRateVariability, heartFresh); ok && in.RMSSDBaseline > 0 && r.Value > 0 {
		m.Numbers["heart-rate-variability"] = math.Log(r.Value / in.RMSSDBaseline)
	}
	if r, ok := fresh(variable.Accelerometer, movementFresh); ok {
		if word := movementOf(r); word != "" {
			m.Words["movement"] = word
		}
		if steps, counted := stepsOf(r); counted && steps >= walking {
			m.Numbers["cadence"] = steps
		}
	}
	if r, ok := fresh(variable.VectorRating, ratingFresh); ok {
		m.Numbers["rating"] = r.Value
	}
	return m, consents
}

// movementOf tells movement by steps, and without any by acceleration: a phone that lies on a desk measures next to nothing, one that is carried over 1 m/s². Who moves and makes next to no
// steps, as on a bicycle, neither rests nor walks nor runs: that is none of the words, "".
func movementOf(r variable.Reading) string {
	switch steps, counted := stepsOf(r); {
	case counted && steps >= running:
		return run
	case counted && steps >= walking:
		return walk
	case r.Value < walkingBy:
		return still
	case counted:
		return ""
	case r.Value >= runningBy:
		return run
	}
	return walk
}

// Mean accelerations in m/s² without gravity, of a phone that is carried.
const (
	walkingBy = 1.0
	runningBy = 6.0
)

// tell adds to a moment what the answers among the listener's 50 interactions before it tell; they are the newest first. tracks are those that are known and may be learned from: at
// least all of these that were answered to. What was done with the track of the answer whose moment it is tells nothing; answered is "" where there is none.
func (h interactions) tell(m ml.Moment, at time.Time, answered string, tracks map[string]*ml.Item) {
	skips, seconds := 0, 0.0
	var energies, tempos, said []float64
	last, looked := "", 0
	for n := range h {
		i := &h[n]
		if !i.At.Before(at) {
			continue
		}
		age := at.Sub(i.At)
		if looked++; age > patienceFresh || looked > mostTelling {
			break
		}
		if i.TrackID == answered || !answers(i, tracks) {
			continue
		}
		if i.Action == ml.Skip && i.PositionSeconds != nil {
			skips++
			seconds += *i.PositionSeconds
		}
		if age > justNow {
			continue
		}
		if len(said) < justLooked {
			said = append(said, i.Strength())
		}
		if t := tracks[i.TrackID]; t != nil && i.TrackID != last && len(energies) < justLooked && t.Confidence > 0 {
			last = i.TrackID
			energies, tempos = append(energies, t.Features["energy"]), append(tempos, t.Features["tempo"])
		}
	}
	if skips >= patienceLeast {
		m.Numbers["patience"] = seconds / float64(skips)
	}
	if len(energies) > 0 {
		m.Numbers["just-energy"], m.Numbers["just-tempo"] = mean(energies), mean(tempos)
	}
	if len(said) > 0 {
		m.Numbers["just-liked"] = mean(said)
	}
}

// mostTelling is how many interactions before a moment tell of it.
const mostTelling = 50

// justLooked is how many of the last tracks and interactions tell what was just played.
const justLooked = 3

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// interactions are a listener's, the newest first.
type interactions []ml.Interaction
