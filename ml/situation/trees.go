package situation

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Trees is ml.Algorithm "trees": regression trees, each fitted to what the ones before it got wrong (gradient boosting with the logistic loss, second order, over histograms). They see the numbers
// of the item and of the moment, and how a listener, an item, a tag and an artist were answered on the mean: for their training without the answer itself and those of its fold, since what
// holds the answer teaches nothing. Where a number of the moment is unknown, a tree says the mean of what it says for those of which it is known.
//
// Sources: Friedman, "Greedy function approximation: a gradient boosting machine" (2001); Chen and Guestrin, "XGBoost: a scalable tree boosting system" (2016), for the gain and for missing values.
type Trees struct{}

var _ ml.Algorithm = Trees{}

// Name implements ml.Algorithm.
func (Trees) Name() string { return "trees" }

// Parameters implements ml.Algorithm.
func (Trees) Parameters() []ml.Parameter {
	return append([]ml.Parameter{
		{Name: "trees", Doc: "how many there are", Default: 120, Min: 1, Max: 10000, Whole: true, From: 40, To: 300, Log: true},
		{Name: "depth", Doc: "of a tree", Default: 3, Min: 1, Max: 10, Whole: true, From: 2, To: 5},
		{Name: "rate", Doc: "what part of a tree counts", Default: 0.05, Min: 1e-6, Max: 1, From: 0.02, To: 0.1, Log: true},
		{Name: "leaf", Doc: "answers of a leaf, at least", Default: 12, Min: 1, Max: 1e6, Whole: true, From: 5, To: 40, Log: true},
		{Name: "shrink", Doc: "added to the curvature of a leaf: how strongly it is kept small", Default: 3, Min: 0, Max: 1e6, From: 0.3, To: 30, Log: true},
		{Name: "share", Doc: "of the answers, and of the columns, that a tree sees", Default: 0.7, Min: 0.01, Max: 1},
	}, common()...)
}

// Fit implements ml.Algorithm; see the package for what all of its algorithms have in common.
func (a Trees) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	return fit(ctx, a, d, v, o, func(e *encoder, s sample, situated bool) (predictor, error) {
		return fitTrees(ctx, e, s, situated, treeOptions{
			trees: int(v.Number(p, "trees")), depth: int(v.Number(p, "depth")), leaf: int(v.Number(p, "leaf")),
			rate: v.Number(p, "rate"), shrink: v.Number(p, "shrink"), share: v.Number(p, "share"),
		})
	})
}

// Open implements ml.Algorithm.
func (a Trees) Open(f *safetensors.File) (ml.Model, error) { return open(a.Name(), f, openForest) }

type treeOptions struct {
	trees, depth, leaf  int
	rate, shrink, share float64
}

// node is an inner node of a tree, or a leaf.
type node struct {
	column  int32 // −1: a leaf
	missing int32 // 1: rows in which the column is unknown go right; else left
	left    int32 // the right one is the next
	at      float32
	value   float32 // of a leaf; else, the share of the rows in which the column is known that go left
}

// forest is a fitted sum of trees.
type forest struct {
	means
	bias  float32
	nodes []node
	roots []int32
}

// means are how those of a kind were answered on the mean: the kinds are listeners, items, tags, artists, and a listener's answers to a tag.
type means struct {
	features, moment, tags int
	all                    [kinds][]float32 // log odds beside those of all; NaN where nobody was asked
}

// The kinds.
const (
	ofListener = iota
	ofItem
	ofTag
	ofArtist
	ofListenerTag
	kinds
)

const (
	meanPrior = 4 // answers like all that each mean begins with
)

// who returns the numbers of a row of a kind.
func (m *means) who(r *row, kind int) []int32 {
	switch kind {
	case ofListener:
		return []int32{r.listener}
	case ofItem:
		return []int32{r.item.column}
	case ofTag:
		return r.item.tags
	case ofArtist:
		return r.item.artists
	}
	if r.listener < 0 {
		return nil
	}
	both := make([]int32, len(r.item.tags))
	for i, t := range r.item.tags {
		both[i] = r.listener*int32(m.tags) + t
	}
	return both
}

