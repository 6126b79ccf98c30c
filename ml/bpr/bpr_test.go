package bpr_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, bpr.Algorithm{}, mltest.Options{Values: ml.Values{"factors": "12", "rate": "0.1", "epochs": "30"}, SameThreads: true})
}
