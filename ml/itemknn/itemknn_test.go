package itemknn_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, itemknn.Algorithm{}, mltest.Options{})
}
