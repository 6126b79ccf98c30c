package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rhythmiq/rhythmiq/ml"
)

// folding is one way to part answers in folds.
type folding struct {
	name string
	fold []int
	n    int
}

const crossSalt = 0x63726f7373

// validate makes cross-validations: by -cross, or by the columns that say so.
func (f *flags) validate(ctx context.Context, in *input, stdout io.Writer) error {
	all := slices.Concat(in.train.answered(), in.valid.answered())
	ids := slices.Concat(in.train.answeredIDs(), in.valid.answeredIDs())
	var ways []folding
	if f.cross > 0 {
		if f.cross > len(all) {
			return fmt.Errorf("%w: %d folds of %d answers", errInput, f.cross, len(all))
		}
		for r := range f.repeats {
			way := folding{fmt.Sprintf("repeat %d", r+1), make([]int, len(all)), f.cross}
			for n, i := range rand.New(rand.NewPCG(f.seed+uint64(r), crossSalt)).Perm(len(all)) {
				way.fold[i] = n % f.cross
			}
			ways = append(ways, way)
		}
	} else {
		for _, name := range foldNames {
			if texts := slices.Concat(in.train.folds[name], in.valid.folds[name]); len(texts) == len(all) {
				ways = append(ways, byColumn(name, texts))
			}
		}
	}
	if len(ways) == 0 {
		return fmt.Errorf("%w: there is no -test and no -cross, nor a column of folds", errInput)
	}
	var with, without []float64
	unknown := map[string][]float64{}
	var lines []string
	for _, way := range ways {
		x, err := f.crossed(ctx, in, all, way)
		if err != nil {
			return err
		}
		in.tellScore(stdout, way.name, all, x.judgments, x.raw)
		for _, name := range slices.Sorted(maps.Keys(x.audited)) {
			fmt.Fprintf(stdout, "  the audit found %s in %d of %d folds\n", name, x.audited[name], way.n)
		}
		s := in.score(all, x.judgments, x.raw)
		with, without = append(with, s.with), append(without, s.without)
		for name, js := range x.unknown {
			unknown[name] = append(unknown[name], in.score(all, js, js).with)
		}
		for i, j := range x.judgments {
			lines = append(lines, fmt.Sprintf("%s\t%d\t%s\t%g\t%.6f\t%.6f", way.name, way.fold[i], ids[i], in.scaled(all[i].Liking), in.scaled(j.Without), in.scaled(j.Probability)))
		}
	}
	if f.cross > 0 {
		in.summary(stdout, with, without, unknown)
	}
	if f.foretold == "" {
		return nil
	}
	return write(f.foretold, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "repeat\tfold\trow_id\tanswer\twithout\twith")
		for _, line := range lines {
			if err == nil {
				_, err = fmt.Fprintln(w, line)
			}
		}
		return err
	})
}

// summary tells means over repeats.
func (s *schema) summary(w io.Writer, with, without []float64, unknown map[string][]float64) {
	gains := make([]float64, len(with))
	for i := range gains {
		gains[i] = with[i] - without[i]
	}
	a, _ := meanError(without)
	b, _ := meanError(with)
	gain, standard := meanError(gains)
	fmt.Fprintf(w, "mean: %s %.4f without the situation, %.4f with; the situation adds %.4f ± %.4f over %d repeats\n", s.measure(), a, b, gain, standard, len(with))
	for _, name := range sorted(unknown) {
		m, _ := meanError(unknown[name])
		fmt.Fprintf(w, "unknown %s: %s %.4f, %+.4f beside without the situation\n", name, s.measure(), m, m-a)
	}
}

func (a *answers) answeredIDs() []string {
	var all []string
	for i, id := range a.ids {
		if a.known[i] {
			all = append(all, id)
		}
	}
	return all
}

func byColumn(name string, texts []string) folding {
	distinct := slices.Compact(slices.Sorted(slices.Values(texts)))
	way := folding{name, make([]int, len(texts)), len(distinct)}
	for i, text := range texts {
		way.fold[i], _ = slices.BinarySearch(distinct, text)
	}
	return way
}

// crossing is what a cross-validation gave.
type crossing struct {
	judgments []ml.Judgment
	raw       []ml.Judgment            // before they were stretched
	unknown   map[string][]ml.Judgment // by the variable that was unknown
	audited   map[string]int           // in how many folds a variable was found
}

const everything = "everything"

// crossed foretells each answer by a model that was chosen and fitted without its fold.
func (f *flags) crossed(ctx context.Context, in *input, all []ml.Answer, way folding) (*crossing, error) {
	x := &crossing{judgments: make([]ml.Judgment, len(all)), raw: make([]ml.Judgment, len(all)), unknown: map[string][]ml.Judgment{}, audited: map[string]int{}}
	if f.unknown {
		x.unknown[everything] = make([]ml.Judgment, len(all))
		for _, a := range in.aspects {
			x.unknown[a.Name] = make([]ml.Judgment, len(all))
		}
	}
	threads := f.threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(threads)
	audited := make([][]string, way.n)
	history := in.history.answered()
	for k := range way.n {
		group.Go(func() error {
			var train, test []ml.Answer
			var at []int
			for i, a := range all {
				if way.fold[i] == k {
					test, at = append(test, a), append(at, i)
				} else {
					train = append(train, a)
				}
			}
			learned := slices.Concat(train, history)
			s, err := f.choose(ctx, in, learned, test)
			if err != nil {
				return err
			}
			audited[k] = aspectsOf(s)
			raw := judged(s.Model(), test)
			for n, j := range in.told(s, learned, raw) {
				x.judgments[at[n]], x.raw[at[n]] = j, raw[n]
			}
			for name, into := range x.unknown { // each fold writes places of its own
				for n, j := range in.told(s, learned, judged(s.Model(), hidden(test, name))) {
					into[at[n]] = j
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, names := range audited {
		for _, name := range names {
			x.audited[name]++
		}
	}
	return x, nil
}

// hidden returns rows with one variable unknown, or everything.
func hidden(rows []ml.Answer, name string) []ml.Answer {
	out := slices.Clone(rows)
	for i := range out {
		if name == everything {
			out[i].Moment = ml.Moment{}
		} else {
			out[i].Moment = out[i].Moment.Without(name)
		}
	}
	return out
}

func sorted(m map[string][]float64) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func meanError(x []float64) (mean, standard float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		standard += (v - mean) * (v - mean)
	}
	if n < 2 { //nolint:mnd // one has no spread
		return mean, 0
	}
	return mean, math.Sqrt(standard / (n - 1) / n)
}
