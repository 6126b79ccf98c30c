package ml

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// blendName is the name of the algorithm of [Blend].
const blendName = "blend"

// Blend is a model whose score is a weighted sum of what other models say. So that they can be added up, the scores of each, for what the listener has
// not heard, are shifted and scaled to mean 0 and standard deviation 1.
type Blend struct {
	parts   []Model
	weights []float64
	scratch sync.Pool
}

var _ Model = (*Blend)(nil)

// NewBlend returns the blend of models of the same items, with weights above 0.
func NewBlend(parts []Model, weights []float64) (*Blend, error) {
	if len(parts) == 0 || len(parts) != len(weights) {
		return nil, fmt.Errorf("ml: a blend of %d models with %d weights", len(parts), len(weights))
	}
	for i, m := range parts {
		if !slices.Equal(m.Items(), parts[0].Items()) {
			return nil, errors.New("ml: a blend of models of different items")
		}
		if !(weights[i] > 0) || math.IsInf(weights[i], 1) {
			return nil, fmt.Errorf("ml: a blend with the weight %v, must be above 0", weights[i])
		}
	}
	b := &Blend{parts: slices.Clone(parts), weights: slices.Clone(weights)}
	b.scratch.New = func() any {
		s := make([]float32, len(b.Items()))
		return &s
	}
	return b, nil
}

// Algorithm implements Model.
func (b *Blend) Algorithm() string { return blendName }

// Items implements Model.
func (b *Blend) Items() []string { return b.parts[0].Items() }

// Parts returns the models and their weights. They are the blend's.
func (b *Blend) Parts() (parts []Model, weights []float64) { return b.parts, b.weights }

// Scores implements Model.
func (b *Blend) Scores(dst []float32, h Heard) {
	s := b.scratch.Get().(*[]float32) //nolint:forcetypeassert // nothing else is in it
	defer b.scratch.Put(s)
	clear(dst)
	for i, m := range b.parts {
		m.Scores(*s, h)
		mean, scale := standard(*s, h.Items)
		for j, x := range *s {
			dst[j] += float32(b.weights[i] * (float64(x) - mean) * scale)
		}
	}
}

// standard returns what to subtract from scores and then to multiply them with, so that those of items not heard have mean 0 and standard deviation 1; 0 if
// they are all the same.
func standard(scores []float32, heard []int32) (mean, scale float64) {
	n := float64(len(scores) - len(heard))
	// Heard ones often score far above all else: they are left out from the start, not subtracted in the end.
	each := func(f func(x float64)) {
		left := heard
		for i, x := range scores {
			if len(left) > 0 && int(left[0]) == i {
				left = left[1:]
				continue
			}
			f(float64(x))
		}
	}
	each(func(x float64) { mean += x / n })
	square := 0.0
	each(func(x float64) { square += (x - mean) * (x - mean) / n })
	if !(square > leastSpread*mean*mean) || math.IsInf(square, 1) {
		return 0, 0
	}
	return mean, 1 / math.Sqrt(square)
}

// leastSpread is the square of a relative spread below which scores in 32 bits are all the same, but for rounding.
const leastSpread = 1e-14

const (
	blendWeights = "weights"
	blendSame    = "same"
)

// Tensors implements Model: the files of the parts in one, with their number before each name. A tensor that is the same as the first part's is there once.
func (b *Blend) Tensors() *safetensors.File {
	weights := make([]string, len(b.weights))
	for i, w := range b.weights {
		weights[i] = strconv.FormatFloat(w, 'g', -1, 64)
	}
	f := &safetensors.File{Meta: map[string]string{"algorithm": blendName, blendWeights: strings.Join(weights, " ")}}
	var first []safetensors.Tensor
	for i, m := range b.parts {
		part := m.Tensors()
		if i == 0 {
			first = part.Tensors
		} else if same := shared(part, first); len(same) > 0 {
			text, _ := json.Marshal(same) // strings
			f.Meta[inPart(i, blendSame)] = string(text)
		}
		putFile(f, strconv.Itoa(i)+"/", part)
	}
	return f
}

// shared takes out of part what is the same as one of first, and returns the names.
func shared(part *safetensors.File, first []safetensors.Tensor) []string {
	var same []string
	part.Tensors = slices.DeleteFunc(slices.Clone(part.Tensors), func(t safetensors.Tensor) bool {
		is := slices.ContainsFunc(first, func(o safetensors.Tensor) bool {
			return o.Name == t.Name && o.Type == t.Type && slices.Equal(o.Shape, t.Shape) && string(o.Data) == string(t.Data)
		})
		if is {
			same = append(same, t.Name)
		}
		return is
	})
	return same
}

