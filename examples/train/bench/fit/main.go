// Command fit is one side of a comparison: fit.py beside it times this module's algorithms next to those of the Python library implicit. It makes the synthetic
// set, fits one model to it, and prints one line of JSON.
//
//	fit -algorithm als -threads 2 -steps 4 -evaluate -recommend factors=64 regularization=0.01
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/topk"
	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

// answer is what is printed.
type answer struct {
	Level     string    `json:"level"`     // of the kernels
	Cells     int       `json:"cells"`     // of the training set
	ToFind    int       `json:"to_find"`   // cells of the test set
	Steps     []float64 `json:"steps"`     // seconds of each
	Fit       float64   `json:"fit"`       // seconds of the whole fit, with what comes before and after the steps
	CPU       float64   `json:"cpu"`       // seconds of processors that the whole fit took; 0 where the system does not tell
	NDCG      float64   `json:"ndcg"`      // @10, on the test set
	Evaluated float64   `json:"evaluated"` // seconds that took
	// Listeners whose best ten, without what they have heard, were found in a second: with their vectors known, and with each computed from what they have heard.
	Recommended float64 `json:"recommended"`
	Folded      float64 `json:"folded"`
	Peak        int64   `json:"peak"` // bytes of memory held at most, the data's making included; 0 where the system does not tell
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("fit", flag.ContinueOnError)
	name := f.String("algorithm", "als", "als or bpr")
	threads := f.Int("threads", 1, "at most so many")
	steps := f.Int("steps", 3, "iterations or epochs")
	draws := f.Int("draws", setDraws, "of the synthetic set")
	evaluate := f.Bool("evaluate", false, "measure NDCG@10")
	recommend := f.Bool("recommend", false, "measure recommending to all listeners")
	if err := f.Parse(args); err != nil {
		return err
	}
	var a ml.Algorithm = als.Algorithm{}
	values := ml.Values{"iterations": strconv.Itoa(*steps)}
	if *name == (bpr.Algorithm{}).Name() {
		a, values = bpr.Algorithm{}, ml.Values{"epochs": strconv.Itoa(*steps)}
	} else if *name != a.Name() {
		return fmt.Errorf("no algorithm %q", *name)
	}
	for _, arg := range f.Args() {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not name=value", arg)
		}
		values[key] = value
	}
	heard, test := synthetic(*draws)
	d := &ml.Data{Listeners: numbers(heard.Rows()), Items: numbers(heard.Columns), Heard: heard}
	r := answer{Level: vector.Level(), Cells: heard.Cells(), ToFind: test.Cells()}
	last := time.Duration(0)
	start, used := time.Now(), processors()
	m, err := a.Fit(ctx, d, values, ml.FitOptions{Seed: 1, Threads: *threads, Progress: func(p ml.Progress) {
		r.Steps = append(r.Steps, (p.Elapsed - last).Seconds())
		last = p.Elapsed
	}})
	if err != nil {
		return err
	}
	r.Fit, r.CPU, r.Peak = time.Since(start).Seconds(), processors()-used, peak()
	if *evaluate {
		start = time.Now()
		metrics, err := ml.Evaluate(ctx, m, heard, test, *threads)
		if err != nil {
			return err
		}
		r.NDCG, r.Evaluated = metrics.NDCG10, time.Since(start).Seconds()
	}
	if *recommend {
		if err := r.recommend(ctx, m, heard, *threads); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(r)
}

// recommend measures how quickly all listeners' recommendations are found.
func (r *answer) recommend(ctx context.Context, m ml.Model, heard *ml.Matrix, threads int) error {
	f, ok := m.(ml.Factored)
	if !ok {
		return errors.New("recommend: not a model of factors")
	}
	rows, k := f.Factors()
	vectors := make([]float32, heard.Rows()*k)
	start := time.Now()
	share(heard.Rows(), threads, func(u int) {
		cols, weights := heard.Row(u)
		f.Vector(vectors[u*k:(u+1)*k], ml.Heard{Listener: u, Items: cols, Weights: weights})
	})
	fold := time.Since(start)
	start = time.Now()
	index, err := topk.New(rows, k, topk.Options{})
	if err != nil {
		return err
	}
	const depth = 10
	_, err = index.SearchAll(ctx, vectors, depth, func(u int) topk.Filter {
		cols, _ := heard.Row(u)
		return topk.Filter{Excluded: cols}
	}, threads)
	found := time.Since(start)
	r.Recommended = float64(heard.Rows()) / found.Seconds()
	r.Folded = float64(heard.Rows()) / (fold + found).Seconds()
	return err
}

// peak returns the most memory that the process has held, from Linux's own account.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kB << 10
		}
	}
	return 0
}

// processors returns the seconds of processors that the process has used, from Linux's own account.
func processors() float64 {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	const (
		user, system = 11, 12 // fields, from the one after the name in brackets
		second       = 100    // what Linux counts in, on all architectures that Go knows
	)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	a, _ := strconv.ParseFloat(fields[user], 64)
	b, _ := strconv.ParseFloat(fields[system], 64)
	return (a + b) / second
}
