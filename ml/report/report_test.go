package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/report"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

func write(t *testing.T, s *ml.Selection, o report.Options) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Write(&b, s, o))
	return b.String()
}

// svgs returns the plots of a page, each of which is XML.
func svgs(t *testing.T, page string) []string {
	t.Helper()
	all := regexp.MustCompile(`(?s)<svg .*?</svg>`).FindAllString(page, -1)
	for _, svg := range all {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err)
			}
		}
		require.NotContains(t, svg, "#010203", "ink has the color of the page's text")
		require.NotContains(t, svg, "NaN")
		require.Contains(t, svg, "NDCG@10")
	}
	return all
}

func TestReportOfASearch(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(120, 96, 4, 1)
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}, als.Algorithm{}}, Trials: 10, Seed: 1})
	require.NoError(t, err)
	page := write(t, s, report.Options{Title: "Taste <3", At: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)})
	require.Contains(t, page, "Taste &lt;3")
	require.Contains(t, page, "4 March 2026")
	require.Contains(t, page, strings.Split(s.Reason, " (")[0])
	require.Equal(t, len(s.Trials)+1, strings.Count(page, "<tr"), "the leaderboard has all trials, and a head")
	require.Equal(t, 1, strings.Count(page, `class="chosen"`))
	require.Len(t, svgs(t, page), 4)
	for _, foreign := range []string{"<script", "<link", "src=", "@import", "url("} {
		require.NotContains(t, page, foreign, "it needs nothing else")
	}
	require.Equal(t, page, write(t, s, report.Options{Title: "Taste <3", At: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)}))
}

func TestReportOfLittle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    ml.Selection
		svgs int
		says string
	}{
		"nothing":     {ml.Selection{Best: -1, Reason: "No trial came to an end."}, 0, "No trial came to an end."},
		"one failure": {ml.Selection{Best: -1, Trials: []ml.Trial{{Number: 1, Algorithm: "als", Error: "bad <luck>"}}}, 0, "failed: bad &lt;luck&gt;"},
		"one trial":   {ml.Selection{Best: 0, Trials: []ml.Trial{{Number: 1, Algorithm: "als", Metrics: ml.Metrics{Listeners: 3, NDCG10: 0.2}}}}, 3, "0.2000"},
		"given up half-way": {ml.Selection{Best: -1, Trials: []ml.Trial{
			{Number: 1, Algorithm: "als", Stopped: "late", Steps: []ml.TrialStep{{Step: 4, NDCG10: 0.1}, {Step: 8, NDCG10: 0.2}}},
		}}, 1, "given up: late"},
		"many algorithms": {ml.Selection{Best: 0, Trials: many()}, 3, "algorithm-j"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := write(t, &c.s, report.Options{})
			require.Contains(t, page, "How a model of taste was chosen")
			require.Contains(t, page, c.says)
			require.Len(t, svgs(t, page), c.svgs)
		})
	}
}

// many are more algorithms than there are colors, over a wide range of times and sizes.
func many() []ml.Trial {
	var all []ml.Trial
	x := 1e-3
	for i, letter := range "abcdefghij" {
		x *= 10
		all = append(all, ml.Trial{
			Number: i + 1, Algorithm: "algorithm-" + string(letter), FitSeconds: x, Bytes: int64(1e6 * x),
			Metrics: ml.Metrics{Listeners: 9, NDCG10: 0.1 + float64(i)/100},
		})
	}
	return all
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestReportTellsThatItCannotBeWritten(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, report.Write(closed{}, &ml.Selection{Best: -1}, report.Options{}), "closed")
}

// A search for models of situations has its own figures: what was foretold, and how often it came true.
func TestReportOfModelsOfSituations(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(15, 20, 400, 3, 1)
	d.Aspects = append(d.Aspects, ml.Aspect{Name: "gesture", Kind: ml.Amount})
	for i := range d.Answers {
		d.Answers[i].Moment.Numbers["gesture"] = d.Answers[i].Liking
	}
	fixed := map[string]ml.Values{"logistic": {"folds": "3"}}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{situation.Logistic{}, popular.Algorithm{}}, Trials: 3, Seed: 1, Fixed: fixed})
	require.NoError(t, err)
	page := write(t, s, report.Options{})
	require.Contains(t, page, "gesture: by itself it foretells answers better")
	require.Contains(t, page, "<h3>Reliability</h3>")
	require.Contains(t, page, "gain in nats an answer")
	require.NotContains(t, page, "NDCG@10")
	require.NotContains(t, page, "NaN")
	require.Equal(t, len(s.Trials)+1, strings.Count(page, "<tr"), "the leaderboard has all trials, and a head")
	require.Contains(t, page, "does not say what it foretold of answers")
}
