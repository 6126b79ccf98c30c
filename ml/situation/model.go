// Package situation learns how what listeners like depends on their situation: the hour, the place, the noise, how they move. A model of it says how likely a
// listener likes an item now, with how unsure it is and why, in words.
//
// Situations say little beside taste, and data on them are small. So each algorithm fits two predictors: one of taste alone, and one that sees the moment, too, of which only
// what the moment changes is used, as far as that was borne out by answers that neither had seen. A moment of which nothing is known changes nothing, and where situations
// do not matter, they count nothing. On the same answers the log odds are calibrated (Platt, "Probabilistic outputs for support vector machines", 1999).
//
//	m, err := situation.Logistic{}.Fit(ctx, data, nil, ml.FitOptions{})
//	judge := m.(ml.Situated).Person(own).At(ml.Moment{Numbers: map[string]float64{"hour": 7.5}})
//	judge.Of(column).Probability
package situation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Algorithms returns all algorithms of this package, the cheap ones first.
func Algorithms() []ml.Algorithm { return []ml.Algorithm{Logistic{}, Process{}, Machine{}, Trees{}} }

// Model is a fitted model of situations, of any of the algorithms of this package.
type Model struct {
	name  string
	items []string
	*encoder
	facts
	parts     [2]predictor // without moments, and with
	variances []float32    // of what is each listener's own, row by row; see person
	held      []ml.Judgment
}

// facts are what the file of a model tells besides tensors.
type facts struct {
	Calibration calibration `json:"calibration"`
	Degree      float64     `json:"degree"` // share of degrees in targets
}

var _ ml.Situated = (*Model)(nil)

// model puts together what was fitted.
func (f *fitting) model(name string, d *ml.Data) ml.Model {
	if f.last[0] == nil { // all steps were in a checkpoint
		return nil
	}
	m := &Model{name: name, items: d.Items, encoder: f.e, parts: f.last}
	m.Calibration = f.calibrate(func(int) bool { return true })
	m.held = make([]ml.Judgment, len(f.likes))
	for k := range f.folds {
		c := f.calibrate(func(i int) bool { return f.fold[i] != k })
		for i := range m.held {
			if f.fold[i] == k {
				base, effect := float64(f.base[i]), float64(f.effect[i])
				m.held[i] = ml.Judgment{Probability: logistic(c.of(base, effect)), Without: logistic(c.of(base, 0))}
			}
		}
	}
	m.variances = m.listenersVariances(f.all)
	return m
}

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return m.name }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.items }

// Aspects implements ml.Situated.
func (m *Model) Aspects() []ml.Aspect {
	all := make([]ml.Aspect, len(m.Readings))
	for i := range m.Readings {
		all[i] = m.Readings[i].Aspect
	}
	return all
}

// Held returns what was foretold of each answer that the model was fitted to by predictors and a calibration that had not seen it. A model that was opened from a file has
// none. They are the model's.
func (m *Model) Held() []ml.Judgment { return m.held }

// Effect returns how much what the moment changes counts: 1 is as much as the predictor says, 0 is not at all.
func (m *Model) Effect() float64 { return m.Calibration.Effect }

// Scores implements ml.Model: the log odds where nothing is known of the moment. Only the row of the listener is looked at; see Person for what somebody did.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	u := m.listener(h.Listener)
	for i := range dst {
		base := m.parts[0].logit(&row{u, &m.encoder.items[i], nil})
		dst[i] = float32(m.Calibration.of(base, 0))
	}
}

const (
	tensorFeatures = "features"
	tensorVariance = "variances"
	metaEncoder    = "encoder"
	metaFacts      = "facts"
	metaAlgorithm  = "algorithm"
)

var partNames = [2]string{"without/", "with/"}

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	encoder, _ := json.Marshal(m.encoder) // numbers and texts
	facts, _ := json.Marshal(m.facts)
	f := &safetensors.File{Meta: map[string]string{metaAlgorithm: m.name, metaEncoder: string(encoder), metaFacts: string(facts)}}
	numbers := make([]float32, 0, len(m.items)*len(m.Features))
	var tags, artists [][]int32
	for i := range m.encoder.items {
		it := &m.encoder.items[i]
		for _, x := range it.numbers {
			numbers = append(numbers, float32(x))
		}
		tags, artists = append(tags, it.tags), append(artists, it.artists)
	}
	f.Tensors = append(f.Tensors, safetensors.Names("items", m.items), safetensors.Floats(tensorFeatures, numbers, len(m.items), len(m.Features)))
	putLists(f, "tags", m.tags, tags)
	putLists(f, "artists", m.artists, artists)
	f.Tensors = append(f.Tensors, safetensors.Floats(tensorVariance, m.variances, m.Listeners, m.own()))
	for k, p := range m.parts {
		p.save(f, partNames[k])
	}
	return f
}

