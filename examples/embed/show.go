package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// show prints a vector's plan as a table. The bar is a track's energy, the line across it the curve it was chosen for.
func show(w io.Writer, v tunevector.TuneVector) error {
	var table strings.Builder
	fmt.Fprintf(&table, "\tenergy, and where the curve is\twanted\tgot\ttempo\ttrack\twhy (first reason)\n")
	for _, p := range v.Plan.Tracks {
		fmt.Fprintf(&table, "%s\t%s\t%.2f\t%.2f\t%.0f\t%s\t%s\n",
			clock(p.StartSeconds), bar(p.Features.Energy, p.Target.Energy), p.Target.Energy, p.Features.Energy, p.Features.Tempo,
			short(strings.Join(p.Artists, ", ")+" – "+p.Title), strings.Join(p.Reasons[:1], ""))
	}
	fmt.Fprintf(&table, "%s\n", clock(v.Plan.DurationSeconds))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) // lines the columns up
	if _, err := io.WriteString(t, table.String()); err != nil {
		return err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: cost %.2f%s\n", v.Definition.Name, v.Plan.Cost, compared(v.Plan))
	return err
}

const (
	barWidth   = 30
	trackWidth = 42
)

func short(s string) string {
	if r := []rune(s); len(r) > trackWidth {
		return string(r[:trackWidth-1]) + "…"
	}
	return s
}

// bar draws a value in 0–1, with a mark where it should be.
func bar(got, want float64) string {
	cells := []rune(strings.Repeat("█", at(got)) + strings.Repeat("·", barWidth-at(got)))
	cells[min(at(want), barWidth-1)] = '┃'
	return string(cells)
}

func at(v float64) int { return int(max(0, min(v, 1))*barWidth + 0.5) }

func clock(seconds float64) string {
	return fmt.Sprintf("%02d:%02d", int(seconds)/60, int(seconds)%60)
}

// compared says how the plan stands beside the best there can be, and beside simpler ones, by the same measure.
func compared(p *tunevector.Plan) string {
	var b strings.Builder
	if p.LowerBound != nil {
		fmt.Fprintf(&b, "; no plan can cost less than %.2f", *p.LowerBound)
	}
	for _, other := range []struct {
		name string
		cost *float64
	}{
		{"greedy", p.Baselines.Greedy}, {"sorted", p.Baselines.Sorted}, {"shuffled", p.Baselines.Shuffle},
	} {
		if other.cost != nil {
			fmt.Fprintf(&b, "; %s %.2f", other.name, *other.cost)
		}
	}
	return b.String()
}