// mean returns that of a row's numbers of a kind, NaN where none is known.
func (m *means) mean(r *row, kind int) float64 {
	sum, n := 0.0, 0.0
	add := func(x int) {
		if x >= 0 && x < len(m.all[kind]) {
			if mean := float64(m.all[kind][x]); mean == mean {
				sum, n = sum+mean, n+1
			}
		}
	}
	switch kind {
	case ofListener:
		add(int(r.listener))
	case ofItem:
		add(int(r.item.column))
	case ofTag:
		for _, t := range r.item.tags {
			add(int(t))
		}
	case ofArtist:
		for _, a := range r.item.artists {
			add(int(a))
		}
	case ofListenerTag:
		for _, t := range r.item.tags {
			if r.listener >= 0 {
				add(int(r.listener)*m.tags + int(t))
			}
		}
	}
	return sum / n
}

// read writes the columns of a row for trees: of each kind a mean, of the item the numbers, of the moment the numbers. NaN is unknown.
func (m *means) read(dst []float64, r *row, situated bool) {
	for kind := range kinds {
		dst[kind] = m.mean(r, kind)
	}
	copy(dst[kinds:], r.item.numbers)
	for i := range m.moment {
		dst[kinds+m.features+i] = math.NaN()
		if situated && r.moment != nil && r.moment[i] != 0 {
			dst[kinds+m.features+i] = r.moment[i]
		}
	}
}

func newMeans(e *encoder) (m *means, sizes [kinds]int) {
	m = &means{features: len(e.Features), moment: e.Size, tags: len(e.tags)}
	return m, [kinds]int{e.Listeners, len(e.items), len(e.tags), len(e.artists), e.Listeners * len(e.tags)}
}

// count returns the means of the rows that in lets pass.
func count(e *encoder, s *sample, in func(i int) bool) *means {
	m, sizes := newMeans(e)
	total, all := 0.0, 0.0
	for i := range s.rows {
		if in(i) {
			total += s.weights[i]
			all += s.weights[i] * s.targets[i]
		}
	}
	mean := min(max(all/max(total, 1e-9), 0.01), 0.99) //nolint:mnd // where all say the same
	for kind, n := range sizes {
		weights, sums := make([]float64, n), make([]float64, n)
		for i := range s.rows {
			if !in(i) {
				continue
			}
			for _, x := range m.who(&s.rows[i], kind) {
				if x >= 0 {
					weights[x] += s.weights[i]
					sums[x] += s.weights[i] * s.targets[i]
				}
			}
		}
		m.all[kind] = make([]float32, n)
		for x := range n {
			m.all[kind][x] = float32(math.NaN())
			if weights[x] > 0 {
				p := (sums[x] + meanPrior*mean) / (weights[x] + meanPrior)
				m.all[kind][x] = float32(math.Log(p/(1-p)) - math.Log(mean/(1-mean)))
			}
		}
	}
	return m
}

const (
	encodeFolds = 10 // of the answers, for means
	bins        = 32 // of a histogram
	treeSalt    = 0x7472656573
)

// growing is the state of fitting trees.
type growing struct {
	treeOptions
	columns  int
	edges    [][]float64 // of the bins of each column
	bin      []uint8     // row by row; 0 is unknown
	gradient []float64
	curve    []float64
	f        *forest
	use      []int // columns of this tree
}

func fitTrees(ctx context.Context, e *encoder, s sample, situated bool, o treeOptions) (*forest, error) {
	r := rand.New(rand.NewPCG(s.seed, treeSalt))
	n := len(s.rows)
	fold := make([]int, n)
	for k, i := range r.Perm(n) {
		fold[i] = k % encodeFolds
	}
	columns := kinds + len(e.Features) + e.Size
	x := make([]float64, n*columns)
	for k := range encodeFolds {
		m := count(e, &s, func(i int) bool { return fold[i] != k })
		for i := range s.rows {
			if fold[i] == k {
				m.read(x[i*columns:(i+1)*columns], &s.rows[i], situated)
			}
		}
	}
	f := &forest{means: *count(e, &s, func(int) bool { return true })}
	g := &growing{treeOptions: o, columns: columns, f: f, gradient: make([]float64, n), curve: make([]float64, n)}
	g.sort(x, n)
	logits := make([]float64, n)
	total, sum := 0.0, 0.0
	for i := range n {
		total += s.weights[i]
		sum += s.weights[i] * s.targets[i]
	}
	mean := min(max(sum/total, 0.01), 0.99) //nolint:mnd // where all say the same
	f.bias = float32(math.Log(mean / (1 - mean)))
	for i := range logits {
		logits[i] = float64(f.bias)
	}
	everything := make([]int, columns)
	for c := range everything {
		everything[c] = c
	}
	for range o.trees {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var rows []int
		for i := range n {
			p := logistic(logits[i])
			g.gradient[i], g.curve[i] = s.weights[i]*(s.targets[i]-p), s.weights[i]*p*(1-p)
			if r.Float64() < o.share {
				rows = append(rows, i)
			}
		}
		r.Shuffle(columns, func(i, j int) { everything[i], everything[j] = everything[j], everything[i] })
		g.use = slices.Sorted(slices.Values(everything[:max(1, int(math.Ceil(o.share*float64(columns))))]))
		root := int32(len(f.nodes))
		f.roots = append(f.roots, root)
		f.nodes = append(f.nodes, node{})
		g.grow(root, rows, 0)
		for i := range logits {
			logits[i] += f.fall(root, x[i*columns:(i+1)*columns])
		}
	}
	return f, nil
}

