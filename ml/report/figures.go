package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"image/color"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/rhythmiq/rhythmiq/ml"
)

// ink stands for the color of the page's text, which depends on whether it is light or dark: it is replaced in the SVG.
var ink = color.RGBA{R: 1, G: 2, B: 3, A: 255}

// palette are colors that can be told apart, also by those who see few, on light and on dark. Source: Okabe and Ito, "Color universal design" (2008), without
// black and yellow, and four more.
var palette = []color.RGBA{
	{R: 0, G: 114, B: 178, A: 255},
	{R: 230, G: 159, B: 0, A: 255},
	{R: 0, G: 158, B: 115, A: 255},
	{R: 204, G: 121, B: 167, A: 255},
	{R: 213, G: 94, B: 0, A: 255},
	{R: 86, G: 180, B: 233, A: 255},
	{R: 136, G: 136, B: 136, A: 255},
	{R: 148, G: 103, B: 189, A: 255},
	{R: 153, G: 153, B: 51, A: 255},
	{R: 170, G: 68, B: 85, A: 255},
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// colorsOf gives each algorithm a color, in the order in which they were first tried.
func colorsOf(s *ml.Selection) map[string]color.RGBA {
	colors := map[string]color.RGBA{}
	for _, t := range s.Trials {
		if _, ok := colors[t.Algorithm]; !ok {
			colors[t.Algorithm] = palette[len(colors)%len(palette)]
		}
	}
	return colors
}

const (
	width  = 6.2 * vg.Inch
	height = 3.6 * vg.Inch
	dot    = 3.2 // points
	thin   = 0.8
	wide   = 1.6
)

// figures draws all of them; those for which nothing was measured are left out.
func figures(s *ml.Selection) ([]figure, error) {
	var all []figure
	for _, f := range []struct {
		title, text string
		draw        func(*ml.Selection) (*plot.Plot, error)
	}{
		{"Accuracy against fit time", "Each dot is a trial; the ring is the chosen one. Up and to the left is better.", func(s *ml.Selection) (*plot.Plot, error) {
			return scatter(s, "seconds to fit, logarithmic", func(t *ml.Trial) float64 { return max(t.FitSeconds, leastSeconds) })
		}},
		{"Accuracy against size", "Each dot is a trial; the ring is the chosen one. Up and to the left is better.", func(s *ml.Selection) (*plot.Plot, error) {
			return scatter(s, "size in MB, logarithmic", func(t *ml.Trial) float64 { return float64(max(t.Bytes, 1)) / 1e6 })
		}},
		{"Trials over the search", "The line is the best so far. First come the defaults of each algorithm, then what is drawn at random or near the best.", overSearch},
		{"Reliability", "Each dot is a tenth of the answers, foretold by the chosen model without having seen them. On the line what is foretold comes true; bars are two standard errors.", reliable},
		{"While they were being fitted", "Each line is one fit, measured on fewer listeners; those that end early were given up.", steps},
	} {
		p, err := f.draw(s)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		svg, err := render(p)
		if err != nil {
			return nil, err
		}
		all = append(all, figure{f.title, f.text, svg})
	}
	return all, nil
}

const leastSeconds = 1e-3

// blank returns a plot in the ink of the page.
func blank(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the page's
	for _, axis := range []struct {
		*plot.Axis
		text string
	}{{&p.X, x}, {&p.Y, y}} {
		axis.Label.Text = axis.text
		axis.Color, axis.Label.TextStyle.Color, axis.Tick.Color, axis.Tick.Label.Color = ink, ink, ink, ink
	}
	grid := plotter.NewGrid()
	faint := color.NRGBA{R: 128, G: 128, B: 128, A: 90}
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	p.Add(grid)
	return p
}

// points returns where each algorithm's measured trials are.
func points(s *ml.Selection, at func(t *ml.Trial) (x, y float64)) map[string]plotter.XYs {
	all := map[string]plotter.XYs{}
	for i := range s.Trials {
		if t := &s.Trials[i]; t.Done() && measured(t) {
			x, y := at(t)
			all[t.Algorithm] = append(all[t.Algorithm], plotter.XY{X: x, Y: y})
		}
	}
	return all
}

// dots adds the points of each algorithm in its color, with a ring around the chosen one. It is false if there are none.
func dots(p *plot.Plot, s *ml.Selection, at func(t *ml.Trial) (x, y float64)) (bool, error) {
	all, colors := points(s, at), colorsOf(s)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d, err := plotter.NewScatter(all[name])
		if err != nil {
			return false, err
		}
		d.GlyphStyle = draw.GlyphStyle{Color: colors[name], Radius: vg.Points(dot), Shape: draw.CircleGlyph{}}
		p.Add(d)
	}
	if s.Best >= 0 {
		x, y := at(&s.Trials[s.Best])
		ring, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
		if err != nil {
			return false, err
		}
		ring.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: vg.Points(2 * dot), Shape: draw.RingGlyph{}}
		p.Add(ring)
	}
	return len(all) > 0, nil
}

func scatter(s *ml.Selection, label string, x func(t *ml.Trial) float64) (*plot.Plot, error) {
	p := blank(label, measure(s))
	some, err := dots(p, s, func(t *ml.Trial) (float64, float64) { return x(t), t.Metrics.Score() })
	if err != nil || !some {
		return nil, err
	}
	p.X.Scale = plot.LogScale{}
	p.X.Min, p.X.Max = aside(p.X.Min, p.X.Max)
	p.X.Tick.Marker = plot.TickerFunc(decades)
	return p, nil
}

// aside widens a logarithmic range a little, and one of no width to a decade.
func aside(lo, hi float64) (float64, float64) {
	const margin, decade = 1.15, 3.2
	if hi <= lo*margin {
		return lo / decade, hi * decade
	}
	return lo / margin, hi * margin
}

