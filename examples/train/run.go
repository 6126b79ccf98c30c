package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/report"
)

// The codes that it exits with.
const (
	good    = 0
	failed  = 1
	wrong   = 2
	stopped = 130 // as after SIGINT in a shell
)

// run is main with everything that it touches. What it found goes to stdout, how far it is and what is wrong to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case err != nil:
		return wrong
	}
	err = f.work(ctx, stdout, newTicker(stderr))
	switch {
	case err == nil:
		return good
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "train: stopped")
		return stopped
	}
	fmt.Fprintln(stderr, "train:", err)
	if errors.Is(err, errInput) {
		return wrong
	}
	return failed
}

func (f *flags) work(ctx context.Context, stdout io.Writer, tick *ticker) error {
	defer tick.end()
	if err := f.writable(); err != nil {
		return err
	}
	d, err := read(ctx, f.train, tick)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d listeners, %d items, %d cells\n", len(d.Listeners), len(d.Items), d.Heard.Cells())
	all := d
	var valid *ml.Matrix
	if f.valid != "" {
		v, err := read(ctx, f.valid, tick)
		if err != nil {
			return err
		}
		if valid, err = validOf(d, v, stdout); err != nil {
			return err
		}
		if f.refitAll {
			if all, err = together(d, v); err != nil {
				return err
			}
		}
	}
	a, values, model := modelNamed(f.model), f.values, ml.Model(nil)
	if a == nil || valid != nil || f.report != "" {
		s, err := f.choose(ctx, d, valid, stdout, tick)
		switch {
		case err == nil:
			a, values = s.Chosen()
			if valid != nil && !f.refitAll {
				model = s.Model() // fitted to all of -train
			}
		case a == nil && valid == nil && errors.Is(err, ml.ErrNothingHeld):
			fmt.Fprintln(stdout, "note: no listener has two items, so nothing tells models apart; it is popular, and there is no report")
			a = popular.Algorithm{}
		default:
			return err
		}
	}
	if model == nil {
		start := time.Now()
		model, err = a.Fit(ctx, all, values, ml.FitOptions{Seed: f.seed, Threads: f.threads, Progress: func(p ml.Progress) { tick.fit("fitting "+a.Name()+" to all", p) }})
		if err != nil {
			return err
		}
		tick.end()
		fmt.Fprintf(stdout, "%s is fitted to all %d cells, in %.2f s\n", a.Name(), all.Heard.Cells(), time.Since(start).Seconds())
	}
	if valid != nil && !f.refitAll {
		m, err := ml.Evaluate(ctx, model, d.Heard, valid, f.threads)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "It has on -valid: %v\n", m)
	}
	if f.recommend == "" {
		return nil
	}
	n, err := f.recommendAll(ctx, model, all, tick)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d recommendations are in %s\n", n, f.recommend)
	return nil
}

// writable finds out before hours of work whether there is a place for what comes of it.
func (f *flags) writable() error {
	if f.report != "" {
		if err := os.MkdirAll(f.report, 0o750); err != nil { //nolint:gosec // the directory that the command line names
			return inputError{fmt.Errorf("-report: %w", err)}
		}
	}
	for _, place := range []struct{ flag, dir, file string }{{"-report", f.report, ""}, {"-recommend", filepath.Dir(f.recommend), f.recommend}} {
		if place.dir == "" || place.flag == "-recommend" && place.file == "" {
			continue
		}
		if err := canWrite(place.dir, place.file); err != nil {
			return inputError{fmt.Errorf("%s: %w", place.flag, err)}
		}
	}
	return nil
}

// canWrite finds out whether a file can be made in a directory, and takes the place of what may be there.
func canWrite(dir, file string) error {
	if file != "" {
		s, err := os.Lstat(file)
		switch {
		case err == nil && s.IsDir():
			return fmt.Errorf("%s is a directory", file)
		case err == nil && !s.Mode().IsRegular():
			return nil // it is opened when there is something to write
		}
	}
	trial, err := os.CreateTemp(dir, ".train-*")
	if err != nil {
		return err
	}
	_ = trial.Close() // nothing was written to it
	return os.Remove(trial.Name())
}

