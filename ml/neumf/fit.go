package neumf

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// fit is the state of Fit.
type fit struct {
	*network
	options
	source  *ml.Data
	data    *ml.Matrix // source's
	seed    uint64
	threads int
	done    int // epochs
	steps   int
	// Adam's: the means of gradients and of their squares, of heard, items and dense.
	means, squares [3][]float32
	parts          [parts]part
	turned         [2][]float32 // w1 and w2, transposed
	touched        []int32
	stamps         [2][]int32 // by item: the step in which it was touched last
}

const (
	// parts is how many parts of a step's gradient there are, each of some of its listeners. They are added up in their order, so threads make no difference.
	parts = 4
	// leastSteps is how many steps an epoch has at least, if there are as many listeners.
	leastSteps = 16
	// most is how many pairs go through the network at once.
	most = 256
	// firstMean and firstSquare are Adam's usual rates of forgetting; and tiny keeps it from dividing by 0.
	firstMean, firstSquare = 0.9, 0.999
	tiny                   = 1e-8
)

// part is a part of a step's gradient.
type part struct {
	rows   [2]sparse // of heard and of items
	dense  []float32
	layers layers
	*pass
	sum, all, own []float32
	listener      []float32
	grads         []float32 // of scores
	drawn         []int32   // the items of pairs
	loss          float64
	pairs         int
}

// sparse are rows of a gradient, of items that have any.
type sparse struct {
	width int
	at    []int32 // by item: its row and one more; 0: it has none
	items []int32
	rows  []float32
}

func (s *sparse) row(item int32) []float32 {
	at := int(s.at[item])
	if at == 0 {
		s.items = append(s.items, item)
		at = len(s.items)
		s.at[item] = int32(at)
		if len(s.rows) < at*s.width {
			s.rows = append(s.rows, make([]float32, s.width)...)
		}
		clear(s.rows[(at-1)*s.width : at*s.width])
	}
	return s.rows[(at-1)*s.width : at*s.width]
}

func (s *sparse) reset() {
	for _, i := range s.items {
		s.at[i] = 0
	}
	s.items = s.items[:0]
}

func newFit(d *ml.Data, opt options, o ml.FitOptions) *fit {
	f := &fit{options: opt, source: d, data: d.Heard, seed: o.Seed, threads: o.Threads}
	f.network = newNetwork(len(d.Items), opt, o.Seed)
	f.batch = min(f.batch, max(1, d.Heard.Cells()/leastSteps))
	if f.threads <= 0 {
		f.threads = runtime.GOMAXPROCS(0)
	}
	if f.warm(d, o.Start) {
		f.pretrained = false
	}
	for i, x := range f.all() {
		f.means[i], f.squares[i] = make([]float32, len(x)), make([]float32, len(x))
	}
	f.turned = [2][]float32{make([]float32, len(f.w1)), make([]float32, len(f.w2))}
	width := 2 * f.k
	for i := range f.stamps {
		f.stamps[i] = make([]int32, len(d.Items))
	}
	for i := range f.parts {
		p := &f.parts[i]
		for r := range p.rows {
			p.rows[r] = sparse{width: width, at: make([]int32, len(d.Items))}
		}
		p.dense = make([]float32, len(f.dense))
		p.layers = split(p.dense, f.k, f.h1, f.h2)
		p.pass = newPass(f.network, most)
		p.sum, p.all, p.own, p.listener = make([]float32, width), make([]float32, width), make([]float32, width), make([]float32, width)
		p.grads, p.drawn = make([]float32, most), make([]int32, most)
	}
	return f
}

func (f *fit) all() [3][]float32 { return [3][]float32{f.heard, f.vectors, f.dense} }

