package rp3beta_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, rp3beta.Algorithm{}, mltest.Options{})
}
