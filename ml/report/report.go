// Package report shows how a model was chosen, in one HTML file that needs nothing else: the leaderboard of [ml.Select], and plots of accuracy against fit time
// and size, of the trials over the search, and of what was measured while models were being fitted. It is a package of its own because a library of plots is
// heavy, and most hosts need none.
//
//	err := report.Write(file, selection, report.Options{})
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Options of a report; the zero value is fine.
type Options struct {
	Title string    // "" means a plain one
	At    time.Time // when the search was; zero: the report does not say
}

//go:embed report.html
var page string

// row is a trial in the leaderboard.
type row struct {
	ml.Trial
	Chosen bool
	Color  template.CSS
}

// name is an algorithm with its color.
type name struct {
	Name  string
	Color template.CSS
}

// figure is a plot with what it shows.
type figure struct {
	Title, Text string
	SVG         template.HTML
}

// Write writes the report as HTML in UTF-8.
func Write(w io.Writer, s *ml.Selection, o Options) error {
	if o.Title == "" {
		o.Title = "How a model of taste was chosen"
	}
	figures, err := figures(s)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	data := struct {
		Options
		*ml.Selection
		Rows     []row
		Legend   []name
		Figures  []figure
		Failures int
		Measured int
		Situated bool // models of situations were chosen
	}{Options: o, Selection: s, Figures: figures, Situated: situated(s)}
	colors := colorsOf(s)
	for _, t := range s.Trials {
		n := name{t.Algorithm, template.CSS(hex(colors[t.Algorithm]))} //nolint:gosec // a color
		if !slices.Contains(data.Legend, n) {
			data.Legend = append(data.Legend, n)
		}
	}
	for _, i := range s.Leaderboard() {
		t := s.Trials[i]
		data.Rows = append(data.Rows, row{t, i == s.Best, template.CSS(hex(colors[t.Algorithm]))}) //nolint:gosec // a color
		if !t.Done() {
			data.Failures++
		}
		data.Measured = max(data.Measured, t.Metrics.Listeners)
	}
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return t.Execute(w, data)
}
