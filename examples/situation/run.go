package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/report"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

// The codes that it exits with.
const (
	good    = 0
	failed  = 1
	wrong   = 2
	stopped = 130 // as after SIGINT in a shell
)

// run is main with everything that it touches.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case err != nil:
		return wrong
	}
	err = f.work(ctx, stdout)
	switch {
	case err == nil:
		return good
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "situation: stopped")
		return stopped
	}
	fmt.Fprintln(stderr, "situation:", err)
	if errors.Is(err, errInput) || errors.Is(err, os.ErrNotExist) {
		return wrong
	}
	return failed
}

// input is what was read.
type input struct {
	*reader
	train, valid, test, history *answers
}

func (f *flags) read() (*input, error) {
	items, err := readTable(f.items)
	if err != nil {
		return nil, err
	}
	about, err := readItems(items)
	if err != nil {
		return nil, err
	}
	train, err := readTable(f.train)
	if err != nil {
		return nil, err
	}
	s, err := newSchema(train)
	if err != nil {
		return nil, err
	}
	in := &input{reader: newReader(s, about)}
	if in.train, err = in.rows(train); err != nil {
		return nil, err
	}
	for _, more := range []struct {
		path string
		into **answers
	}{{f.valid, &in.valid}, {f.history, &in.history}, {f.test, &in.test}} {
		*more.into = &answers{}
		if more.path == "" {
			continue
		}
		t, err := readTable(more.path)
		if err != nil {
			return nil, err
		}
		if *more.into, err = in.rows(t); err != nil {
			return nil, err
		}
	}
	for i := range in.history.all {
		in.history.all[i].Aside, in.history.all[i].Moment = true, ml.Moment{}
	}
	return in, nil
}

// answered returns those of the rows whose answer is known.
func (a *answers) answered() []ml.Answer {
	var all []ml.Answer
	for i, x := range a.all {
		if a.known[i] {
			all = append(all, x)
		}
	}
	return all
}