// putLists adds the names of numbers, and lists of numbers, one after the other.
func putLists(f *safetensors.File, name string, numbers map[string]int32, lists [][]int32) {
	names := slices.SortedFunc(maps.Keys(numbers), func(a, b string) int { return int(numbers[a]) - int(numbers[b]) })
	var lengths, all []int32
	for _, l := range lists {
		lengths, all = append(lengths, int32(len(l))), append(all, l...)
	}
	f.Tensors = append(f.Tensors, safetensors.Names(name, names), safetensors.Ints(name+".lengths", lengths, len(lengths)), safetensors.Ints(name+".all", all, len(all)))
}

func takeLists(f *safetensors.File, name string, n int) (map[string]int32, [][]int32, error) {
	names, err := f.Names(name)
	if err != nil {
		return nil, nil, err
	}
	lengths, err := f.Tensor(name+".lengths", safetensors.I32, n)
	if err != nil {
		return nil, nil, err
	}
	tensor, err := f.Tensor(name+".all", safetensors.I32, -1)
	if err != nil {
		return nil, nil, err
	}
	numbers := map[string]int32{}
	for i, name := range names {
		numbers[name] = int32(i)
	}
	all, lists := tensor.Ints(), make([][]int32, n)
	for i, length := range lengths.Ints() {
		if length < 0 || int(length) > len(all) {
			return nil, nil, fmt.Errorf("%w: the lists of %s do not fit", safetensors.ErrDamaged, name)
		}
		lists[i], all = all[:length], all[length:]
		for _, x := range lists[i] {
			if x < 0 || int(x) >= len(names) {
				return nil, nil, fmt.Errorf("%w: %s %d of %d", safetensors.ErrDamaged, name, x, len(names))
			}
		}
	}
	if len(all) > 0 {
		return nil, nil, fmt.Errorf("%w: there is more than the lists of %s", safetensors.ErrDamaged, name)
	}
	return numbers, lists, nil
}

// open reads a model back.
func open(name string, f *safetensors.File, part func(e *encoder, f *safetensors.File, prefix string) (predictor, error)) (ml.Model, error) {
	if is := f.Meta[metaAlgorithm]; is != name {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, name)
	}
	m := &Model{name: name, encoder: &encoder{}}
	for key, into := range map[string]any{metaEncoder: m.encoder, metaFacts: &m.facts} {
		if err := json.Unmarshal([]byte(f.Meta[key]), into); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", safetensors.ErrDamaged, key, err)
		}
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", safetensors.ErrDamaged, err)
	}
	var err error
	if m.items, err = f.Names("items"); err != nil {
		return nil, err
	}
	n := len(m.items)
	features, err := f.Tensor(tensorFeatures, safetensors.F32, n, len(m.Features))
	if err != nil {
		return nil, err
	}
	var tags, artists [][]int32
	if m.tags, tags, err = takeLists(f, "tags", n); err != nil {
		return nil, err
	}
	if m.artists, artists, err = takeLists(f, "artists", n); err != nil {
		return nil, err
	}
	numbers := features.Floats()
	m.encoder.items = make([]item, n)
	for i := range n {
		it := item{column: int32(i), tags: tags[i], artists: artists[i], numbers: make([]float64, len(m.Features))}
		for j := range it.numbers {
			it.numbers[j] = float64(numbers[i*len(m.Features)+j])
		}
		m.encoder.items[i] = it
	}
	variances, err := f.Tensor(tensorVariance, safetensors.F32, m.Listeners, m.own())
	if err != nil {
		return nil, err
	}
	m.variances = variances.Floats()
	for k := range m.parts {
		if m.parts[k], err = part(m.encoder, f, partNames[k]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func damaged(what string) error { return fmt.Errorf("%w: %s", safetensors.ErrDamaged, what) }

// check says what is wrong with an encoder that was read.
func (e *encoder) check() error {
	size := 0
	for i := range e.Readings {
		r := &e.Readings[i]
		want := map[ml.AspectKind]int{ml.Amount: amountSize, ml.Cycle: cycleSize, ml.Category: len(r.Words)}[r.Kind]
		bad := r.From != size || r.Size != 0 && r.Size != want || len(r.Mean) != r.Size || r.Kind == ml.Cycle && !(r.Period > 0) ||
			!slices.IsSorted(r.Words) || r.Kind == ml.Amount && r.Size > 0 && !r.Scale.good()
		if bad {
			return fmt.Errorf("the aspect %q cannot be read", r.Name)
		}
		size += r.Size
	}
	if e.Size != size || e.Listeners < 0 || len(e.Scales) != len(e.Features) || slices.ContainsFunc(e.Scales, func(s scale) bool { return !s.good() }) {
		return fmt.Errorf("what it says of its numbers does not fit")
	}
	return nil
}

func (s scale) good() bool {
	return len(s.At) > 0 && len(s.At) == len(s.To) && slices.IsSorted(s.At)
}
