package ml

import (
	"context"
	"math"
	"slices"
	"time"
)

const (
	blendMost   = 5   // parts
	blendWorth  = 0.5 // of the best NDCG@10: what a part must have
	blendRounds = 20  // of the greedy selection
	blendFolds  = 5   // of the listeners
	blendDepth  = 100 // items of each part that a listener's pool is made of
)

// pool is what the parts of a blend say of those items that any of them puts among its first.
type pool struct {
	row    int
	items  []int32     // ascending
	scores [][]float32 // of each part, shifted and scaled as Blend does
	want   []int32
}

// blend tries the best of each algorithm together. Weights are found by greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of
// models", 2004). So that they are not praised for what they were fitted to, the listeners are parted in five, and the lists of each part that are measured
// have weights chosen on the other four.
func (s *search) blend(ctx context.Context) {
	parts := s.parts()
	if len(parts) < 2 { //nolint:mnd // one is no blend
		return
	}
	start := time.Now()
	pools := s.pools(ctx, parts)
	if ctx.Err() != nil {
		return
	}
	counts := s.weigh(ctx, pools, len(parts), func(int) bool { return true })
	t := &Trial{Number: len(s.all.Trials) + 1, Algorithm: blendName, Seed: s.Seed}
	r := &ranking{items: s.train.Heard.Columns}
	byFold := make([][]int, blendFolds)
	for f := range byFold {
		byFold[f] = s.weigh(ctx, pools, len(parts), func(i int) bool { return i%blendFolds != f })
	}
	if ctx.Err() != nil {
		return
	}
	var scores []float32
	var top []Scored
	for i, p := range pools {
		r.rows = append(r.rows, p.row)
		scores = p.sum(scores, byFold[i%blendFolds])
		top = Top(top, scores, nil, recallDepth)
		list := make([]Scored, len(top))
		for j, x := range top {
			list[j] = Scored{p.items[x.Item], x.Score}
		}
		r.add(list, p.want)
	}
	t.Metrics, t.gains = r.metrics(), r.gains
	total := 0
	for _, c := range counts {
		total += c
	}
	shares := make([]float64, len(counts))
	for i, c := range counts {
		shares[i] = float64(c) / float64(total)
	}
	chosen, models, weights := t.madeOf(parts, shares)
	t.ScoreSeconds = time.Since(start).Seconds()
	if len(models) > 1 {
		m, err := NewBlend(models, weights)
		if err != nil {
			t.Error = err.Error()
		}
		s.all.Trials = append(s.all.Trials, *t)
		if err == nil {
			s.arms = append(s.arms, &arm{Algorithm: chosen, best: t, model: m, derived: true})
			s.blendAgain(ctx, parts, counts, t)
		}
		s.tell(t, t, Progress{})
	}
}

// madeOf notes what a blend is made of: the best of each algorithm whose share is not 0.
func (t *Trial) madeOf(parts []*arm, shares []float64) (chosen Blending, models []Model, weights []float64) {
	for i, w := range shares {
		if w == 0 {
			continue
		}
		a := parts[i]
		t.Parts = append(t.Parts, TrialPart{a.best.Number, w})
		t.FitSeconds += a.best.FitSeconds
		t.Bytes += a.best.Bytes
		chosen.Parts = append(chosen.Parts, BlendPart{a.Algorithm, a.best.Values, w})
		models, weights = append(models, a.model), append(weights, w)
	}
	return chosen, models, weights
}

// blendAgain measures the blend on the second holdout, if all of its parts were fitted without that.
func (s *search) blendAgain(ctx context.Context, parts []*arm, counts []int, t *Trial) {
	var models []Model
	var weights []float64
	for i, a := range parts {
		if counts[i] == 0 {
			continue
		}
		m := a.again[a.best.Number]
		if m == nil {
			return
		}
		models, weights = append(models, m), append(weights, float64(counts[i]))
	}
	if m, err := NewBlend(models, weights); err == nil {
		s.rankAgain(ctx, m, t)
	}
}

// pools asks all parts what they say to each listener.
func (s *search) pools(ctx context.Context, parts []*arm) []*pool {
	var pools []*pool
	for u := range s.valid.Rows() {
		if want, _ := s.valid.Row(u); len(want) > 0 {
			pools = append(pools, &pool{row: u, want: want})
		}
	}
	parallel(ctx, len(pools), threadsOr(s.Threads), func(_, i int) {
		p := pools[i]
		cols, weights := s.train.Heard.Row(p.row)
		h := Heard{Listener: p.row, Items: cols, Weights: weights}
		all := make([][]float32, len(parts))
		var top []Scored
		for j, a := range parts {
			all[j] = make([]float32, s.train.Heard.Columns)
			a.model.Scores(all[j], h)
			top = Top(top, all[j], cols, blendDepth)
			for _, x := range top {
				p.items = append(p.items, x.Item)
			}
		}
		slices.Sort(p.items)
		p.items = slices.Clip(slices.Compact(p.items))
		for _, scores := range all {
			mean, scale := standard(scores, cols)
			some := make([]float32, len(p.items))
			for k, item := range p.items {
				some[k] = float32((float64(scores[item]) - mean) * scale)
			}
			p.scores = append(p.scores, some)
		}
	})
	return pools
}

// sum adds up the parts' scores, as often as each is chosen.
func (p *pool) sum(dst []float32, counts []int) []float32 {
	dst = slices.Grow(dst[:0], len(p.items))[:len(p.items)]
	clear(dst)
	for j, n := range counts {
		if n == 0 {
			continue
		}
		for k, x := range p.scores[j] {
			dst[k] += float32(n) * x
		}
	}
	return dst
}

// weigh returns how often each part is chosen by some of the listeners.
func (s *search) weigh(ctx context.Context, pools []*pool, parts int, in func(i int) bool) []int {
	threads := threadsOr(s.Threads)
	sums, scores, tops := make([][]float32, len(pools)), make([][]float32, threads), make([][]Scored, threads)
	gains := make([]float64, len(pools)*parts)
	counts, best, most := make([]int, parts), make([]int, parts), math.Inf(-1)
	for range blendRounds {
		parallel(ctx, len(pools), threads, func(t, i int) {
			if !in(i) {
				return
			}
			p := pools[i]
			sums[i] = p.sum(sums[i], counts)
			for j := range parts {
				scores[t] = append(scores[t][:0], sums[i]...)
				for k, x := range p.scores[j] {
					scores[t][k] += x
				}
				tops[t] = Top(tops[t], scores[t], nil, gainDepth)
				for k := range tops[t] {
					tops[t][k].Item = p.items[tops[t][k].Item]
				}
				gains[j*len(pools)+i], _ = rate(tops[t], p.want)
			}
		})
		at, gain := 0, math.Inf(-1)
		for j := range parts {
			if mean, _ := meanError(gains[j*len(pools) : (j+1)*len(pools)]); mean > gain {
				at, gain = j, mean
			}
		}
		counts[at]++
		if gain > most {
			copy(best, counts)
			most = gain
		}
	}
	return best
}
