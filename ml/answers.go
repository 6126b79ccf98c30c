package ml

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// AnswerMetrics say how well a model of situations foretells answers that it was not fitted to.
type AnswerMetrics struct {
	Answers int `json:"answers"`
	// AUC is how likely of two answers, one of which is a yes (a liking of at least a half), that one has the higher probability. AUCWithout is the same where nothing is known of the moment.
	AUC        float64 `json:"auc"`
	AUCWithout float64 `json:"aucWithout"`
	// LogLoss is the mean of −log of the likelihood, in nats, and Brier that of the square of probability less liking.
	LogLoss        float64 `json:"logLoss"`
	LogLossWithout float64 `json:"logLossWithout"`
	Brier          float64 `json:"brier"`
	BrierWithout   float64 `json:"brierWithout"`
	// Gain is by how much the log loss is lower than that of always saying the mean, and GainError its standard error.
	Gain      float64 `json:"gain"`
	GainError float64 `json:"gainError"`
	// MomentGain is by how much the log loss is lower than without the situation, and MomentError its standard error over the listeners; 0 where it was not measured.
	MomentGain  float64 `json:"momentGain,omitempty"`
	MomentError float64 `json:"momentError,omitempty"`
	// MomentShare is by how much what the situation adds to the log odds has to be multiplied for listeners of whom nothing is known; likewise.
	MomentShare float64 `json:"momentShare,omitempty"`
	// Reliability is how often what was foretold came true, by tenths of the answers, from the least likely on.
	Reliability []ReliabilityBin `json:"reliability,omitempty"`
}

// ReliabilityBin is some answers that were foretold alike. Of a calibrated model Foretold and Liked are the same, but for chance.
type ReliabilityBin struct {
	Answers  int     `json:"answers"`
	Foretold float64 `json:"foretold"` // mean probability
	Liked    float64 `json:"liked"`    // mean liking
}

// String is short, for logs and terminals.
func (m AnswerMetrics) String() string {
	return fmt.Sprintf("AUC %.4f (%.4f without the situation), log loss %.4f (%.4f), Brier %.4f (%.4f), %d answers",
		m.AUC, m.AUCWithout, m.LogLoss, m.LogLossWithout, m.Brier, m.BrierWithout, m.Answers)
}

// MeasureAnswers compares what was foretold with likings of 0 to 1. Both are as long.
func MeasureAnswers(likings []float64, foretold []Judgment) (AnswerMetrics, error) {
	if len(likings) != len(foretold) {
		return AnswerMetrics{}, fmt.Errorf("ml: %d judgments of %d answers", len(foretold), len(likings))
	}
	m, _ := measureAnswers(likings, foretold)
	return m, nil
}

const reliabilityBins = 10

// measureAnswers also returns the gain of each answer.
func measureAnswers(likings []float64, foretold []Judgment) (AnswerMetrics, []float64) {
	n := len(likings)
	m := AnswerMetrics{Answers: n}
	with, without, gains := make([]float64, n), make([]float64, n), make([]float64, n)
	mean := 0.0
	for i, y := range likings {
		with[i], without[i] = foretold[i].Probability, foretold[i].Without
		mean += y / float64(n)
	}
	for i, y := range likings {
		loss := crossEntropy(y, with[i])
		m.LogLoss += loss / float64(n)
		m.LogLossWithout += crossEntropy(y, without[i]) / float64(n)
		m.Brier += (y - with[i]) * (y - with[i]) / float64(n)
		m.BrierWithout += (y - without[i]) * (y - without[i]) / float64(n)
		gains[i] = crossEntropy(y, mean) - loss
	}
	m.Gain, m.GainError = meanError(gains)
	m.AUC, m.AUCWithout = areaUnder(likings, with), areaUnder(likings, without)
	m.Reliability = reliability(likings, with)
	return m, gains
}

const leastLikely = 1e-9 // a probability of 0 would be infinitely wrong

// crossEntropy is −log of the likelihood of a liking.
func crossEntropy(liking, p float64) float64 {
	p = min(max(p, leastLikely), 1-leastLikely)
	return -liking*math.Log(p) - (1-liking)*math.Log(1-p)
}

// areaUnder returns the area under the ROC curve, ties counting half; a half where there are only yeses or none.
func areaUnder(likings, scores []float64) float64 {
	order := ascending(scores)
	ranks, yes := 0.0, 0.0
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && scores[order[to]] == scores[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			if likings[i] >= 0.5 { //nolint:mnd // a yes
				ranks += float64(from+to+1) / 2 //nolint:mnd // the middle of ranks from 1 on
				yes++
			}
		}
		from = to
	}
	no := float64(len(order)) - yes
	if yes == 0 || no == 0 {
		return 0.5 //nolint:mnd // nothing to tell apart
	}
	return (ranks - yes*(yes+1)/2) / (yes * no)
}

func ascending(x []float64) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	return order
}

func reliability(likings, foretold []float64) []ReliabilityBin {
	order := ascending(foretold)
	var bins []ReliabilityBin
	for b := range reliabilityBins {
		part := order[b*len(order)/reliabilityBins : (b+1)*len(order)/reliabilityBins]
		if len(part) == 0 {
			continue
		}
		bin := ReliabilityBin{Answers: len(part)}
		for _, i := range part {
			bin.Foretold += foretold[i] / float64(len(part))
			bin.Liked += likings[i] / float64(len(part))
		}
		bins = append(bins, bin)
	}
	return bins
}
