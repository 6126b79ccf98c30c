package ml

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

// Recommender trains models of taste from the log, and has the live one at hand for requests. It is safe for concurrent use.
//
// A training splits the data (the newest tenth of what each listener heard is for validation), chooses algorithm and hyperparameters, fits on the rest, measures
// on the validation split, and registers. What was measured is what is served: nothing is fitted again on everything. So when the data have moved on and the live model is measured on the
// new validation split, beside the new one, that is fair to both: neither was fitted on what it is asked for.
//
// The new model goes live if its NDCG@10 on that split is higher, or the same and its Recall@20 higher; a tie keeps the one in service. It also goes live
// where the file of the live one is lost or damaged, and where all that the live one was fitted on is older than [Retention] and must not be used
// any more.
type Recommender struct {
	*keeper[served]
	precision Precision
	asked     atomic.Bool // for similar tracks
}

// RecommenderOptions say what a Recommender trains with; all but Select are required.
type RecommenderOptions struct {
	Algorithms []Algorithm // that are tried, and whose models can be opened, the cheap ones first
	Blobs      Blobs
	Trainer    ModelTrainer // over Blobs
	// Select says how algorithm and hyperparameters are searched for; its Algorithms and Valid are not looked at. Without a Budget and Trials
	// each algorithm is tried once with its defaults, and no blend; without Threads, half of GOMAXPROCS are taken. A search has a holdout of its own, of what is fitted on, so that nothing is chosen by
	// what a new model and the live one are compared by.
	Select SelectOptions
	// Precision is in which precision models whose scores are inner products are searched for what suits a listener best; "" means FP32. [Training.Served] tells what
	// it costs.
	Precision Precision
}

// NewRecommender returns a Recommender over a log and the store that it is in.
func NewRecommender(interactions *Service, o RecommenderOptions) (*Recommender, error) {
	var f fault.Fields
	if !o.Precision.known() {
		f.Add("Precision", "must be one of %v", Precisions())
	}
	r := &Recommender{precision: o.Precision}
	var err error
	if r.keeper, err = newKeeper(OfTaste, r, interactions, o.Algorithms, o.Blobs, o.Trainer, o.Select, &f); err != nil {
		return nil, err
	}
	return r, nil
}

// For returns the model of a listener, from how much their interactions say for (above 0) or against each track: the sum of [Interaction.Strength]. It
// takes about a millisecond and never waits for a training or a swap. nil where no model is live, or it knows nothing that they like.
func (r *Recommender) For(ctx context.Context, strengths map[string]float64) (*Suited, error) {
	if r == nil {
		return nil, nil //nolint:nilnil // nil knows nothing
	}
	s := r.live.Load()
	if s == nil {
		return nil, nil //nolint:nilnil // nil knows nothing
	}
	return s.suited(ctx, strengths)
}

// ErrTooLittle is the error where the log does not hold enough yet to learn from: a conflict.
var ErrTooLittle = fault.New(fault.Conflict, "There is not enough to learn from yet: at least %d listeners must have liked %d tracks that others liked too", fewestJudges, splitLeast)

// fewestJudges is how many listeners a model must be measured on at least: on fewer the better of two is a matter of luck.
const fewestJudges = 20

// The craft of models of taste.

func (r *Recommender) made(ctx context.Context, v Version, m Model) (*served, error) {
	about, err := r.log.about(ctx, m.Items())
	if err != nil {
		return nil, err
	}
	return newServed(v, m, about, r.precision)
}

func (r *Recommender) versionOf(s *served) Version { return s.version }

// polled makes what finds similar tracks quickly, in the model that is live, if anybody has asked for any.
func (r *Recommender) polled(ctx context.Context, s *served) error {
	if !r.asked.Load() {
		return nil
	}
	return s.prepare(ctx, r.selecting.Threads, graphFrom)
}

func (r *Recommender) terms() terms {
	return terms{train: "ml.train", swap: "ml.swap", again: retrainAfter, resumes: resumeWithin}
}

func (r *Recommender) over(v Version, _ lesson) string {
	if r.log.now().Sub(v.Until) > Retention {
		return "what the live one was fitted on is kept no more"
	}
	return ""
}

func (r *Recommender) worthless(Version) string { return "" }