// sort finds the bins of all columns.
func (g *growing) sort(x []float64, n int) {
	g.edges, g.bin = make([][]float64, g.columns), make([]uint8, len(x))
	var values []float64
	for c := range g.columns {
		values = values[:0]
		for i := range n {
			if v := x[i*g.columns+c]; v == v {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		var edges []float64
		for b := 1; b < bins && len(values) > 0; b++ {
			at := b * len(values) / bins
			if at == 0 || values[at] == values[0] {
				continue
			}
			if edge := float64(float32(values[at-1]+values[at]) / 2); len(edges) == 0 || edges[len(edges)-1] < edge {
				edges = append(edges, edge)
			}
		}
		g.edges[c] = edges
		for i := range n {
			v := x[i*g.columns+c]
			if v != v {
				continue
			}
			at, found := slices.BinarySearch(edges, v)
			if found {
				at++
			}
			g.bin[i*g.columns+c] = uint8(1 + at)
		}
	}
}

// binOf returns the bin of a row, 0 where the column is unknown.
func (g *growing) binOf(i, column int) uint8 { return g.bin[i*g.columns+column] }

// grow makes a node of rows.
func (g *growing) grow(at int32, rows []int, depth int) {
	gradient, curve := 0.0, 0.0
	for _, i := range rows {
		gradient += g.gradient[i]
		curve += g.curve[i]
	}
	g.f.nodes[at] = node{column: -1, value: float32(g.rate * gradient / (curve + g.shrink + 1e-9))} //nolint:mnd // no division by 0
	if depth == g.depth || len(rows) < 2*g.leaf {
		return
	}
	value := func(gradient, curve float64) float64 { return gradient * gradient / (curve + g.shrink + 1e-9) } //nolint:mnd // likewise
	best, split, last := 1e-6, node{}, uint8(0)                                                               //nolint:mnd // a gain that is one
	for _, c := range g.use {
		var gs, cs [bins + 1]float64
		var ns [bins + 1]int
		for _, i := range rows {
			b := g.binOf(i, c)
			gs[b] += g.gradient[i]
			cs[b] += g.curve[i]
			ns[b]++
		}
		lg, lc, ln := 0.0, 0.0, 0
		for b := 1; b <= len(g.edges[c]); b++ {
			lg, lc, ln = lg+gs[b], lc+cs[b], ln+ns[b]
			for missing := range int32(2) {
				mg, mc, mn := lg, lc, ln
				if missing == 0 {
					mg, mc, mn = mg+gs[0], mc+cs[0], mn+ns[0]
				}
				if mn < g.leaf || len(rows)-mn < g.leaf {
					continue
				}
				gain := value(mg, mc) + value(gradient-mg, curve-mc) - value(gradient, curve)
				if gain > best {
					best, split, last = gain, node{column: int32(c), missing: missing, at: float32(g.edges[c][b-1])}, uint8(b)
				}
			}
		}
	}
	if last == 0 {
		return
	}
	var left, right []int
	below, known := 0, 0
	for _, i := range rows {
		if b := g.binOf(i, int(split.column)); b > 0 {
			known++
			if b <= last {
				below++
			}
		}
	}
	split.value = float32(float64(below) / float64(max(known, 1)))
	for _, i := range rows {
		if b := g.binOf(i, int(split.column)); b > last || b == 0 && split.missing == 1 {
			right = append(right, i)
		} else {
			left = append(left, i)
		}
	}
	split.left = int32(len(g.f.nodes))
	g.f.nodes = append(g.f.nodes, node{}, node{})
	g.f.nodes[at] = split
	g.grow(split.left, left, depth+1)
	g.grow(split.left+1, right, depth+1)
}

// fall returns the value of the leaf of a tree that columns fall to; of several, where numbers of the moment are unknown, the mean.
func (f *forest) fall(at int32, x []float64) float64 {
	for {
		n := &f.nodes[at]
		if n.column < 0 {
			return float64(n.value)
		}
		v := x[n.column]
		at = n.left
		switch {
		case v != v && int(n.column) >= kinds+f.features:
			return float64(n.value)*f.fall(at, x) + float64(1-n.value)*f.fall(at+1, x)
		case v != v && n.missing == 1 || v >= float64(n.at):
			at++
		}
	}
}

// logit implements predictor.
func (f *forest) logit(r *row) float64 {
	return f.bind(r.listener, r.moment)(r.item)
}

// bind implements predictor.
func (f *forest) bind(listener int32, moment []float64) func(*item) float64 {
	x := make([]float64, kinds+f.features+f.moment)
	return func(it *item) float64 {
		f.read(x, &row{listener, it, moment}, true)
		sum := float64(f.bias)
		for _, root := range f.roots {
			sum += f.fall(root, x)
		}
		return sum
	}
}

var kindNames = [kinds]string{"listeners", "items", "tags", "artists", "listeners-tags"}

// save implements predictor.
func (f *forest) save(file *safetensors.File, prefix string) {
	where, values := make([]int32, 0, 3*len(f.nodes)), make([]float32, 0, 2*len(f.nodes))
	for _, n := range f.nodes {
		where, values = append(where, n.column, n.missing, n.left), append(values, n.at, n.value)
	}
	file.Tensors = append(file.Tensors, safetensors.Floats(prefix+"bias", []float32{f.bias}, 1), safetensors.Ints(prefix+"roots", f.roots, len(f.roots)),
		safetensors.Ints(prefix+"nodes", where, len(f.nodes), 3), safetensors.Floats(prefix+"values", values, len(f.nodes), 2)) //nolint:mnd // as above
	for kind, m := range f.all {
		file.Tensors = append(file.Tensors, safetensors.Floats(prefix+kindNames[kind], m, len(m)))
	}
}

func openForest(e *encoder, file *safetensors.File, prefix string) (predictor, error) {
	known, sizes := newMeans(e)
	f := &forest{means: *known}
	bias, err := file.Tensor(prefix+"bias", safetensors.F32, 1)
	if err != nil {
		return nil, err
	}
	roots, err := file.Tensor(prefix+"roots", safetensors.I32, -1)
	if err != nil {
		return nil, err
	}
	nodes, err := file.Tensor(prefix+"nodes", safetensors.I32, -1, 3) //nolint:mnd // as save writes them
	if err != nil {
		return nil, err
	}
	values, err := file.Tensor(prefix+"values", safetensors.F32, nodes.Shape[0], 2) //nolint:mnd // likewise
	if err != nil {
		return nil, err
	}
	f.bias, f.roots = bias.Floats()[0], roots.Ints()
	where, what := nodes.Ints(), values.Floats()
	f.nodes = make([]node, nodes.Shape[0])
	inner, child := 0, make([]bool, len(f.nodes))
	for i := range f.nodes {
		n := node{where[3*i], where[3*i+1], where[3*i+2], what[2*i], what[2*i+1]}
		// Children come after their parents, so that every way down ends.
		if n.column >= int32(kinds+f.features+f.moment) || n.column >= 0 && (int(n.left) <= i || int(n.left)+1 >= len(f.nodes)) {
			return nil, damaged("a tree that does not fit")
		}
		f.nodes[i] = n
		if n.column < 0 {
			continue
		}
		inner++
		if child[n.left] || child[n.left+1] { // a way down that comes together again would be gone again and again
			return nil, damaged("trees that are grown together")
		}
		child[n.left], child[n.left+1] = true, true
	}
	for _, root := range f.roots {
		if root < 0 || int(root) >= len(f.nodes) {
			return nil, damaged("a tree without a root")
		}
	}
	if len(f.nodes) != len(f.roots)+2*inner {
		return nil, damaged("trees and nodes that do not fit")
	}
	for kind, n := range sizes {
		m, err := file.Tensor(prefix+kindNames[kind], safetensors.F32, n)
		if err != nil {
			return nil, err
		}
		f.all[kind] = m.Floats()
	}
	return f, nil
}
