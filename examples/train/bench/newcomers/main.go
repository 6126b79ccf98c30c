// Command newcomers measures what the cold start of new items gains: with a model fitted on -train, it ranks for each listener of -valid what they have not heard, once without
// the items that the model does not know, and once with these at the place that their tags give them; and it ranks those new items among themselves, beside the order of how many tags they have.
//
//	go run ./examples/train/bench/newcomers -train train.tsv -valid valid.tsv -tags artist_tags.tsv
//
// The files have tabs between columns: listener, item, weight; and item, tag (more columns are left alone).
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func main() {
	train, valid, tags := flag.String("train", "", "`file` to fit on"), flag.String("valid", "", "`file` to measure by"), flag.String("tags", "", "`file` of tags")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *train, *valid, *tags); err != nil {
		fmt.Fprintln(os.Stderr, "newcomers:", err)
		os.Exit(1)
	}
}

// algorithms are those that are measured, with their defaults.
var algorithms = []ml.Algorithm{als.Algorithm{}, itemknn.Algorithm{}}

func run(ctx context.Context, out io.Writer, trainFile, validFile, tagsFile string) error {
	train, err := readTable(ctx, trainFile)
	if err != nil {
		return err
	}
	valid, err := readTable(ctx, validFile)
	if err != nil {
		return err
	}
	tags, err := readTags(tagsFile)
	if err != nil {
		return err
	}
	m := measurement{train: train, valid: valid, tags: tags, known: map[string]bool{}}
	for _, id := range train.Items {
		m.known[id] = true
	}
	for _, id := range valid.Items {
		if !m.known[id] && len(tags[id]) > 0 {
			m.fresh = append(m.fresh, id)
		}
	}
	fmt.Fprintf(out, "%d items, and %d new ones with tags\n", len(train.Items), len(m.fresh))
	for _, a := range algorithms {
		if err := m.measure(ctx, out, a); err != nil {
			return err
		}
	}
	return nil
}

func readTable(ctx context.Context, name string) (*ml.Data, error) {
	f, err := os.Open(name) //nolint:gosec // the caller's own files
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it is only read from
	var b ml.Builder
	if err := b.ReadTSV(ctx, f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b.Data()
}

func readTags(name string) (map[string][]string, error) {
	f, err := os.Open(name) //nolint:gosec // the caller's own files
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it is only read from
	tags := map[string][]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), "\t"); len(fields) > 1 {
			tags[fields[0]] = append(tags[fields[0]], fields[1])
		}
	}
	return tags, lines.Err()
}

type measurement struct {
	train, valid *ml.Data
	tags         map[string][]string
	known        map[string]bool
	fresh        []string // items of valid that are not in train
}

func (m *measurement) item(id string) ml.Item { return ml.Item{ID: id, Tags: m.tags[id]} }

// serve fits a model and returns what serves it.
func (m *measurement) serve(ctx context.Context, a ml.Algorithm) (*ml.Recommender, error) {
	model, err := a.Fit(ctx, m.train, nil, ml.FitOptions{Seed: 1})
	if err != nil {
		return nil, err
	}
	log, err := ml.NewService(memstore.New(nil), ml.Options{Describe: func(_ context.Context, ids []string) (map[string]ml.Item, error) {
		all := map[string]ml.Item{}
		for _, id := range ids {
			all[id] = m.item(id)
		}
		return all, nil
	}})
	if err != nil {
		return nil, err
	}
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{})
	if err != nil {
		return nil, err
	}
	r, err := ml.NewRecommender(log, ml.RecommenderOptions{Algorithms: algorithms, Blobs: kept, Trainer: trainer})
	if err != nil {
		return nil, err
	}
	artifact, err := ml.WriteArtifact(ctx, kept, "models/one", model, nil)
	if err != nil {
		return nil, err
	}
	v, err := r.Registry().Register(ctx, ml.Version{Algorithm: a.Name(), Artifact: artifact})
	if err != nil {
		return nil, err
	}
	return r, errors.Join(r.Registry().Promote(ctx, v.ID, uuid.Nil), r.Poll(ctx))
}

// mean is a mean over listeners.
type mean struct {
	gain, recall float64
	n            int
}

func (m *mean) add(ranked []ranking, want map[string]bool) {
	if len(want) == 0 {
		return
	}
	slices.SortFunc(ranked, func(a, b ranking) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id)) })
	gain, ideal, hits := 0.0, 0.0, 0.0
	for i, r := range ranked[:min(20, len(ranked))] {
		if want[r.id] {
			hits++
			if i < 10 {
				gain += 1 / math.Log2(float64(i+2))
			}
		}
	}
	for i := range min(10, len(want)) {
		ideal += 1 / math.Log2(float64(i+2))
	}
	m.gain, m.recall, m.n = m.gain+gain/ideal, m.recall+hits/float64(len(want)), m.n+1
}

func (m *mean) String() string {
	n := float64(max(m.n, 1))
	return fmt.Sprintf("NDCG@10 %.4f Recall@20 %.4f (%d listeners)", m.gain/n, m.recall/n, m.n)
}

// ranking is an item and what it is ranked by.
type ranking struct {
	id    string
	score float64
}

func (m *measurement) measure(ctx context.Context, out io.Writer, a ml.Algorithm) error {
	r, err := m.serve(ctx, a)
	if err != nil {
		return err
	}
	var without, with, among, plain mean
	for u, listener := range m.train.Listeners {
		at := slices.Index(m.valid.Listeners, listener)
		if at < 0 {
			continue
		}
		heard, want, wantFresh := map[string]float64{}, map[string]bool{}, map[string]bool{}
		cols, weights := m.train.Heard.Row(u)
		for i, c := range cols {
			heard[m.train.Items[c]] = float64(weights[i])
		}
		cols, _ = m.valid.Heard.Row(at)
		for _, c := range cols {
			id := m.valid.Items[c]
			want[id] = true
			if !m.known[id] && len(m.tags[id]) > 0 {
				wantFresh[id] = true
			}
		}
		suited, err := r.For(ctx, heard)
		if err != nil {
			return err
		}
		var old, fresh, tagged []ranking
		for _, id := range suited.Top(200) {
			score, _ := suited.Of(id)
			old = append(old, ranking{id, score})
		}
		for _, id := range m.fresh {
			tagged = append(tagged, ranking{id, float64(len(m.tags[id]))})
			if score, told := suited.Guess(m.item(id)); told {
				fresh = append(fresh, ranking{id, score})
			}
		}
		without.add(slices.Clone(old), want)
		with.add(slices.Concat(old, fresh), want)
		among.add(fresh, wantFresh)
		plain.add(tagged, wantFresh)
	}
	fmt.Fprintf(out, "%s\n  all, new ones left out   %v\n  all, new ones placed     %v\n  new ones by themselves   %v\n  … by number of tags      %v\n", a.Name(), &without, &with, &among, &plain)
	return nil
}