// warm takes over what a model of the same shape has learned.
func (f *fit) warm(d *ml.Data, start ml.Model) bool {
	m, ok := start.(*Model)
	if !ok || m.k != f.k || m.h1 != f.h1 {
		return false
	}
	copy(f.dense, m.dense)
	at := make(map[string]int, len(m.names))
	for i, item := range m.names {
		at[item] = i
	}
	w := 2 * f.k
	for i, item := range d.Items {
		if j, ok := at[item]; ok {
			copy(f.heard[i*w:(i+1)*w], m.heard[j*w:(j+1)*w])
			copy(f.vectors[i*w:(i+1)*w], m.vectors[j*w:(j+1)*w])
		}
	}
	return true
}

// epoch goes through all listeners once, in an order of its own, and returns the mean loss of a pair.
func (f *fit) epoch(ctx context.Context) (float64, error) {
	if f.done == 0 && f.pretrained {
		if err := f.pretrain(ctx); err != nil {
			return 0, err
		}
	}
	r := rand.New(rand.NewPCG(f.seed^salt, uint64(f.done)))
	order := r.Perm(f.data.Rows())
	loss, pairs := 0.0, 0
	for len(order) > 0 {
		n, cells := 0, 0
		for n < len(order) && cells < f.batch {
			cells += f.data.Starts[order[n]+1] - f.data.Starts[order[n]]
			n++
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		f.step(order[:n])
		for i := range f.parts {
			loss, pairs = loss+f.parts[i].loss, pairs+f.parts[i].pairs
		}
		order = order[n:]
	}
	return loss / float64(max(1, pairs)), nil
}

// step makes one step for some listeners.
func (f *fit) step(rows []int) {
	turn(f.turned[0], f.w1, f.h1, 2*f.k)
	turn(f.turned[1], f.w2, f.h2, f.h1)
	f.spread(parts, func(i int) {
		p := &f.parts[i]
		p.loss, p.pairs = 0, 0
		clear(p.dense)
		for r := range p.rows {
			p.rows[r].reset()
		}
		for _, u := range rows[i*len(rows)/parts : (i+1)*len(rows)/parts] {
			f.learn(p, u)
		}
	})
	pairs := 0
	for i := range f.parts {
		pairs += f.parts[i].pairs
	}
	if pairs == 0 {
		return
	}
	f.steps++
	a := f.adam(1 / float32(pairs))
	for r, x := range [2][]float32{f.heard, f.vectors} {
		f.touched = f.touched[:0]
		for i := range f.parts {
			for _, item := range f.parts[i].rows[r].items {
				if f.stamps[r][item] != int32(f.steps) {
					f.stamps[r][item] = int32(f.steps)
					f.touched = append(f.touched, item)
				}
			}
		}
		f.spread(parts, func(t int) {
			sum := make([]float32, 2*f.k)
			for _, item := range f.touched[t*len(f.touched)/parts : (t+1)*len(f.touched)/parts] {
				clear(sum)
				for i := range f.parts {
					if s := &f.parts[i].rows[r]; s.at[item] > 0 {
						vector.Axpy(1, s.row(item), sum)
					}
				}
				from, to := int(item)*len(sum), (int(item)+1)*len(sum)
				a.move(x[from:to], f.means[r][from:to], f.squares[r][from:to], sum)
			}
		})
	}
	total := f.parts[0].dense
	for i := range f.parts[1:] {
		vector.Axpy(1, f.parts[i+1].dense, total)
	}
	a.move(f.dense, f.means[2], f.squares[2], total)
}

// spread calls work for 0 to n−1.
func (f *fit) spread(n int, work func(i int)) {
	threads := min(f.threads, n)
	var wg sync.WaitGroup
	for t := 1; t < threads; t++ {
		wg.Go(func() {
			for i := t; i < n; i += threads {
				work(i)
			}
		})
	}
	for i := 0; i < n; i += threads {
		work(i)
	}
	wg.Wait()
}

// learn adds the gradient of one listener: of what they have heard, each foretold from the rest, and of items not heard, drawn at random.
func (f *fit) learn(p *part, u int) {
	heard, _ := f.data.Row(u)
	if len(heard) == 0 {
		return
	}
	r := rand.New(rand.NewPCG(f.seed^salt<<20, uint64(f.done)<<32|uint64(u)))
	width := 2 * f.k
	f.sum(p.sum, heard)
	f.listen(p.listener, p.sum, len(heard))
	clear(p.all)
	p.n = 0
	for _, item := range heard {
		if p.n+1+f.negatives > most {
			f.teach(p, heard)
		}
		copy(p.own, p.sum)
		vector.Axpy(-1, f.heard[int(item)*width:(int(item)+1)*width], p.own)
		f.listen(p.p[p.n*width:(p.n+1)*width], p.own, len(heard)-1)
		f.pair(p, item)
		for range f.negatives {
			other := int32(r.IntN(f.data.Columns))
			if _, is := slices.BinarySearch(heard, other); !is {
				copy(p.p[p.n*width:], p.listener)
				f.pair(p, other)
			}
		}
	}
	f.teach(p, heard)
	for _, item := range heard {
		vector.Axpy(1, p.all, p.rows[0].row(item))
	}
}

// pair adds an item to the pairs, for the listener who is there.
func (f *fit) pair(p *part, item int32) {
	width := 2 * f.k
	copy(p.q[p.n*width:], f.vectors[int(item)*width:(int(item)+1)*width])
	p.drawn[p.n] = item
	p.n++
}

// teach puts the pairs through the network and adds up the gradients.
func (f *fit) teach(p *part, heard []int32) {
	p.forward(f.network)
	for i, item := range p.drawn[:p.n] {
		_, is := slices.BinarySearch(heard, item)
		likely := 1 / (1 + math.Exp(-float64(p.scores[i])))
		if is {
			p.loss -= math.Log(max(likely, tiny))
			p.grads[i] = float32(likely - 1)
		} else {
			p.loss -= math.Log(max(1-likely, tiny))
			p.grads[i] = float32(likely)
		}
	}
	p.backward(f.network, &p.layers, p.grads, &f.turned)
	width, n := 2*f.k, len(heard)
	others := float32(0)
	if n > 1 {
		others = float32(1 / math.Sqrt(float64(n-1)))
	}
	whole := float32(1 / math.Sqrt(float64(n)))
	for i, item := range p.drawn[:p.n] {
		vector.Axpy(1, p.q[i*width:(i+1)*width], p.rows[1].row(item))
		g := p.p[i*width : (i+1)*width]
		vector.Axpy(1, g, p.layers.start)
		if _, is := slices.BinarySearch(heard, item); is {
			vector.Axpy(others, g, p.all)
			vector.Axpy(-others, g, p.rows[0].row(item)) // it was left out
		} else {
			vector.Axpy(whole, g, p.all)
		}
	}
	p.pairs += p.n
	p.n = 0
}

// adam is how far one step goes.
type adam struct {
	rate, mean, square, decay, scale float32
}

func (f *fit) adam(scale float32) adam {
	n := float64(f.steps)
	return adam{
		rate: f.rate, decay: 1 - f.rate*f.decay, scale: scale,
		mean: float32(1 / (1 - math.Pow(firstMean, n))), square: float32(1 / (1 - math.Pow(firstSquare, n))),
	}
}

// move moves x against the gradient g.
func (a adam) move(x, means, squares, g []float32) {
	for i, v := range g {
		v *= a.scale
		means[i] = firstMean*means[i] + (1-firstMean)*v
		squares[i] = firstSquare*squares[i] + (1-firstSquare)*v*v
		x[i] = a.decay*x[i] - a.rate*means[i]*a.mean/(float32(math.Sqrt(float64(squares[i]*a.square)))+tiny)
	}
}

// names are those of tensors in a checkpoint.
var names = [3]string{"heard", "vectors", "layers"}

// state is what a checkpoint keeps beside the numbers of epochs and steps.
func (f *fit) state() []ml.Numbers {
	var all []ml.Numbers
	for i, x := range f.all() {
		all = append(all, ml.Numbers{Name: names[i], X: x}, ml.Numbers{Name: names[i] + ".means", X: f.means[i]}, ml.Numbers{Name: names[i] + ".squares", X: f.squares[i]})
	}
	return all
}
