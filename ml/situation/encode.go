package situation

import (
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
)

// scale makes numbers of any distribution standard ones: through their ranks, so that neither a long tail nor the unit matters. What is beyond all that was seen is
// like the farthest that was.
type scale struct {
	At []float64 `json:"at"` // ascending
	To []float64 `json:"to"`
}

const (
	knots   = 33  // of a scale, at most
	leastTo = 0.1 // standard deviation of numbers that are worth reading
)

// newScale returns the scale of numbers, which it sorts; false where they are all about the same.
func newScale(x []float64) (scale, bool) {
	slices.Sort(x)
	var s scale
	n := float64(len(x))
	ranks := make([]float64, len(x)) // the normal score of the middle of equal ones
	for from := 0; from < len(x); {
		to := from
		for to < len(x) && x[to] == x[from] {
			to++
		}
		score := math.Sqrt2 * math.Erfinv(float64(from+to)/n-1)
		for i := from; i < to; i++ {
			ranks[i] = score
		}
		from = to
	}
	mean, square := 0.0, 0.0
	for _, r := range ranks {
		mean += r / n
	}
	for _, r := range ranks {
		square += (r - mean) * (r - mean) / n
	}
	deviation := math.Sqrt(square)
	if !(deviation > leastTo) {
		return s, false
	}
	for k := range knots {
		i := k * (len(x) - 1) / (knots - 1)
		if m := len(s.At); m == 0 || s.At[m-1] < x[i] {
			s.At = append(s.At, x[i])
			s.To = append(s.To, (ranks[i]-mean)/deviation)
		}
	}
	return s, true
}

func (s scale) of(x float64) float64 {
	i, found := slices.BinarySearch(s.At, x)
	switch {
	case found:
		return s.To[i]
	case i == 0:
		return s.To[0]
	case i == len(s.At):
		return s.To[i-1]
	}
	part := (x - s.At[i-1]) / (s.At[i] - s.At[i-1])
	return s.To[i-1] + part*(s.To[i]-s.To[i-1])
}

// reading is how an aspect becomes numbers, all of mean 0 over the moments in which it is known: so that 0 is what an unknown one is, and says nothing.
type reading struct {
	ml.Aspect
	From  int       `json:"from"` // its first number
	Size  int       `json:"size"` // how many there are; 0: it says nothing
	Scale scale     `json:"scale,omitzero"`
	Words []string  `json:"words,omitempty"` // ascending
	Mean  []float64 `json:"mean,omitempty"`  // of the numbers before they are shifted
}

const (
	amountSize = 2   // the number, and how far it is from usual
	cycleSize  = 4   // sine and cosine, once and twice around
	leastShare = 0.1 // under which words are not made larger
	fewWords   = 2   // how often a word must be there
)

// raw writes the numbers of an aspect before they are shifted, and reports whether it is known.
func (r *reading) raw(dst []float64, m ml.Moment) bool {
	if r.Kind == ml.Category {
		word, ok := m.Words[r.Name]
		if !ok {
			return false
		}
		i, known := slices.BinarySearch(r.Words, word)
		if known {
			dst[i] = 1
		}
		return known
	}
	x, ok := m.Numbers[r.Name]
	if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
		return false
	}
	if r.Kind == ml.Cycle {
		angle := 2 * math.Pi * x / r.Period
		for h := range cycleSize / 2 {
			sin, cos := math.Sincos(angle * float64(h+1))
			dst[2*h], dst[2*h+1] = math.Sqrt2*sin, math.Sqrt2*cos
		}
		return true
	}
	z := r.Scale.of(x)
	dst[0], dst[1] = z, (z*z-1)/math.Sqrt2
	return true
}

// shift makes raw numbers ones of mean 0.
func (r *reading) shift(x []float64) {
	for i := range x {
		x[i] -= r.Mean[i]
		if r.Kind == ml.Category { // of variance 1, but for rare words
			share := max(r.Mean[i], leastShare)
			x[i] /= math.Sqrt(share * (1 - min(share, 1-leastShare)))
		}
	}
}

// item is what a learner sees of an item.
type item struct {
	column  int32 // −1 for one that the model does not know
	numbers []float64
	tags    []int32
	artists []int32
}

// row is a question: how does this listener take to this item now?
type row struct {
	listener int32 // −1 for nobody
	item     *item
	moment   []float64 // nil where nothing is known
}

// encoder makes questions of answers, and of what is asked later.
type encoder struct {
	Readings  []reading        `json:"readings"`
	Size      int              `json:"size"`     // numbers of a moment
	Features  []string         `json:"features"` // of items, ascending
	Scales    []scale          `json:"scales"`
	Listeners int              `json:"listeners"`
	tags      map[string]int32 // numbers by order
	artists   map[string]int32
	items     []item
}