func inPart(i int, name string) string { return strconv.Itoa(i) + "/" + name }

// putFile adds a file to another, with a prefix before its names.
func putFile(f *safetensors.File, prefix string, part *safetensors.File) {
	for k, v := range part.Meta {
		f.Meta[prefix+k] = v
	}
	for _, t := range part.Tensors {
		t.Name = prefix + t.Name
		f.Tensors = append(f.Tensors, t)
	}
}

// takeFile returns a file that was put into another.
func takeFile(f *safetensors.File, prefix string) *safetensors.File {
	part := &safetensors.File{Meta: map[string]string{}}
	for k, v := range f.Meta {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			part.Meta[name] = v
		}
	}
	for _, t := range f.Tensors {
		if name, ok := strings.CutPrefix(t.Name, prefix); ok {
			t.Name = name
			part.Tensors = append(part.Tensors, t)
		}
	}
	return part
}

// BlendPart is one of the models of a blend before it is fitted.
type BlendPart struct {
	Algorithm Algorithm
	Values    Values
	Weight    float64 // above 0
}

// Blending is the Algorithm "blend": it fits its parts, one after the other, to the same data. Its hyperparameters are those of the parts, the
// first's with "0-" before their names and so on, and the weights, "0-share" and so on.
type Blending struct {
	Parts []BlendPart
	Known []Algorithm // by which Open opens parts, besides those of Parts
}

var _ Algorithm = Blending{}

// Name implements Algorithm.
func (Blending) Name() string { return blendName }

const (
	shareName = "share"
	mostShare = 1e9
)

func ofPart(i int, name string) string { return strconv.Itoa(i) + "-" + name }

// Parameters implements Algorithm. None is searched.
func (b Blending) Parameters() []Parameter {
	var all []Parameter
	for i, part := range b.Parts {
		all = append(all, Parameter{Name: ofPart(i, shareName), Doc: "weight of the scores of " + part.Algorithm.Name(), Default: part.Weight, Min: 1 / mostShare, Max: mostShare})
		of := part.Algorithm.Parameters()
		for _, p := range of {
			p.Default, p.From, p.To, p.Log = part.Values.Number(of, p.Name), 0, 0, false
			if p.Choices != nil {
				is := part.Values.Choice(of, p.Name)
				p.Default, p.Choices = 0, append([]string{is}, slices.DeleteFunc(slices.Clone(p.Choices), func(c string) bool { return c == is })...)
			}
			p.Name = ofPart(i, p.Name)
			all = append(all, p)
		}
	}
	return all
}

// values returns those of one part.
func (b Blending) values(i int, v Values) Values {
	out := Values{}
	for name, text := range b.Parts[i].Values {
		out[name] = text
	}
	for name, text := range v {
		if name, ok := strings.CutPrefix(name, ofPart(i, "")); ok && name != shareName {
			out[name] = text
		}
	}
	return out
}

// Fit implements Algorithm.
func (b Blending) Fit(ctx context.Context, d *Data, v Values, o FitOptions) (Model, error) {
	p := b.Parameters()
	if err := v.Check(p); err != nil {
		return nil, err
	}
	if len(b.Parts) == 0 {
		return nil, errors.New("ml: a blend of nothing")
	}
	kept := &partCheckpoints{to: o.Checkpoints}
	if o.Checkpoints != nil {
		kept.key = FitKey(b, d, b.all(v), o)
		last, err := o.LastCheckpoint(ctx, kept.key)
		if err != nil {
			return nil, err
		}
		kept.resume(last)
	}
	var parts []Model
	var weights []float64
	for i, part := range b.Parts {
		weights = append(weights, v.Number(p, ofPart(i, shareName)))
		if i < len(kept.done) {
			m, err := part.Algorithm.Open(kept.done[i])
			if err != nil {
				return nil, fmt.Errorf("ml: checkpoint: %w", err)
			}
			parts = append(parts, m)
			continue
		}
		of := FitOptions{Seed: o.Seed, Threads: o.Threads, Progress: partProgress(o.Progress, i, len(b.Parts))}
		if start, ok := o.Start.(*Blend); ok && i < len(start.parts) {
			of.Start = start.parts[i]
		}
		if o.Checkpoints != nil {
			of.Checkpoints = kept
		}
		m, err := part.Algorithm.Fit(ctx, d, b.values(i, v), of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.Algorithm.Name(), err)
		}
		parts = append(parts, m)
		if o.Checkpoints != nil {
			if err := kept.end(ctx, m); err != nil {
				return nil, fmt.Errorf("ml: checkpoint: %w", err)
			}
		}
	}
	return blendOf(parts, weights)
}

