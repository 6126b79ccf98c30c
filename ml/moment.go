package ml

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Moment is what is known of a listener's situation at one time, by the names of [Aspect]s. What is not in it is unknown: a variable that was not opted into, a
// sensor that is silent, a reading that is too old to mean anything. The zero value is a moment of which nothing is known. Whoever has one does not change it.
type Moment struct {
	Numbers map[string]float64 // of amounts and cycles
	Words   map[string]string  // of categories
}

// Without returns the moment with one aspect unknown. It shares nothing with m.
func (m Moment) Without(aspect string) Moment {
	m = Moment{maps.Clone(m.Numbers), maps.Clone(m.Words)}
	delete(m.Numbers, aspect)
	delete(m.Words, aspect)
	return m
}

// AspectKind says what the values of an aspect are.
type AspectKind string

// The kinds.
const (
	Amount   AspectKind = "amount"   // a number, such as a temperature
	Cycle    AspectKind = "cycle"    // a number that comes around, such as the hour of the day
	Category AspectKind = "category" // one of some words, such as a place
)

// Aspect is one thing that can be known of a situation: how a learner is to read it, and how it is told to a listener.
type Aspect struct {
	Name string     `json:"name"` // such as "temperature"
	Kind AspectKind `json:"kind"`
	// Period is after how much a cycle begins anew, in the unit of its numbers: 24 for hours. It is 0 for other kinds.
	Period float64 `json:"period,omitempty"`
	// Say is how values are told in a reason: for an amount under "low" and "high" ("heart rate variability is low"), for a category under the word ("you
	// are at home"), for a cycle under "now" ("at this hour"). What is missing is made up from the name.
	Say map[string]string `json:"say,omitempty"`
}

// Answer is how one listener took to one item in one moment.
type Answer struct {
	Listener int32  // the row in [Data]; −1 for nobody of whom anything else is known
	Item     int32  // the column in [Data]
	Moment   Moment // the situation then
	// Liking is from 0, disliked, to 1, liked: a yes or no, or a rating on that scale. A model foretells its expectation, which is the probability of a yes.
	Liking float64
	// Degree is how much they liked it within the yes or no, where more than that is known, 0–1: of a rating, or of an action that says more than another. It helps to learn, and is not what is
	// foretold. nil: it is not known.
	Degree *float64
	Weight float64 // how much it counts; 0 means 1
	At     int64   // seconds since 1970; 0 where not known
	// Aside says that it was given in another setting than those that will be asked for, such as in a laboratory: it is learned from, and nothing is measured by it or calibrated on it.
	Aside bool
}

func checkAspects(all []Aspect) (map[string]Aspect, error) {
	var f fault.Fields
	byName := make(map[string]Aspect, len(all))
	for i, a := range all {
		field := fmt.Sprintf("aspects[%d].", i)
		if _, twice := byName[a.Name]; twice || a.Name == "" {
			f.Add(field+"name", "%q must be there, and once", a.Name)
		}
		switch a.Kind {
		case Amount, Category:
		case Cycle:
			if !(a.Period > 0) || math.IsInf(a.Period, 1) {
				f.Add(field+"period", "must be above 0")
			}
		default:
			f.Add(field+"kind", "must be one of %s, %s, %s", Amount, Cycle, Category)
		}
		byName[a.Name] = a
	}
	return byName, f.Err()
}

// checkAnswers says what is wrong with the answers of the data, of the first that is wrong, or returns nil.
func (d *Data) checkAnswers() error {
	aspects, err := checkAspects(d.Aspects)
	if err != nil {
		return fmt.Errorf("ml: %w", err)
	}
	for i := range d.Answers {
		a := &d.Answers[i]
		switch {
		case a.Listener < -1 || int(a.Listener) >= len(d.Listeners):
			return fmt.Errorf("ml: answer %d is of listener %d of %d", i, a.Listener, len(d.Listeners))
		case a.Item < 0 || int(a.Item) >= len(d.Items):
			return fmt.Errorf("ml: answer %d is to item %d of %d", i, a.Item, len(d.Items))
		case !(a.Liking >= 0 && a.Liking <= 1):
			return fmt.Errorf("ml: the liking of answer %d is %v, must be 0 to 1", i, a.Liking)
		case a.Degree != nil && !(*a.Degree >= 0 && *a.Degree <= 1):
			return fmt.Errorf("ml: the degree of answer %d is %v, must be 0 to 1", i, *a.Degree)
		case !(a.Weight >= 0) || math.IsInf(a.Weight, 1):
			return fmt.Errorf("ml: the weight of answer %d is %v, must not be below 0", i, a.Weight)
		}
		if err := a.Moment.check(aspects); err != nil {
			return fmt.Errorf("ml: answer %d: %w", i, err)
		}
	}
	return nil
}

func (m Moment) check(aspects map[string]Aspect) error {
	for name, x := range m.Numbers {
		if a, known := aspects[name]; !known || a.Kind == Category {
			return fmt.Errorf("%q is no aspect with numbers", name)
		}
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is %v", name, x)
		}
	}
	for name := range m.Words {
		if a, known := aspects[name]; !known || a.Kind != Category {
			return fmt.Errorf("%q is no aspect with words", name)
		}
	}
	return nil
}

// hashAnswers adds aspects and answers to a fingerprint. Data without any keep the fingerprint that they had before there were answers.
func (d *Data) hashAnswers(h hash.Hash) {
	if len(d.Aspects) == 0 && len(d.Answers) == 0 {
		return
	}
	for _, a := range d.Aspects {
		fmt.Fprintf(h, "%q %q %v", a.Name, a.Kind, a.Period)
		for _, key := range slices.Sorted(maps.Keys(a.Say)) {
			fmt.Fprintf(h, " %q=%q", key, a.Say[key])
		}
	}
	var b []byte
	text := func(s string) { b = append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...) }
	number := func(x float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x)) }
	for i := range d.Answers {
		a := &d.Answers[i]
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(a.Listener))
		b = binary.LittleEndian.AppendUint32(b, uint32(a.Item))
		b = binary.LittleEndian.AppendUint64(b, uint64(a.At))
		number(a.Liking)
		if a.Degree != nil {
			number(*a.Degree)
		}
		number(cmp.Or(a.Weight, 1))
		if a.Aside {
			text("aside")
		}
		number(float64(len(a.Moment.Numbers)))
		for _, name := range slices.Sorted(maps.Keys(a.Moment.Numbers)) {
			text(name)
			number(a.Moment.Numbers[name])
		}
		for _, name := range slices.Sorted(maps.Keys(a.Moment.Words)) {
			text(name)
			text(a.Moment.Words[name])
		}
		h.Write(b)
	}
	// What is known of the items is learned from, where it is answers that are.
	for _, item := range d.About {
		fmt.Fprintf(h, "%q %q %q", item.ID, item.Artists, item.Tags)
		for _, name := range slices.Sorted(maps.Keys(item.Features)) {
			fmt.Fprintf(h, " %q=%v", name, item.Features[name])
		}
	}
}