// decades marks 1, 2 and 5 times the powers of ten.
func decades(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	few := math.Log10(hi/lo) < 2.5
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, m := range []float64{1, 2, 5} {
			x := m * math.Pow(10, e)
			if x < lo || x > hi {
				continue
			}
			tick := plot.Tick{Value: x}
			if m == 1 || few {
				tick.Label = fmt.Sprintf("%.4g", x)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

func overSearch(s *ml.Selection) (*plot.Plot, error) {
	p := blank("trial", measure(s))
	some, err := dots(p, s, func(t *ml.Trial) (float64, float64) { return float64(t.Number), t.Metrics.Score() })
	if err != nil || !some {
		return nil, err
	}
	var best plotter.XYs
	for _, t := range s.Trials {
		if !t.Done() || !measured(&t) {
			continue
		}
		y := t.Metrics.Score()
		if n := len(best); n > 0 {
			y = max(y, best[n-1].Y)
		}
		best = append(best, plotter.XY{X: float64(t.Number), Y: y})
	}
	line, err := plotter.NewLine(best)
	if err != nil {
		return nil, err
	}
	line.StepStyle = plotter.PostStep
	line.Color, line.Width = ink, vg.Points(thin)
	p.Add(line)
	const half = 0.5
	p.X.Min, p.X.Max = half, float64(len(s.Trials))+half
	p.X.Tick.Marker = plot.TickerFunc(whole)
	return p, nil
}

// whole marks whole numbers only, at most about ten.
func whole(lo, hi float64) []plot.Tick {
	const most = 10
	step := math.Max(1, math.Ceil((hi-lo)/most))
	var ticks []plot.Tick
	for x := step; x <= hi; x += step {
		if x >= lo {
			ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprintf("%.0f", x)})
		}
	}
	return ticks
}

// measured reports whether there is anything to draw of a trial.
func measured(t *ml.Trial) bool { return t.Metrics.Listeners > 0 || t.Metrics.Answers != nil }

// measure names what trials are compared by.
func measure(s *ml.Selection) string {
	if situated(s) {
		return "gain in nats an answer"
	}
	return "NDCG@10"
}

// situated reports whether it was a search for models of situations.
func situated(s *ml.Selection) bool {
	return slices.ContainsFunc(s.Trials, func(t ml.Trial) bool { return t.Metrics.Answers != nil })
}

// reliable draws how often what was foretold of answers came true.
func reliable(s *ml.Selection) (*plot.Plot, error) {
	if s.Best < 0 || s.Trials[s.Best].Metrics.Answers == nil {
		return nil, nil //nolint:nilnil // nothing to draw is no error
	}
	p := blank("foretold", "liked")
	var at bars
	for _, b := range s.Trials[s.Best].Metrics.Answers.Reliability {
		at.XYs = append(at.XYs, plotter.XY{X: b.Foretold, Y: b.Liked})
		wide := 2 * math.Sqrt(b.Foretold*(1-b.Foretold)/float64(b.Answers)) //nolint:mnd // two standard errors
		at.errors = append(at.errors, struct{ Low, High float64 }{wide, wide})
	}
	line, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}})
	if err != nil {
		return nil, err
	}
	line.Color, line.Width = ink, vg.Points(thin)
	dots, err := plotter.NewScatter(at)
	if err != nil {
		return nil, err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: colorsOf(s)[s.Trials[s.Best].Algorithm], Radius: vg.Points(dot), Shape: draw.CircleGlyph{}}
	errors, err := plotter.NewYErrorBars(at)
	if err != nil {
		return nil, err
	}
	errors.Color = ink
	p.Add(line, errors, dots)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	return p, nil
}

// bars are points with bars of errors.
type bars struct {
	plotter.XYs
	errors plotter.YErrors
}

// YError implements plotter.YErrorer.
func (b bars) YError(i int) (low, high float64) { return b.errors.YError(i) }

func steps(s *ml.Selection) (*plot.Plot, error) {
	p := blank("step of the fit, logarithmic", "NDCG@10")
	colors := colorsOf(s)
	some := false
	for _, t := range s.Trials {
		if len(t.Steps) < 2 { //nolint:mnd // a line has two ends
			continue
		}
		var at plotter.XYs
		for _, step := range t.Steps {
			at = append(at, plotter.XY{X: float64(step.Step), Y: step.NDCG10})
		}
		line, err := plotter.NewLine(at)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colors[t.Algorithm], vg.Points(wide)
		p.Add(line)
		some = true
	}
	if !some {
		return nil, nil //nolint:nilnil // nothing to draw is no error
	}
	const beyond = 1.15 // so that the last number has room
	p.X.Min, p.X.Max = p.X.Min/beyond, p.X.Max*beyond
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.TickerFunc(doublings)
	return p, nil
}

// doublings marks powers of two.
func doublings(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for x := 1.0; x <= hi; x *= 2 {
		if x >= lo {
			ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprintf("%.0f", x)})
		}
	}
	return ticks
}

// render returns a plot as SVG for a page whose text has any color.
func render(p *plot.Plot) (template.HTML, error) {
	c := vgsvg.New(width, height)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	_, svg, found := strings.Cut(b.String(), "<svg ") // without the XML declaration
	if !found {
		return "", errors.New("the library of plots wrote no SVG")
	}
	// What is black by default, or in ink, has the color of the page's text.
	svg = `<svg role="img" fill="currentColor" ` + strings.ReplaceAll(svg, hex(ink), "currentColor")
	return template.HTML(svg), nil //nolint:gosec // made here; texts in it are escaped by the library
}