// all returns the values of all parts, with the names of the algorithms: what identifies a fit.
func (b Blending) all(v Values) Values {
	out := Values{}
	for i, part := range b.Parts {
		out[ofPart(i, "algorithm")] = part.Algorithm.Name()
		for name, text := range b.values(i, v) {
			out[ofPart(i, name)] = text
		}
		out[ofPart(i, shareName)] = strconv.FormatFloat(v.Number(b.Parameters(), ofPart(i, shareName)), 'g', -1, 64)
	}
	return out
}

// blendSteps is how many steps of a blend's progress one of its parts takes.
const blendSteps = 1000

func partProgress(tell func(Progress), i, parts int) func(Progress) {
	if tell == nil {
		return nil
	}
	told := i * blendSteps
	return func(p Progress) {
		if p.Steps == 0 {
			return
		}
		if p.Step = i*blendSteps + p.Step*blendSteps/p.Steps; p.Step > told {
			told, p.Steps, p.Left = p.Step, parts*blendSteps, 0
			tell(p)
		}
	}
}

// partCheckpoints are the checkpoints of one part after the other, with the parts that are done.
type partCheckpoints struct {
	to    Checkpoints
	key   string
	done  []*safetensors.File
	state *safetensors.File // of the part that goes on, nil for none
}

const (
	checkpointParts = "parts"
	checkpointState = "state/"
)

func (c *partCheckpoints) resume(last *safetensors.File) {
	if last == nil {
		return
	}
	n, _ := strconv.Atoi(last.Meta[checkpointParts]) // the key is that of what save wrote
	for i := range n {
		c.done = append(c.done, takeFile(last, inPart(i, "")))
	}
	if state := takeFile(last, checkpointState); len(state.Meta) > 0 {
		c.state = state
	}
}

// Save implements Checkpoints.
func (c *partCheckpoints) Save(ctx context.Context, f *safetensors.File) error {
	c.state = f
	return c.save(ctx)
}

func (c *partCheckpoints) save(ctx context.Context) error {
	f := &safetensors.File{Meta: map[string]string{FitKeyName: c.key, checkpointParts: strconv.Itoa(len(c.done))}}
	for i, part := range c.done {
		putFile(f, inPart(i, ""), part)
	}
	if c.state != nil {
		putFile(f, checkpointState, c.state)
	}
	return c.to.Save(ctx, f)
}

// Last implements Checkpoints.
func (c *partCheckpoints) Last(context.Context) (*safetensors.File, error) { return c.state, nil }

// end keeps a part that is done.
func (c *partCheckpoints) end(ctx context.Context, m Model) error {
	c.done, c.state = append(c.done, m.Tensors()), nil
	return c.save(ctx)
}

// Open implements Algorithm.
func (b Blending) Open(f *safetensors.File) (Model, error) {
	damaged := func(what string) error { return fmt.Errorf("%w: %s", safetensors.ErrDamaged, what) }
	if is := f.Meta["algorithm"]; is != blendName {
		return nil, damaged(fmt.Sprintf("a model of %q, not of %q", is, blendName))
	}
	known := slices.Clone(b.Known)
	for _, part := range b.Parts {
		known = append(known, part.Algorithm)
	}
	var parts []Model
	var weights []float64
	var first []safetensors.Tensor
	for i, text := range strings.Fields(f.Meta[blendWeights]) {
		w, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, damaged("a weight that is no number")
		}
		part := takeFile(f, inPart(i, ""))
		if i == 0 {
			first = part.Tensors
		}
		var same []string
		if text, ok := part.Meta[blendSame]; ok && json.Unmarshal([]byte(text), &same) != nil {
			return nil, damaged("no list of what its parts share")
		}
		delete(part.Meta, blendSame)
		for _, t := range first {
			if slices.Contains(same, t.Name) {
				part.Tensors = append(part.Tensors, t)
			}
		}
		at := slices.IndexFunc(known, func(a Algorithm) bool { return a.Name() == part.Meta["algorithm"] })
		if at < 0 {
			return nil, damaged(fmt.Sprintf("its part %d is of the unknown algorithm %q", i, part.Meta["algorithm"]))
		}
		m, err := known[at].Open(part)
		if err != nil {
			return nil, fmt.Errorf("ml: part %d of a blend: %w", i, err)
		}
		parts, weights = append(parts, m), append(weights, w)
	}
	m, err := blendOf(parts, weights)
	if err != nil {
		return nil, damaged(err.Error())
	}
	return m, nil
}
