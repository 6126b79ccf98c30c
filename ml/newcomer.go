package ml

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// newcomers tells how well an item that a model does not know would suit a listener, from what is known of it: by a ridge regression, over the items that the model knows, of the scores that
// they have for this listener on their artists, tags and features. For a factored model that is the same as a regression of the factors, followed by
// the inner product with the listener's vector, and is computed that way.
type newcomers struct {
	columns map[string]int32 // of what may be known of an item: "artist …", "tag …", "feature …"
	scales  []scale          // of those that are features
	items   *Matrix          // what is known of the model's items
	lower   []float32        // Cholesky's factor of XᵀX + λ, where X is items
	factors []float32        // XᵀY, row by row, where Y are a model's factors; nil where it has none
}

// scale makes a feature one of mean 0 and standard deviation 1.
type scale struct{ mean, deviation float64 }

const (
	// mostKnown is how many artists and tags count, the most frequent: the regression takes their number to the third power when a model is loaded, and to
	// the second for a listener.
	mostKnown = 500
	// fewestOf is how many items an artist or a tag must have to count.
	fewestOf = 2
	// ridge is the weight of the regularization, λ: an artist with as many items is believed by half.
	ridge     = 2
	theArtist = "artist "
	theTag    = "tag "
	theSound  = "feature "
	always1   = "" // the constant
)

// newNewcomers returns nil where nothing is known of the items.
func newNewcomers(m Model, about []Item) *newcomers {
	n := &newcomers{columns: map[string]int32{always1: 0}, scales: make([]scale, 1)}
	n.choose(about)
	if len(n.columns) == 1 {
		return nil
	}
	n.items = &Matrix{Columns: len(n.columns), Starts: []int{0}}
	for i := range about {
		cols, weights := n.row(about[i])
		n.items.Cols, n.items.Weights = append(n.items.Cols, cols...), append(n.items.Weights, weights...)
		n.items.Starts = append(n.items.Starts, len(n.items.Cols))
	}
	p := n.items.Columns
	n.lower = make([]float32, p*p)
	for i := range p {
		n.lower[i*p+i] = ridge
	}
	for i := range about {
		cols, weights := n.items.Row(i)
		for a, c := range cols {
			for b, d := range cols {
				n.lower[int(c)*p+int(d)] += weights[a] * weights[b]
			}
		}
	}
	if !vector.Cholesky(n.lower, p) {
		return nil
	}
	if f, ok := m.(Factored); ok {
		rows, k := f.Factors()
		n.factors = make([]float32, p*k)
		for i := range about {
			cols, weights := n.items.Row(i)
			for a, c := range cols {
				to := n.factors[int(c)*k : (int(c)+1)*k]
				for j, y := range rows[i*k : (i+1)*k] {
					to[j] += weights[a] * y
				}
			}
		}
	}
	return n
}

// choose gives columns to the features, and to the artists and tags that most items have.
func (n *newcomers) choose(about []Item) {
	counts := map[string]int{}
	sums, squares, known := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for i := range about {
		for _, name := range labels(about[i]) {
			counts[name]++
		}
		if !(about[i].Confidence > 0) {
			continue
		}
		for name, x := range about[i].Features {
			sums[name], squares[name], known[name] = sums[name]+x, squares[name]+x*x, known[name]+1
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		mean := sums[name] / known[name]
		deviation := math.Sqrt(max(0, squares[name]/known[name]-mean*mean))
		if deviation > 0 && !math.IsInf(deviation, 1) {
			n.columns[theSound+name] = int32(len(n.columns))
			n.scales = append(n.scales, scale{mean, deviation})
		}
	}
	frequent := slices.Collect(maps.Keys(counts))
	slices.SortFunc(frequent, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for _, name := range frequent[:min(mostKnown, len(frequent))] {
		if counts[name] >= fewestOf {
			n.columns[name] = int32(len(n.columns))
		}
	}
}

// labels are an item's artists and tags, each once.
func labels(item Item) []string {
	var all []string
	for kind, names := range map[string][]string{theArtist: item.Artists, theTag: item.Tags} {
		for _, name := range names {
			all = append(all, label(kind, name))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// row returns what is known of an item, by column.
func (n *newcomers) row(item Item) (cols []int32, weights []float32) {
	found := []Scored{{0, 1}}
	for _, name := range labels(item) {
		if c, known := n.columns[name]; known {
			found = append(found, Scored{c, 1})
		}
	}
	for name, x := range item.Features {
		c, known := n.columns[theSound+name]
		if !known || !(item.Confidence > 0) {
			continue
		}
		s := n.scales[c]
		if x = min(item.Confidence, 1) * (x - s.mean) / s.deviation; math.Abs(x) < farOff { // not for NaN
			found = append(found, Scored{c, float32(x)})
		}
	}
	slices.SortFunc(found, func(a, b Scored) int { return cmp.Compare(a.Item, b.Item) })
	for _, f := range found {
		cols, weights = append(cols, f.Item), append(weights, f.Score)
	}
	return cols, weights
}

// farOff is so many standard deviations off that it is an error and no feature.
const farOff = 10

// taste returns what each column adds to a score for a listener.
func (n *newcomers) taste(u *Suited) []float32 {
	sums := make([]float32, n.items.Columns)
	if n.factors != nil {
		vector.DotRows(sums, u.vector, n.factors)
	} else {
		for i, score := range u.scores {
			cols, weights := n.items.Row(i)
			for a, c := range cols {
				sums[c] += weights[a] * score
			}
		}
	}
	vector.SolveCholesky(n.lower, sums)
	return sums
}

// Guess is [Suited.Of] for a track that the model does not know, from its artists, tags and features. It is false where nothing of these tells anything.
func (u *Suited) Guess(item Item) (float64, bool) {
	if u == nil || u.newcomers == nil {
		return 0, false
	}
	cols, weights := u.newcomers.row(item)
	if len(cols) == 1 {
		return 0, false
	}
	if u.taste == nil {
		u.taste = u.newcomers.taste(u)
	}
	score := float32(0)
	for i, c := range cols {
		score += weights[i] * u.taste[c]
	}
	return u.measure(score), true
}

// place returns the vector that an item of a factored model would have by what is known of it; nil where that is nothing.
func (n *newcomers) place(item Item) []float32 {
	if n == nil || n.factors == nil {
		return nil
	}
	cols, weights := n.row(item)
	if len(cols) == 1 {
		return nil
	}
	share := make([]float32, n.items.Columns)
	for i, c := range cols {
		share[c] = weights[i]
	}
	vector.SolveCholesky(n.lower, share)
	k := len(n.factors) / n.items.Columns
	v := make([]float32, k)
	for c, w := range share {
		vector.Axpy(w, n.factors[c*k:(c+1)*k], v)
	}
	return v
}
