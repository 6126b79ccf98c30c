// Package personal learns how one listener answers to situations from that listener alone: a Bayesian linear regression of their answers on the
// features of the music, crossed with what is known of the moment. It needs no training and no other listener; it is fitted in closed form in about a
// millisecond, stored nowhere, and says how unsure it is, from which Thompson sampling follows.
//
//	learner, err := personal.New(personal.Options{Aspects: aspects, Scales: scales})
//	ada := learner.Person(answers, items)
//	judgment := ada.At(moment).OfNew(item)
//
// # The model
//
// With y = 2·liking − 1, the features of the music x = (energy, valence, tempo in octaves, acousticness, instrumentalness), each centered and scaled, and what is
// known of the moment z (amounts scaled; cycles as sine and cosine; one number for each word of a category), centered on the listener's own mean, so that what is unknown is 0 and
// counts as usual,
//
//	y = w₀ + wᵀx + qᵀx² + zᵀv + Σⱼ zⱼ·bⱼᵀ(energy, valence, tempo, acousticness) + Σ tags g + Σ artists a + t + noise
//
// where each tag and artist, and the track itself, has a number of its own as far as the listener answered to it: up to 24 tags, and up to 24 each of artists and
// tracks that they answered to more than once, those with the most answers; any other counts as usual.
//
// All weights have normal priors around 0: standard deviations 0.5 for those of the music alone, 0.15 for z alone, 0.2 for crosses, 0.35 for a tag, 0.25 for an
// artist and for a track; the noise has 0.9. These are choices, by which some tens of answers are needed before a cross says much. Judgments are (1 + y)/2, kept in
// 0.02–0.98: y is 1 or −1, so its mean foretells the probability. The textbook for all of it is Bishop, Pattern Recognition and Machine Learning (2006), section 3.3.
package personal

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// Scale says what is usual of an amount: numbers are taken as (number − Center) / Spread, and kept within ±3.
type Scale struct{ Center, Spread float64 }

// Options say what a Learner reads in a moment.
type Options struct {
	Aspects []ml.Aspect
	Scales  map[string]Scale    // of each amount
	Words   map[string][]string // of each category: words that are not there count as unknown
}

// Learner makes Persons. It is immutable.
type Learner struct {
	columns []column
	aspects []ml.Aspect
}

// column is one number of z.
type column struct {
	aspect int
	word   string  // of a category
	sine   bool    // of a cycle
	turn   float64 // of a cycle: 2π / period
	scale  Scale   // of an amount
}

