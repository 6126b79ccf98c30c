package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/musictest"
)

func TestContract(t *testing.T) {
	musictest.Run(t, func(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider {
		c, err := catalog.New(tracks)
		require.NoError(t, err)
		return c
	})
}
