package topk

import (
	"math"
	"math/bits"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// best holds the best hits so far, at most k: a heap with the worst of them on top.
type best struct {
	k    int // at least 1
	hits []Hit
	seen int // how many scores were looked at
	mask [scanWords]uint64
}

// scanWords is how many words of 64 scores are compared with one threshold.
const scanWords = 16

// threshold is what a score must be above to get in. The items come in ascending order, so one that is equal to the
// worst of k comes after it.
func (b *best) threshold() float32 {
	if len(b.hits) < b.k {
		return float32(math.Inf(-1))
	}
	return b.hits[0].Score
}

// scan takes in what is good enough of the scores of the items from row first, a multiple of 64, on. There are as
// many as scores, a multiple of 64 too; rows from n on are not items.
func (b *best) scan(scores []float32, first, n int, c *cursor) {
	for at := 0; at < len(scores); {
		// At first each score gets in, and the threshold rises fast: it is looked at again after half as many scores
		// as there were before.
		words := min(scanWords, max(1, b.seen/128), (len(scores)-at)/64)
		mask := b.mask[:words]
		vector.Above(mask, scores[at:], b.threshold())
		for w, set := range mask {
			if set != 0 {
				b.take(scores[at+w*64:], first+at+w*64, n, c.left((first+at)/64+w, set))
			}
		}
		at += words * 64
		b.seen += words * 64
	}
}

// take takes in those of 64 scores whose bit is set, if they still are good enough.
func (b *best) take(scores []float32, first, n int, set uint64) {
	for ; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if first+i < n && scores[i] > b.threshold() {
			b.push(Hit{Item: int32(first + i), Score: scores[i]})
		}
	}
}

// push takes in a hit. Where there are k already, it takes the place of the worst, which it is better than.
func (b *best) push(h Hit) {
	if len(b.hits) < b.k {
		b.hits = append(b.hits, h)
		if len(b.hits) == b.k {
			for i := b.k/2 - 1; i >= 0; i-- {
				b.sink(i)
			}
		}
		return
	}
	b.hits[0] = h
	b.sink(0)
}

// sink moves the hit at i down to where the hits below are better.
func (b *best) sink(i int) {
	h := b.hits[i]
	for {
		child := 2*i + 1
		if child >= len(b.hits) {
			break
		}
		if child+1 < len(b.hits) && b.hits[child].better(b.hits[child+1]) {
			child++
		}
		if !h.better(b.hits[child]) {
			break
		}
		b.hits[i] = b.hits[child]
		i = child
	}
	b.hits[i] = h
}

// sorted puts hits in their order, the best first, and returns the first k.
func sorted(hits []Hit, k int) []Hit {
	slices.SortFunc(hits, func(a, b Hit) int {
		if a.better(b) {
			return -1
		}
		return 1 // no two are equal: an item is in once
	})
	return hits[:min(k, len(hits)):min(k, len(hits))]
}