func newEncoder(d *ml.Data) *encoder {
	e := &encoder{Listeners: len(d.Listeners)}
	for _, a := range d.Aspects {
		e.read(a, d.Answers)
	}
	e.describe(d)
	return e
}

// read adds an aspect.
func (e *encoder) read(a ml.Aspect, answers []ml.Answer) {
	r := reading{Aspect: a, From: e.Size}
	counts := map[string]int{}
	var numbers []float64
	for i := range answers {
		if x, ok := answers[i].Moment.Numbers[a.Name]; ok {
			numbers = append(numbers, x)
		}
		if w, ok := answers[i].Moment.Words[a.Name]; ok {
			counts[w]++
		}
	}
	switch a.Kind {
	case ml.Category:
		for w, n := range counts {
			if n >= fewWords && n < len(answers) {
				r.Words = append(r.Words, w)
			}
		}
		slices.Sort(r.Words)
		r.Size = len(r.Words)
	case ml.Cycle:
		if len(numbers) > 0 {
			r.Size = cycleSize
		}
	case ml.Amount:
		var worth bool
		if r.Scale, worth = newScale(numbers); worth {
			r.Size = amountSize
		}
	}
	r.Mean = make([]float64, r.Size)
	n, x := 0.0, make([]float64, r.Size)
	for i := range answers {
		clear(x)
		if r.Size > 0 && r.raw(x, answers[i].Moment) {
			n++
			for j := range x {
				r.Mean[j] += x[j]
			}
		}
	}
	for j := range r.Mean {
		r.Mean[j] /= max(n, 1)
	}
	e.Size += r.Size
	e.Readings = append(e.Readings, r)
}

// moment returns the numbers of a moment, nil where nothing is known.
func (e *encoder) moment(m ml.Moment) []float64 {
	if len(m.Numbers) == 0 && len(m.Words) == 0 {
		return nil
	}
	var all []float64
	for i := range e.Readings {
		r := &e.Readings[i]
		x := make([]float64, r.Size)
		if r.Size == 0 || !r.raw(x, m) {
			continue
		}
		r.shift(x)
		if all == nil {
			all = make([]float64, e.Size)
		}
		copy(all[r.From:], x)
	}
	return all
}

// describe learns what the items of the data are.
func (e *encoder) describe(d *ml.Data) {
	e.tags, e.artists = map[string]int32{}, map[string]int32{}
	values := map[string][]float64{}
	for i := range d.About {
		for name, x := range d.About[i].Features {
			if !math.IsNaN(x) && !math.IsInf(x, 0) {
				values[name] = append(values[name], x)
			}
		}
		for _, t := range d.About[i].Tags {
			number(e.tags, t)
		}
		for _, a := range d.About[i].Artists {
			number(e.artists, a)
		}
	}
	for name := range values {
		e.Features = append(e.Features, name)
	}
	slices.Sort(e.Features)
	kept := e.Features[:0]
	for _, name := range e.Features {
		if s, worth := newScale(values[name]); worth {
			kept = append(kept, name)
			e.Scales = append(e.Scales, s)
		}
	}
	e.Features = kept
	e.items = make([]item, len(d.Items))
	for c := range e.items {
		var about ml.Item
		if d.About != nil {
			about = d.About[c]
		}
		e.items[c] = e.item(about)
		e.items[c].column = int32(c)
	}
}

func number(in map[string]int32, name string) {
	if _, known := in[name]; !known {
		in[name] = int32(len(in))
	}
}

// item returns what the learner sees of an item that it does not know.
func (e *encoder) item(about ml.Item) item {
	it := item{column: -1, numbers: make([]float64, len(e.Features))}
	for i, name := range e.Features {
		if x, ok := about.Features[name]; ok && !math.IsNaN(x) {
			it.numbers[i] = float64(float32(e.Scales[i].of(x))) // as it is in a file
		}
	}
	known := func(all map[string]int32, names []string) (numbers []int32) {
		for _, name := range names {
			if n, ok := all[name]; ok && !slices.Contains(numbers, n) {
				numbers = append(numbers, n)
			}
		}
		return numbers
	}
	it.tags, it.artists = known(e.tags, about.Tags), known(e.artists, about.Artists)
	return it
}

// listener returns the number of a listener, −1 for one beyond.
func (e *encoder) listener(n int) int32 {
	if n < 0 || n >= e.Listeners {
		return -1
	}
	return int32(n)
}
