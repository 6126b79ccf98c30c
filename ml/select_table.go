package ml

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the leaderboard for a terminal: the best first, then those that were given up, then those that failed; the chosen one has a star.
func (s *Selection) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) //nolint:mnd // two blanks between columns
	if slices.ContainsFunc(s.Trials, func(x Trial) bool { return x.Metrics.Answers != nil }) {
		return s.writeAnswers(t)
	}
	fmt.Fprintln(t, " \ttrial\tmodel\tNDCG@10\t± \tsecond\tRecall@20\tcoverage\tfit\tscore\tsize\thyperparameters")
	for _, i := range s.Leaderboard() {
		x := &s.Trials[i]
		mark := " "
		if i == s.Best {
			mark = "*"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t", mark, x.Number, x.Algorithm)
		if x.Done() {
			second := ""
			if x.Second != nil {
				second = fmt.Sprintf("%.4f", x.Second.NDCG10)
			}
			fmt.Fprintf(t, "%.4f\t%.4f\t%s\t%.4f\t%.3f\t%.2f s\t%.2f s\t%s\t", x.Metrics.NDCG10, x.Metrics.NDCG10Error, second, x.Metrics.Recall20, x.Metrics.Coverage,
				x.FitSeconds, x.ScoreSeconds, x.Size())
		} else {
			fmt.Fprintf(t, "–\t\t\t\t\t%.2f s\t\t\t", x.FitSeconds)
		}
		fmt.Fprintln(t, x.Note())
	}
	return t.Flush()
}

// writeAnswers writes the leaderboard of models of situations.
func (s *Selection) writeAnswers(t *tabwriter.Writer) error {
	fmt.Fprintln(t, " \ttrial\tmodel\tgain\t± \tAUC\twithout\tlog loss\tBrier\tfit\tsize\thyperparameters")
	for _, i := range s.Leaderboard() {
		x := &s.Trials[i]
		mark := " "
		if i == s.Best {
			mark = "*"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t", mark, x.Number, x.Algorithm)
		if a := x.Metrics.Answers; x.Done() && a != nil {
			fmt.Fprintf(t, "%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.2f s\t%s\t", a.Gain, a.GainError, a.AUC, a.AUCWithout, a.LogLoss, a.Brier, x.FitSeconds, x.Size())
		} else {
			fmt.Fprintf(t, "–\t\t\t\t\t\t%.2f s\t\t", x.FitSeconds)
		}
		fmt.Fprintln(t, x.Note())
	}
	return t.Flush()
}

// String is the leaderboard and the reason.
func (s *Selection) String() string {
	var b strings.Builder
	_ = s.WriteTable(&b) // a Builder takes everything
	return b.String() + s.Reason
}

// Leaderboard returns the indexes of the trials, the best first, then those that were given up, then those that failed.
func (s *Selection) Leaderboard() []int {
	order := s.ranked()
	for _, failed := range []bool{false, true} {
		for i := range s.Trials {
			if t := &s.Trials[i]; !t.Done() && (t.Error != "") == failed {
				order = append(order, i)
			}
		}
	}
	return order
}

// Note is what the leaderboard says of a trial besides numbers: its hyperparameters, and why it was given up or failed.
func (t *Trial) Note() string {
	text := describe(t, "", "")
	if text == "" {
		text = "defaults"
	}
	if t.Teacher > 0 {
		text += fmt.Sprintf("; made of trial %d, and loses %.4f to it", t.Teacher, t.Loss)
	}
	switch {
	case t.Stopped != "":
		text += "; given up: " + t.Stopped
	case t.Error != "":
		text += "; failed: " + strings.ReplaceAll(t.Error, "\n", " ")
	}
	return text
}

// Size is its bytes for people.
func (t *Trial) Size() string {
	x, units := float64(t.Bytes), []string{"B", "kB", "MB", "GB", "TB"}
	for len(units) > 1 && x >= 1000 {
		x, units = x/1000, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", t.Bytes)
	}
	return fmt.Sprintf("%.1f %s", x, units[0])
}
