package als_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, als.Algorithm{}, mltest.Options{Values: ml.Values{"factors": "12", "regularization": "2"}, Tolerance: 1e-4})
}