// choose tries all models, or measures the one that there is, and says what came of it.
func (f *flags) choose(ctx context.Context, d *ml.Data, valid *ml.Matrix, stdout io.Writer, tick *ticker) (*ml.Selection, error) {
	o := ml.SelectOptions{Algorithms: models(), Distill: distill.Algorithm{}, Budget: f.budget, Trials: f.trials, Seed: f.seed, Threads: f.threads, Valid: valid, Progress: tick.trial}
	if a := modelNamed(f.model); a != nil {
		o.Algorithms, o.Fixed, o.Budget, o.Trials, o.NoBlend = []ml.Algorithm{a}, map[string]ml.Values{a.Name(): f.values}, 0, 1, true
		o.Distill = nil
		o.Listeners = len(d.Listeners) // all: there is time for that
	}
	s, err := ml.Select(ctx, d, o)
	tick.end()
	if s == nil {
		return nil, inputError{err}
	}
	fmt.Fprintf(stdout, "%d listeners' %d cells (%s) are what models are measured by\n\n", held(s), s.Held, s.Split)
	if e := s.WriteTable(stdout); e != nil {
		return nil, e
	}
	fmt.Fprintf(stdout, "\n%s\n", s.Reason)
	if f.report != "" {
		if e := writeReport(f.report, s); e != nil {
			return nil, e
		}
		fmt.Fprintf(stdout, "The report is %s\n", filepath.Join(f.report, "report.html"))
	}
	return s, err
}

// held returns how many listeners models are measured by.
func held(s *ml.Selection) (n int) {
	for _, t := range s.Trials {
		n = max(n, t.Metrics.Listeners)
	}
	return n
}

func writeReport(dir string, s *ml.Selection) error {
	if err := toFile(filepath.Join(dir, "report.html"), func(w io.Writer) error { return report.Write(w, s, report.Options{}) }); err != nil {
		return err
	}
	return toFile(filepath.Join(dir, "leaderboard.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	})
}

// toFile writes a file; if that fails half-way, the one that was there stays. Links, pipes and devices such as /dev/stdout are written to as they are.
func toFile(name string, write func(w io.Writer) error) (err error) {
	if s, err := os.Lstat(name); err == nil && !s.Mode().IsRegular() && !s.IsDir() { //nolint:gosec // the file that the command line names
		return intoFile(name, write)
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()           // the error is told already
			_ = os.Remove(file.Name()) //nolint:gosec // as made above
		}
	}()
	w := bufio.NewWriter(file)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil { // as os.Create would make it
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name) //nolint:gosec // the file that the command line names
}

// intoFile writes to what is there already.
func intoFile(name string, write func(w io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // the file that the command line names, as os.Create would make it
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	return errors.Join(write(w), w.Flush(), file.Close())
}

// recommendAll writes the best items for each listener, and returns how many lines.
func (f *flags) recommendAll(ctx context.Context, m ml.Model, d *ml.Data, tick *ticker) (n int, err error) {
	start, done := time.Now(), 0
	defer tick.end()
	err = toFile(f.recommend, func(w io.Writer) error {
		var line []byte
		return ml.Recommend(ctx, m, d.Heard, nil, f.topn, f.threads, func(u int, top []ml.Scored) error {
			done++
			tick.part("recommending", done, len(d.Listeners), start)
			for _, t := range top {
				line = append(append(line[:0], d.Listeners[u]...), '\t')
				line = append(append(line, d.Items[t.Item]...), '\t')
				line = append(strconv.AppendFloat(line, float64(t.Score), 'g', -1, 32), '\n')
				if _, err := w.Write(line); err != nil {
					return err
				}
			}
			n += len(top)
			return nil
		})
	})
	return n, err
}
