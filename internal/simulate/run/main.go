// Command run simulates listeners over many days, and tells how often they skip with each way of choosing music. The figures in the README are from
//
//	go run ./internal/simulate/run -listeners 2 -worlds yes -plot internal/simulate/skips.svg
//	go run ./internal/simulate/run -listeners 1 -worlds no
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat/distuv"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/rhythmiq/rhythmiq/internal/simulate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stopped above
	}
}

const week = 7

func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	seeds := flags.Int("seeds", 20, "worlds of each kind")
	from := flags.Uint64("first", 1, "first seed")
	worlds := flags.String("worlds", "both", "both, or only those where situations matter: yes; or do not: no")
	days := flags.Int("days", 60, "days in each")
	listeners := flags.Int("listeners", 6, "listeners in each, beside the crowd")
	threads := flags.Int("threads", 2, "lives at a time")
	names := flags.String("arms", "ai,fixed,taste,popularity,random", "ways of choosing, ai first")
	picture := flags.String("plot", "", "a file for the skips by week, .svg or .png")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, matters := range []bool{true, false} {
		if *worlds != "both" && matters != (*worlds == "yes") {
			continue
		}
		var arms []simulate.Arm
		for name := range strings.SplitSeq(*names, ",") {
			arms = append(arms, simulate.Arm(name))
		}
		all := make([][]simulate.Outcome, *seeds)
		g, each := errgroup.WithContext(ctx)
		g.SetLimit(*threads)
		for seed := range all {
			all[seed] = make([]simulate.Outcome, len(arms))
			for a, arm := range arms {
				g.Go(func() (err error) {
					o := simulate.Options{Seed: *from + uint64(seed), Days: *days, Listeners: *listeners, Matters: matters}
					all[seed][a], err = simulate.Run(each, o, arm)
					return err
				})
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
		tell(out, arms, all, *days, matters)
		if matters && *picture != "" {
			if err := draw(*picture, arms, all, *days); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell prints the shares of skips, and by how much they are above those of the ai mode, each with its 95 % confidence interval over the seeds.
func tell(out io.Writer, arms []simulate.Arm, all [][]simulate.Outcome, days int, matters bool) {
	what := "situations matter"
	if !matters {
		what = "situations do not matter"
	}
	fmt.Fprintf(out, "%s: %d seeds, %d days\n%-12s %-18s %-18s %-26s %s\n", what, len(all), days, "", "skipped, all days", "second half", "above ai, second half", "above ai, all days")
	for a, arm := range arms {
		fmt.Fprintf(
			out, "%-12s %-18s %-18s %-26s %s\n", arm,
			over(all, func(o []simulate.Outcome) float64 { return o[a].Share(0, days) }),
			over(all, func(o []simulate.Outcome) float64 { return o[a].Share(days/2, days) }),
			over(all, func(o []simulate.Outcome) float64 { return o[a].Share(days/2, days) - o[0].Share(days/2, days) }),
			over(all, func(o []simulate.Outcome) float64 { return o[a].Share(0, days) - o[0].Share(0, days) }),
		)
	}
	tried, played := 0, 0
	for _, o := range all {
		tried += o[0].Tried
		for _, n := range o[0].Played {
			played += n
		}
	}
	fmt.Fprintf(out, "tries in ai mode: %d of %d tracks\n\n", tried, played)
}

// over is a mean over the seeds with the half of its 95 % confidence interval, by Student's t.
func over(all [][]simulate.Outcome, value func([]simulate.Outcome) float64) string {
	sum, squares, n := 0.0, 0.0, float64(len(all))
	for _, o := range all {
		v := value(o)
		sum += v
		squares += v * v
	}
	mean := sum / n
	if n < 2 { //nolint:mnd // no interval of one
		return fmt.Sprintf("%.4f", mean)
	}
	deviation := math.Sqrt(max(squares-n*mean*mean, 0) / (n - 1))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975) //nolint:mnd // 95 %
	return fmt.Sprintf("%.4f ± %.4f", mean, t*deviation/math.Sqrt(n))
}

// draw plots the share of skips by week.
func draw(file string, arms []simulate.Arm, all [][]simulate.Outcome, days int) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Skips by week, %d worlds", len(all))
	p.X.Label.Text, p.Y.Label.Text = "week", "share of tracks skipped"
	var lines []any
	for a, arm := range arms {
		var points plotter.XYs
		for d := 0; d+week <= days; d += week {
			sum := 0.0
			for _, o := range all {
				sum += o[a].Share(d, d+week)
			}
			points = append(points, plotter.XY{X: float64(d/week + 1), Y: sum / float64(len(all))})
		}
		lines = append(lines, string(arm), points)
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return err
	}
	p.Y.Min = 0                                             // which leaves room for the legend, too
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, file) //nolint:mnd // centimeters
}