// New returns a Learner. Its error names every wrong option.
func New(o Options) (*Learner, error) {
	var f fault.Fields
	l := &Learner{aspects: o.Aspects}
	for i, a := range o.Aspects {
		switch a.Kind {
		case ml.Amount:
			s := o.Scales[a.Name]
			if !(s.Spread > 0) {
				f.Add("Scales["+a.Name+"]", "Spread must be above 0")
			}
			l.columns = append(l.columns, column{aspect: i, scale: s})
		case ml.Cycle:
			if !(a.Period > 0) {
				f.Add("Aspects["+a.Name+"]", "Period must be above 0")
			}
			turn := 2 * math.Pi / a.Period
			l.columns = append(l.columns, column{aspect: i, turn: turn}, column{aspect: i, turn: turn, sine: true})
		case ml.Category:
			if len(o.Words[a.Name]) == 0 {
				f.Add("Words["+a.Name+"]", "At least one word is required")
			}
			for _, w := range o.Words[a.Name] {
				l.columns = append(l.columns, column{aspect: i, word: w})
			}
		default:
			f.Add("Aspects["+a.Name+"]", "Unknown kind")
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

const mostScaled = 3.0

// read returns z of a moment, not centered, and which of it is known.
func (l *Learner) read(m ml.Moment) (z []float64, known []bool) {
	z, known = make([]float64, len(l.columns)), make([]bool, len(l.columns))
	for j, c := range l.columns {
		a := l.aspects[c.aspect]
		if c.word != "" {
			w, there := m.Words[a.Name]
			if known[j] = there; w == c.word {
				z[j] = 1
			}
			continue
		}
		x, there := m.Numbers[a.Name]
		known[j] = there && !math.IsNaN(x)
		switch {
		case !known[j]:
		case c.turn > 0 && c.sine:
			z[j] = math.Sin(x * c.turn)
		case c.turn > 0:
			z[j] = math.Cos(x * c.turn)
		default:
			z[j] = min(max((x-c.scale.Center)/c.scale.Spread, -mostScaled), mostScaled)
		}
	}
	return z, known
}

// The features of music, and how they are centered and scaled: roughly the median and the spread of popular music.
var features = [...]struct {
	name           string
	center, spread float64
	octaves        bool
}{
	{"energy", 0.55, 0.25, false},
	{"valence", 0.5, 0.25, false},
	{"tempo", 115, 0.35, true},
	{"acousticness", 0.3, 0.3, false},
	{"instrumentalness", 0.15, 0.3, false},
}

const (
	plain   = len(features)
	crossed = 4                   // of the features, from the first on
	width   = 1 + plain + squares // of what belongs to the music alone
	squares = plain
	perZ    = 1 + crossed       // of what belongs to each number of z
	sure    = 0.02              // judgments come no nearer to 0 and 1
	noise   = 0.9 * 0.9         // variance
	pAlone  = 1 / (0.5 * 0.5)   // precisions
	pMoment = 1 / (0.15 * 0.15) //
	pCross  = 1 / (0.2 * 0.2)   //
	pTag    = 1 / (0.35 * 0.35) //
	pName   = 1 / (0.25 * 0.25) // of an artist or a track

	mostEffects = 24 // of a kind
	leastOfName = 2  // answers to an artist or a track
)

// music returns what belongs to the music alone: 1, x, squares. What is not known of an item is 0, as is usual.
func music(item *ml.Item) (phi [width]float64) {
	phi[0] = 1
	if !(item.Confidence > 0) {
		return phi
	}
	for i, f := range features {
		x, there := item.Features[f.name]
		if !there || math.IsNaN(x) || f.octaves && !(x > 0) {
			continue
		}
		if f.octaves {
			x = math.Log2(x / f.center)
		} else {
			x -= f.center
		}
		phi[1+i] = min(max(x/f.spread, -mostScaled), mostScaled)
	}
	for i := range squares {
		phi[1+plain+i] = phi[1+i] * phi[1+i]
	}
	return phi
}

// effect is what a listener thinks of a tag, an artist or a track by itself.
type effect struct {
	kind kind
	name string
}

type kind int

const (
	ofTag kind = iota
	ofArtist
	ofTrack
	kinds
)

// eachEffect calls do with those that an item may have.
func eachEffect(item *ml.Item, do func(effect)) {
	for _, t := range item.Tags {
		do(effect{ofTag, t})
	}
	for _, a := range item.Artists {
		do(effect{ofArtist, a})
	}
	if item.ID != "" {
		do(effect{ofTrack, item.ID})
	}
}

// effectsIn are the effects that get a weight, in order, by how many answers there are to each.
func effectsIn(answers []ml.Answer, items []ml.Item) []effect {
	counts := map[effect]int{}
	for i := range answers {
		if fits(&answers[i], items) {
			eachEffect(&items[answers[i].Item], func(e effect) { counts[e]++ })
		}
	}
	maps.DeleteFunc(counts, func(e effect, n int) bool { return e.kind != ofTag && n < leastOfName })
	all := slices.SortedFunc(maps.Keys(counts), func(a, b effect) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(counts[b], counts[a]), cmp.Compare(a.name, b.name))
	})
	var of [kinds]int
	return slices.DeleteFunc(all, func(e effect) bool {
		of[e.kind]++
		return of[e.kind] > mostEffects
	})
}

// fits reports whether an answer can be learned from.
func fits(a *ml.Answer, items []ml.Item) bool {
	return a.Item >= 0 && int(a.Item) < len(items) && a.Liking >= 0 && a.Liking <= 1 && a.Weight >= 0
}

// Person is one listener, as far as their own answers tell. It is immutable and safe for concurrent use.
type Person struct {
	learner  *Learner
	usual    []float64             // the mean of z
	effects  [kinds]map[string]int // where in theta, behind all others, each has its weight
	named    int                   // how many of these there are
	theta    []float64
	factor   vector.Lower // Cholesky's, of the posterior's precision
	drawn    bool
	answers  int
	evidence float64
}

var _ ml.Person = (*Person)(nil)

// Person fits a listener to their answers. items are what is known of the tracks answered to, by [ml.Answer].Item; answers beyond are left out.
func (l *Learner) Person(answers []ml.Answer, items []ml.Item) *Person {
	base, effects := width+perZ*len(l.columns), effectsIn(answers, items)
	d := base + len(effects)
	p := &Person{
		learner: l, usual: make([]float64, len(l.columns)), named: len(effects), theta: make([]float64, d), factor: vector.NewLower(d),
	}
	zs, knowns := make([][]float64, len(answers)), make([][]bool, len(answers))
	counts := make([]float64, len(l.columns))
	for i := range answers {
		zs[i], knowns[i] = l.read(answers[i].Moment)
		for j, known := range knowns[i] {
			if known {
				p.usual[j] += zs[i][j]
				counts[j]++
			}
		}
	}
	for j, n := range counts {
		if n > 0 {
			p.usual[j] /= n
		}
	}
	for k := range p.effects {
		p.effects[k] = map[string]int{}
	}
	for i, e := range effects {
		p.effects[e.kind][e.name] = base + i
		p.factor.Row(base + i)[base+i] = pName
		if e.kind == ofTag {
			p.factor.Row(base + i)[base+i] = pTag
		}
	}
	for i := range base {
		precision := pAlone
		if i >= width {
			precision = pCross
			if (i-width)%perZ == 0 {
				precision = pMoment
			}
		}
		p.factor.Row(i)[i] = precision
	}
	phi := make([]float64, d)
	var at []int // of phi that is not 0
	var situated []foretold
	for i := range answers {
		a := &answers[i]
		if !fits(a, items) {
			continue
		}
		p.answers++
		x := music(&items[a.Item])
		at = at[:0]
		for k, v := range x {
			if phi[k] = v; v != 0 {
				at = append(at, k)
			}
		}
		for j := range l.columns {
			z := 0.0
			if knowns[i][j] {
				z = zs[i][j] - p.usual[j]
			}
			for k := range perZ {
				if phi[width+j*perZ+k] = z * x[k]; z != 0 {
					at = append(at, width+j*perZ+k)
				}
			}
		}
		behind := len(at)
		at = p.effectsAt(at, &items[a.Item])
		for _, k := range at[behind:] {
			phi[k] = 1
		}
		weight := a.Weight
		if weight == 0 {
			weight = 1
		}
		weight /= noise
		y := 2*a.Liking - 1
		if slices.Contains(knowns[i], true) {
			f := foretold{y: y, weight: weight, at: slices.Clone(at), phi: make([]float32, len(at))}
			for n, k := range at {
				f.phi[n] = float32(phi[k])
			}
			situated = append(situated, f)
		}
		for n, r := range at {
			scaled := weight * phi[r]
			p.theta[r] += scaled * y
			row := p.factor.Row(r)
			for _, c := range at[:n+1] {
				row[c] += scaled * phi[c]
			}
		}
	}
	p.factor.Factor() // it is positive definite by its priors
	p.factor.Solve(p.theta, 0)
	p.factor.SolveTransposed(p.theta)
	p.evidence = p.weighEvidence(situated, base)
	return p
}

// foretold is an answer in a situation of which something was known: what its weights are multiplied with, where that is not 0.
type foretold struct {
	y, weight float64
	at        []int
	phi       []float32
}

// fewestForetold is of how many answers at least evidence is weighed.
const fewestForetold = 10

// Evidence is how sure it is that the situation matters to how the listener answers, 0–1: z ⁄ (1 + z), where z is how many standard errors the squared error of an answer is less where the moment is known than
// where it is not, each answer foretold by all others; 0 where it is not less, or there are fewer than ten such answers.
func (p *Person) Evidence() float64 { return p.evidence }

// weighEvidence foretells each answer without itself, which a linear model can in closed form (the prediction sum of squares: Allen, The relationship between variable selection
// and data augmentation and a method for prediction, Technometrics 16, 1974): with h = w·φᵀA⁻¹φ, the error without the answer is e ⁄ (1 − h), and its weights are the less A⁻¹φ·w·e ⁄ (1 − h).
func (p *Person) weighEvidence(answers []foretold, base int) float64 {
	n, d := len(answers), len(p.theta)
	if n < fewestForetold {
		return 0
	}
	// L⁻¹ of all φ at once, and of all φ as they were if nothing were known of the moment, side by side. Single precision is more than enough to tell what is noise.
	wide := 2 * n
	solved := make([]float32, d*wide)
	for i := range answers {
		for j, k := range answers[i].at {
			solved[k*wide+i] = answers[i].phi[j]
			if k < width || k >= base {
				solved[k*wide+n+i] = answers[i].phi[j]
			}
		}
	}
	said := make([]float32, wide)
	for k := range d {
		vector.Axpy(float32(p.theta[k]), solved[k*wide:(k+1)*wide], said)
	}
	own, both := make([]float64, n), make([]float64, n)
	for k := range d {
		line, row := solved[k*wide:(k+1)*wide], p.factor.Row(k)
		for c, v := range row[:k] {
			if v != 0 {
				vector.Axpy(-float32(v), solved[c*wide:(c+1)*wide], line)
			}
		}
		vector.Scale(float32(1/row[k]), line)
		for i, u := range line[:n] {
			own[i] += float64(u) * float64(u)
			both[i] += float64(u) * float64(line[n+i])
		}
	}
	sum, squares := 0.0, 0.0
	for i, a := range answers {
		e := (a.y - float64(said[i])) / (1 - min(a.weight*own[i], sureOfItself))
		usual := a.y - float64(said[n+i]) + both[i]*a.weight*e
		gain := usual*usual - e*e
		sum, squares = sum+gain, squares+gain*gain
	}
	mean := sum / float64(n)
	z := mean / math.Sqrt(max(squares/float64(n)-mean*mean, tiniest)/float64(n))
	return max(z, 0) / (1 + max(z, 0))
}

const (
	sureOfItself = 0.99  // of which an answer foretells itself at most
	tiniest      = 1e-12 // variance of gains
)

// effectsAt adds to at where the weights of an item's effects are, in order, each once.
func (p *Person) effectsAt(at []int, item *ml.Item) []int {
	if p.named == 0 {
		return at
	}
	from := len(at)
	eachEffect(item, func(e effect) {
		if k, there := p.effects[e.kind][e.name]; there {
			at = append(at, k)
		}
	})
	slices.Sort(at[from:])
	return at[:from+len(slices.Compact(at[from:]))]
}

// Answers is how many answers the listener was fitted to.
func (p *Person) Answers() int { return p.answers }

// Draw returns a listener whose weights are drawn from the posterior.
func (p *Person) Draw(r *rand.Rand) ml.Person {
	q := *p
	q.drawn = true
	q.theta = make([]float64, len(p.theta))
	p.draw(q.theta, r)
	return &q
}

// draw draws weights.
func (p *Person) draw(theta []float64, r *rand.Rand) {
	for i := range theta {
		theta[i] = r.NormFloat64()
	}
	p.factor.SolveTransposed(theta)
	for i := range theta {
		theta[i] += p.theta[i]
	}
}

// Draws returns how likely the listener likes each of some items in a moment, by n draws: by draw, then by item. It says what n times Draw, one after the other, would say of each, and
// looks at the moment and at the items once.
func (p *Person) Draws(r *rand.Rand, n int, m ml.Moment, items []ml.Item) [][]float64 {
	type seen struct {
		x       [width]float64
		effects []int
	}
	all, effects := make([]seen, len(items)), []int(nil)
	for i := range items {
		from := len(effects)
		effects = p.effectsAt(effects, &items[i])
		all[i] = seen{music(&items[i]), effects[from:]}
	}
	j := judge{person: p, z: p.center(m)}
	theta := make([]float64, len(p.theta))
	draws := make([][]float64, n)
	for d := range draws {
		p.draw(theta, r)
		j.weigh(theta)
		draws[d] = make([]float64, len(items))
		for i := range all {
			draws[d][i] = chance(sum(&j.now, &all[i].x, theta, all[i].effects))
		}
	}
	return draws
}

// judge is a Person in a moment: what z makes of the weights of the music.
type judge struct {
	person     *Person
	moment     ml.Moment
	z          []float64 // centered
	now, usual [width]float64
	sure       *[crossed]float64 // the standard deviations of what the moment adds to the weights of the crossed features; nil until they are asked for
	spread     [][]float64       // the lower triangle of the covariance of now and of the effects behind it; nil until it is asked for
}

// At returns a judge for one moment.
func (p *Person) At(m ml.Moment) ml.Judge {
	j := &judge{person: p, moment: m, z: p.center(m)}
	j.weigh(p.theta)
	return j
}

// center returns z of a moment, centered; what is not known of it is 0.
func (p *Person) center(m ml.Moment) []float64 {
	z, known := p.learner.read(m)
	for i := range z {
		if known[i] {
			z[i] -= p.usual[i]
		} else {
			z[i] = 0
		}
	}
	return z
}

// weigh makes the weights of the music in the moment from those of a listener.
func (j *judge) weigh(theta []float64) {
	copy(j.usual[:], theta[:width])
	j.now = j.usual
	for i, z := range j.z {
		for k := range perZ {
			j.now[k] += z * theta[width+i*perZ+k]
		}
	}
}

// sum is what weights make of the numbers of an item and of its effects.
func sum(weights, x *[width]float64, theta []float64, effects []int) (y float64) {
	for a := range x {
		y += weights[a] * x[a]
	}
	for _, k := range effects {
		y += theta[k]
	}
	return y
}

// cover finds the covariance of the weights in this moment: T·A⁻¹·Tᵀ, where the rows of T make them from all weights. Those of effects are as they are.
func (j *judge) cover() {
	d, effects := len(j.person.theta), j.person.named
	rows, from := make([][]float64, width+effects), make([]int, width+effects) // before from a row is 0
	for k := range width {
		row := make([]float64, d)
		row[k] = 1
		for i, z := range j.z {
			if k < perZ {
				row[width+i*perZ+k] = z
			}
		}
		j.person.factor.Solve(row, k)
		rows[k], from[k] = row, k
	}
	for e := range effects {
		k := d - effects + e
		rows[width+e], from[width+e] = make([]float64, d), k
		rows[width+e][k] = 1
		j.person.factor.Solve(rows[width+e], k)
	}
	j.spread = make([][]float64, len(rows))
	for a, row := range rows {
		j.spread[a] = make([]float64, a+1)
		for b, other := range rows[:a+1] {
			j.spread[a][b] = vector.Dot64(row[from[a]:], other[from[a]:])
		}
	}
}

// Of knows no columns: what is known of the music is all that there is, see OfNew.
func (j *judge) Of(int32) ml.Judgment { return j.OfNew(ml.Item{}) }

// Reasons knows no columns either.
func (j *judge) Reasons(int32, int) []string { return nil }

func (j *judge) OfNew(item ml.Item) ml.Judgment {
	x := music(&item)
	var few [8]int
	effects := j.person.effectsAt(few[:0], &item)
	return ml.Judgment{Probability: chance(sum(&j.now, &x, j.person.theta, effects)), Without: chance(sum(&j.usual, &x, j.person.theta, effects))}
}

// Spread knows no columns either.
func (j *judge) Spread(int32) float64 { return j.SpreadOfNew(ml.Item{}) }

// SpreadOfNew is 0 where the listener is drawn.
func (j *judge) SpreadOfNew(item ml.Item) float64 {
	if j.person.drawn {
		return 0
	}
	if j.spread == nil {
		j.cover()
	}
	x := music(&item)
	var few [8]int
	effects := j.person.effectsAt(few[:0], &item)
	variance := 0.0
	for a, row := range j.spread[:width] {
		for b, v := range row[:a] {
			variance += 2 * x[a] * x[b] * v
		}
		variance += x[a] * x[a] * row[a]
	}
	behind := width - (len(j.person.theta) - j.person.named)
	for n, k := range effects {
		row := j.spread[k+behind]
		for b, v := range row[:width] {
			variance += 2 * x[b] * v
		}
		for _, other := range effects[:n] {
			variance += 2 * row[other+behind]
		}
		variance += row[k+behind]
	}
	p := chance(sum(&j.now, &x, j.person.theta, effects))
	return math.Sqrt(max(variance, 0)) / 2 / (p * (1 - p))
}

func chance(y float64) float64 { return min(max((1+y)/2, sure), 1-sure) }

// tells is how the crossed features are told, where an item has more or less of them than usual.
var tells = [crossed][2]string{{"calmer", "livelier"}, {"darker", "brighter"}, {"slower", "faster"}, {"more electric", "more acoustic"}}

const (
	worthTelling = 0.05 // the least that a reason adds to y,
	clearly      = 2.0  // and of how many standard deviations, lest chance be told as a reason
)

// deviations are how unsure it is what the moment adds to the weights of the crossed features.
func (j *judge) deviations() *[crossed]float64 {
	if j.sure != nil {
		return j.sure
	}
	j.sure = &[crossed]float64{}
	row := make([]float64, len(j.person.theta))
	for k := range crossed {
		clear(row)
		for i, z := range j.z {
			row[width+i*perZ+1+k] = z
		}
		j.person.factor.Solve(row, width)
		j.sure[k] = math.Sqrt(vector.Dot64(row, row))
	}
	return j.sure
}

// ReasonsForNew tells by which of its features the item suits the moment, and what of the moment says so, as far as it is clear that it does.
func (j *judge) ReasonsForNew(item ml.Item, n int) []string {
	if j.person.evidence == 0 {
		return nil
	}
	x := music(&item)
	sure := j.deviations()
	type reason struct {
		feature, aspect int
		adds, all       float64
	}
	var found []reason
	for k := range crossed {
		r := reason{feature: k}
		by := make([]float64, len(j.person.learner.aspects))
		for i, z := range j.z {
			adds := z * j.person.theta[width+i*perZ+1+k] * x[1+k]
			r.all += adds
			by[j.person.learner.columns[i].aspect] += adds
		}
		for a, adds := range by {
			if adds > r.adds {
				r.aspect, r.adds = a, adds
			}
		}
		if r.all >= max(worthTelling, clearly*sure[k]*math.Abs(x[1+k])) && r.adds > 0 {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b reason) int { return cmp.Compare(b.all, a.all) })
	var told []string
	for _, r := range found[:min(max(n, 0), len(found))] {
		how := tells[r.feature][0]
		if x[1+r.feature] > 0 {
			how = tells[r.feature][1]
		}
		told = append(told, how+" than your usual"+j.because(r.aspect))
	}
	return told
}

// because tells what of the moment it is.
func (j *judge) because(aspect int) string {
	a := j.person.learner.aspects[aspect]
	name := strings.ReplaceAll(a.Name, "-", " ")
	switch a.Kind {
	case ml.Cycle:
		return " " + cmp.Or(a.Say["now"], "at this "+name)
	case ml.Category:
		word := j.moment.Words[a.Name]
		return ": " + cmp.Or(a.Say[word], name+" is "+word)
	case ml.Amount:
	}
	i := slices.IndexFunc(j.person.learner.columns, func(c column) bool { return c.aspect == aspect })
	if j.z[i] < 0 {
		return ": " + cmp.Or(a.Say["low"], name+" is low")
	}
	return ": " + cmp.Or(a.Say["high"], name+" is high")
}
