package ml

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// situatedBlend is a Blend of models of situations: what they say is added up as log odds. The sum of its weights is about 1.
type situatedBlend struct{ *Blend }

var _ Situated = (*situatedBlend)(nil)

// blendOf returns the blend of models, which is a Situated if all of them are.
func blendOf(parts []Model, weights []float64) (Model, error) {
	b, err := NewBlend(parts, weights)
	if err != nil {
		return nil, err
	}
	for _, m := range parts {
		if _, ok := m.(Situated); !ok {
			return b, nil
		}
	}
	return &situatedBlend{b}, nil
}

// Scores implements Model: log odds where nothing is known of the moment.
func (b *situatedBlend) Scores(dst []float32, h Heard) {
	s := b.scratch.Get().(*[]float32) //nolint:forcetypeassert // nothing else is in it
	defer b.scratch.Put(s)
	clear(dst)
	for i, m := range b.parts {
		m.Scores(*s, h)
		for j, x := range *s {
			dst[j] += float32(b.weights[i]) * x
		}
	}
}

// Aspects implements Situated: those of any of its parts.
func (b *situatedBlend) Aspects() []Aspect {
	var all []Aspect
	for _, m := range b.parts {
		for _, a := range situated(m).Aspects() {
			if !slices.ContainsFunc(all, func(o Aspect) bool { return o.Name == a.Name }) {
				all = append(all, a)
			}
		}
	}
	return all
}

func situated(m Model) Situated {
	s, _ := m.(Situated) // blendOf looked
	return s
}

// Row implements Situated.
func (b *situatedBlend) Row(listener int) Person {
	return b.persons(func(s Situated) Person { return s.Row(listener) })
}

// Person implements Situated.
func (b *situatedBlend) Person(own []Answer) Person {
	return b.persons(func(s Situated) Person { return s.Person(own) })
}

func (b *situatedBlend) persons(of func(Situated) Person) Person {
	p := &blendPerson{weights: b.weights}
	for _, m := range b.parts {
		p.parts = append(p.parts, of(situated(m)))
	}
	return p
}

// blendPerson implements Person.
type blendPerson struct {
	parts   []Person
	weights []float64
}

// At implements Person.
func (p *blendPerson) At(m Moment) Judge {
	j := &blendJudge{weights: p.weights, some: make([]Judgment, len(p.parts))}
	for _, part := range p.parts {
		j.parts = append(j.parts, part.At(m))
	}
	return j
}

// Draw implements Person. All parts draw the same random numbers: they are unsure about the same listener.
func (p *blendPerson) Draw(r *rand.Rand) Person {
	d := &blendPerson{weights: p.weights}
	first, second := r.Uint64(), r.Uint64()
	for _, part := range p.parts {
		d.parts = append(d.parts, part.Draw(rand.New(rand.NewPCG(first, second))))
	}
	return d
}

// blendJudge implements Judge.
type blendJudge struct {
	parts   []Judge
	weights []float64
	some    []Judgment
}

// Of implements Judge.
func (j *blendJudge) Of(column int32) Judgment {
	for i, p := range j.parts {
		j.some[i] = p.Of(column)
	}
	return blended(j.some, j.weights)
}

// OfNew implements Judge.
func (j *blendJudge) OfNew(item Item) Judgment {
	for i, p := range j.parts {
		j.some[i] = p.OfNew(item)
	}
	return blended(j.some, j.weights)
}

// Spread implements Judge.
func (j *blendJudge) Spread(column int32) float64 {
	return j.spread(func(p Judge) float64 { return p.Spread(column) })
}

// SpreadOfNew implements Judge.
func (j *blendJudge) SpreadOfNew(item Item) float64 {
	return j.spread(func(p Judge) float64 { return p.SpreadOfNew(item) })
}

// spread adds up: parts are unsure about the same thing, so what they are unsure by does not become less by asking several.
func (j *blendJudge) spread(of func(Judge) float64) (sum float64) {
	for i, p := range j.parts {
		if j.weights[i] != 0 {
			sum += j.weights[i] * of(p)
		}
	}
	return sum
}

// blended is the weighted sum of log odds.
func blended(parts []Judgment, weights []float64) Judgment {
	with, without, out := 0.0, 0.0, Judgment{}
	for i, p := range parts {
		if weights[i] == 0 {
			continue
		}
		with += weights[i] * logOdds(p.Probability)
		without += weights[i] * logOdds(p.Without)
	}
	out.Probability, out.Without = probability(with), probability(without)
	return out
}

// Reasons implements Judge: those of the heaviest part that has any.
func (j *blendJudge) Reasons(column int32, n int) []string {
	return j.first(func(p Judge) []string { return p.Reasons(column, n) })
}

// ReasonsForNew implements Judge.
func (j *blendJudge) ReasonsForNew(item Item, n int) []string {
	return j.first(func(p Judge) []string { return p.ReasonsForNew(item, n) })
}

func (j *blendJudge) first(of func(Judge) []string) []string {
	order := make([]int, len(j.parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(j.weights[b], j.weights[a]) })
	for _, i := range order {
		if told := of(j.parts[i]); len(told) > 0 {
			return told
		}
	}
	return nil
}