// better is the rule by which a version goes live in the place of another, whose metrics on the same split are given.
func (r *Recommender) better(v Version, before Metrics) (bool, string) {
	const figures = "NDCG@10 %.4f against %.4f of the live one, on the same validation data"
	why := fmt.Sprintf(figures, v.Metrics.NDCG10, before.NDCG10)
	if v.Metrics.NDCG10 == before.NDCG10 {
		return v.Metrics.Recall20 > before.Recall20, fmt.Sprintf("%s, and Recall@20 %.4f against %.4f", why, v.Metrics.Recall20, before.Recall20)
	}
	return v.Metrics.NDCG10 > before.NDCG10, why
}

func (r *Recommender) values(v Version) []observe.Value {
	return []observe.Value{{Name: "cells", Number: float64(v.Cells)}, {Name: "ndcg10", Number: v.Metrics.NDCG10}}
}

func (r *Recommender) lesson(ctx context.Context, until time.Time) (lesson, error) {
	d, err := r.log.TrainingData(ctx, until)
	if err != nil {
		return nil, err
	}
	train, valid := d.Split(trainingSeed, 0)
	return &tasting{all: d.Heard.Cells(), train: train, valid: valid, precision: r.precision}, nil
}

// tasting is a lesson in taste.
type tasting struct {
	all       int // cells
	train     *Data
	valid     *Matrix
	precision Precision
}

func (l *tasting) data() *Data     { return l.train }
func (l *tasting) size() int       { return l.all }
func (l *tasting) note(v *Version) { v.Cells = l.train.Heard.Cells() }
func (l *tasting) leave(...string) {}
func (l *tasting) few() error {
	if judges(l.valid) < fewestJudges {
		return ErrTooLittle
	}
	return nil
}

func (l *tasting) choice(o SelectOptions) (*Data, SelectOptions) {
	data := l.train
	if o.Valid = l.valid; o.Budget > 0 || o.Trials > len(o.Algorithms) {
		// The best of many on what it is compared with the live one by would be so by luck, too.
		if inner, held := l.train.Split(o.Seed, 0); judges(held) >= fewestJudges {
			data, o.Valid = inner, held
		}
	}
	return data, o
}

func (l *tasting) measure(ctx context.Context, m Model) (Metrics, error) {
	if !slices.Equal(m.Items(), l.train.Items) {
		m = onItems(m, l.train.Items)
	}
	return Evaluate(ctx, m, l.train.Heard, l.valid, 0)
}

func (l *tasting) served(ctx context.Context, m Model, measured Metrics) (Metrics, error) {
	if l.precision == "" || l.precision == FP32 {
		return measured, nil
	}
	return Evaluate(ctx, Quantized(m, l.precision), l.train.Heard, l.valid, 0)
}

// judges is how many listeners a split can be measured on.
func judges(valid *Matrix) int {
	n := 0
	for u := range valid.Rows() {
		if valid.Starts[u] < valid.Starts[u+1] {
			n++
		}
	}
	return n
}

// onItems is a model seen from other items than its own: those that it does not know come last.
func onItems(m Model, items []string) Model {
	own := make(map[string]int32, len(m.Items()))
	for i, id := range m.Items() {
		own[id] = int32(i)
	}
	t := &translated{Model: m, items: items, own: make([]int32, len(items))}
	for i, id := range items {
		c, known := own[id]
		if !known {
			c = -1
		}
		t.own[i] = c
	}
	return t
}

type translated struct {
	Model
	items []string
	own   []int32 // the model's column of each, −1 for none
}

// Items implements Model.
func (t *translated) Items() []string { return t.items }

// Scores implements Model.
func (t *translated) Scores(dst []float32, h Heard) {
	scores := make([]float32, len(t.Model.Items()))
	known := make([]Scored, 0, len(h.Items))
	for i, c := range h.Items {
		if own := t.own[c]; own >= 0 {
			known = append(known, Scored{own, h.Weights[i]})
		}
	}
	slices.SortFunc(known, func(a, b Scored) int { return int(a.Item) - int(b.Item) })
	own := Heard{Listener: -1}
	for _, k := range known {
		own.Items, own.Weights = append(own.Items, k.Item), append(own.Weights, k.Score)
	}
	t.Model.Scores(scores, own)
	for i, c := range t.own {
		dst[i] = float32(math.Inf(-1))
		if c >= 0 {
			dst[i] = scores[c]
		}
	}
}
