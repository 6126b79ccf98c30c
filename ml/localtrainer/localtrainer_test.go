package localtrainer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func open(t *testing.T, b ml.Blobs) ml.ModelTrainer {
	t.Helper()
	trainer, err := localtrainer.New(b, localtrainer.Options{})
	require.NoError(t, err)
	return trainer
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]func(t *testing.T) ml.Blobs{
		"memory": func(*testing.T) ml.Blobs { return &blobs.Memory{} },
		"folder": func(t *testing.T) ml.Blobs {
			d, err := blobs.Folder(t.TempDir())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mltest.RunTrainer(t, mltest.TrainerOptions{
				New: open, Blobs: kept, Algorithm: als.Algorithm{}, Values: ml.Values{"factors": "8", "iterations": "6"},
			})
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := localtrainer.New(nil, localtrainer.Options{Threads: -1})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 2)
}

// A job that waits for its turn ends with its context.
func TestWaiting(t *testing.T) {
	t.Parallel()
	trainer := open(t, &blobs.Memory{})
	d := mltest.Planted(40, 24, 4, 1)
	begun, finish, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		_, err := trainer.Train(context.Background(), ml.Job{ID: "a", Algorithm: als.Algorithm{}, Values: ml.Values{"factors": "4"}, Data: d}, func(ml.Progress) {
			if first {
				first = false
				close(begun)
				<-finish
			}
		})
		done <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := trainer.Train(ctx, ml.Job{ID: "b", Algorithm: als.Algorithm{}, Data: d}, nil)
	require.ErrorIs(t, err, context.Canceled)
	close(finish)
	require.NoError(t, <-done)
}

func Example() {
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{Threads: 1})
	if err != nil {
		panic(err)
	}
	var b ml.Builder
	for _, listener := range []string{"ada", "bob"} {
		b.Add(listener, "t1", 1, 0)
		b.Add(listener, "t2", 2, 0)
	}
	data, err := b.Data()
	if err != nil {
		panic(err)
	}
	artifact, err := trainer.Train(context.Background(), ml.Job{ID: "first", Algorithm: itemknn.Algorithm{}, Data: data}, nil)
	if err != nil {
		panic(err)
	}
	model, _, err := ml.OpenArtifact(context.Background(), kept, artifact, []ml.Algorithm{itemknn.Algorithm{}})
	if err != nil {
		panic(err)
	}
	fmt.Println(artifact.Blob, model.Items())
	// Output: models/first.safetensors [t1 t2]
}
