package popular_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, popular.Algorithm{}, mltest.Options{Popular: true})
}