func (f *flags) work(ctx context.Context, stdout io.Writer) error {
	in, err := f.read()
	if err != nil {
		return err
	}
	if f.test == "" {
		return f.validate(ctx, in, stdout)
	}
	train, history := in.train.answered(), in.history.answered()
	learned := slices.Concat(train, history)
	fmt.Fprintf(stdout, "%d answers, %d from another setting, %d listeners, %d items, %d variables of the situation\n",
		len(train)+len(in.valid.answered()), len(history), len(in.data.Listeners), len(in.data.Items), len(in.aspects))
	chosen, err := f.choose(ctx, in, learned, in.test.all)
	if err != nil {
		return err
	}
	f.tell(stdout, chosen)
	model := chosen.Model()
	if valid := in.valid.answered(); len(valid) > 0 {
		raw := judged(model, valid)
		in.tellScore(stdout, "valid", valid, in.told(chosen, learned, raw), raw)
		if model, err = in.refit(ctx, chosen, slices.Concat(train, valid, history)); err != nil {
			return err
		}
	}
	if test := in.test.answered(); len(test) > 0 {
		raw := judged(model, test)
		in.tellScore(stdout, "test", test, in.told(chosen, learned, raw), raw)
	}
	if f.report != "" {
		if err := write(f.report, func(w io.Writer) error {
			return report.Write(w, chosen, report.Options{Title: "How a model of situations was chosen"})
		}); err != nil {
			return err
		}
	}
	if f.predict == "" {
		return nil
	}
	return write(f.predict, func(w io.Writer) error {
		for i, j := range in.told(chosen, learned, judged(model, in.test.all)) {
			if _, err := fmt.Fprintf(w, "%s\t%.6f\n", in.test.ids[i], in.scaled(j.Probability)); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(path string, what func(w io.Writer) error) error {
	file, err := os.Create(path) //nolint:gosec // the file that was asked for
	if err != nil {
		return err
	}
	b := bufio.NewWriter(file)
	return errors.Join(what(b), b.Flush(), file.Close())
}

// choose tries models on answers. asked are the rows that will be asked for.
func (f *flags) choose(ctx context.Context, in *input, all, asked []ml.Answer) (*ml.Selection, error) {
	o := ml.SelectOptions{Algorithms: situation.Algorithms(), Trials: f.trials, Seed: f.seed, KeepAudited: f.keep, Fixed: map[string]ml.Values{}}
	apart := "row"
	if !together(all, asked) {
		apart = "pair"
	}
	for _, a := range o.Algorithms {
		o.Fixed[a.Name()] = ml.Values{"apart": apart}
	}
	for i := range asked {
		o.Serving = append(o.Serving, asked[i].Moment)
	}
	return ml.Select(ctx, in.with(all), o)
}

const seldom = 0.05

// together reports whether what will be asked for has been answered by the same listener of the same item, more than seldom: then models may remember that, and must be measured so.
func together(all, asked []ml.Answer) bool {
	seen := map[[2]int32]bool{}
	for _, a := range all {
		seen[[2]int32{a.Listener, a.Item}] = true
	}
	n := 0
	for _, a := range asked {
		if seen[[2]int32{a.Listener, a.Item}] {
			n++
		}
	}
	return float64(n) > seldom*float64(len(asked))
}

// refit fits what was chosen to other answers.
func (in *input) refit(ctx context.Context, chosen *ml.Selection, all []ml.Answer) (ml.Model, error) {
	a, v := chosen.Chosen()
	return a.Fit(ctx, in.with(all).WithoutAspects(aspectsOf(chosen)...), v, ml.FitOptions{Seed: chosen.Seed})
}

func aspectsOf(chosen *ml.Selection) []string {
	var names []string
	for _, f := range chosen.Audit {
		names = append(names, f.Aspect)
	}
	return names
}

// tell says what was chosen.
func (f *flags) tell(w io.Writer, s *ml.Selection) {
	for _, found := range s.Audit {
		verb := "left out"
		if f.keep {
			verb = "would be left out"
		}
		fmt.Fprintf(w, "audit (%s): %s: %s\n", found.Kind, verb, found.Text)
	}
	if len(s.Audit) == 0 {
		fmt.Fprintln(w, "audit: nothing found")
	}
	fmt.Fprintln(w, s)
	if best := s.Trials[s.Best].Metrics.Answers; best != nil {
		fmt.Fprintln(w, "reliability (answers, foretold, liked):")
		for _, b := range best.Reliability {
			fmt.Fprintf(w, "  %5d  %.3f  %.3f\n", b.Answers, b.Foretold, b.Liked)
		}
	}
}

// judged asks a model about rows.
func judged(m ml.Model, rows []ml.Answer) []ml.Judgment {
	s, _ := m.(ml.Situated) // all of package situation are, and their blends
	all := make([]ml.Judgment, len(rows))
	for i, a := range rows {
		all[i] = s.Row(int(a.Listener)).At(a.Moment).Of(a.Item)
	}
	return all
}

// stretching makes the expected liking the one that half of the answers are above, which is what the mean absolute error is least by.
type stretching struct{ mean, factor float64 }

func (s stretching) of(p float64) float64 {
	return min(max(s.mean+s.factor*(p-s.mean), 0), 1)
}

// newStretching finds how, on answers that what was foretold of them had not seen.
func newStretching(chosen *ml.Selection, all []ml.Answer) stretching {
	held := chosen.Foretold()
	var likings []float64
	best := stretching{factor: 1}
	for _, a := range all {
		if !a.Aside {
			likings = append(likings, a.Liking)
		}
	}
	for _, j := range held {
		best.mean += j.Probability / float64(len(held))
	}
	least := math.Inf(1)
	for percent := 80; percent <= 160; percent += 5 {
		s, sum := stretching{best.mean, float64(percent) / 100}, 0.0 //nolint:mnd // a hundredth
		if len(held) != len(likings) {
			return best // nothing was kept of it
		}
		for i, j := range held {
			sum += math.Abs(likings[i] - s.of(j.Probability))
		}
		if sum < least {
			least, best = sum, s
		}
	}
	return best
}

// told returns what is told of judgments: probabilities as they are, ratings stretched.
func (s *schema) told(chosen *ml.Selection, all []ml.Answer, judgments []ml.Judgment) []ml.Judgment {
	if s.labeled {
		return judgments
	}
	stretch, out := newStretching(chosen, all), slices.Clone(judgments)
	for i := range out {
		out[i].Probability, out[i].Without = stretch.of(out[i].Probability), stretch.of(out[i].Without)
	}
	return out
}

// scaled returns what is told of a probability: itself, or a rating.
func (s *schema) scaled(p float64) float64 {
	if s.labeled {
		return p
	}
	return s.least + p*(s.most-s.least)
}

// score is how good something foretold is.
type score struct {
	with, without float64 // AUC, or the mean absolute error of ratings
	more          string
}

// score measures what was told of rows; raw is the same before it was stretched.
func (s *schema) score(rows []ml.Answer, all, raw []ml.Judgment) score {
	likings := make([]float64, len(rows))
	for i := range rows {
		likings[i] = rows[i].Liking
	}
	m, _ := ml.MeasureAnswers(likings, all) // as long
	if s.labeled {
		return score{m.AUC, m.AUCWithout, fmt.Sprintf("Brier %.4f without, %.4f with; log loss %.4f, %.4f", m.BrierWithout, m.Brier, m.LogLossWithout, m.LogLoss)}
	}
	span := s.most - s.least
	var out score
	for i, y := range likings {
		out.with += span * math.Abs(y-all[i].Probability) / float64(len(rows))
		out.without += span * math.Abs(y-all[i].Without) / float64(len(rows))
	}
	expected, _ := ml.MeasureAnswers(likings, raw)
	out.more = fmt.Sprintf("RMSE %.4f, %.4f; of the expected rating, in place of the median, %.4f, %.4f",
		span*math.Sqrt(m.BrierWithout), span*math.Sqrt(m.Brier), span*math.Sqrt(expected.BrierWithout), span*math.Sqrt(expected.Brier))
	return out
}

// measure names what score measures.
func (s *schema) measure() string {
	if s.labeled {
		return "AUC"
	}
	return "MAE"
}

func (s *schema) tellScore(w io.Writer, of string, rows []ml.Answer, all, raw []ml.Judgment) {
	x := s.score(rows, all, raw)
	fmt.Fprintf(w, "%s: %d answers, %s %.4f without the situation, %.4f with; %s\n", of, len(rows), s.measure(), x.without, x.with, x.more)
}
