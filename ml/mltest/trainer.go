package mltest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
)

// TrainerOptions are what RunTrainer needs.
type TrainerOptions struct {
	// New returns a trainer over b, as another process or instance would.
	New func(t *testing.T, b ml.Blobs) ml.ModelTrainer
	// Blobs returns blobs that are empty.
	Blobs func(t *testing.T) ml.Blobs
	// Algorithm and Values are what is trained: it should go on in steps, and keep checkpoints.
	Algorithm ml.Algorithm
	Values    ml.Values
}

// RunTrainer proves that a trainer keeps the contract of [ml.ModelTrainer].
func RunTrainer(t *testing.T, o TrainerOptions) {
	t.Helper()
	s := &trainerSuite{TrainerOptions: o, data: Planted(80, 48, 4, 1)}
	for name, check := range map[string]func(*testing.T){
		"Trains":   s.trains,
		"Refuses":  s.refuses,
		"Resumes":  s.resumes,
		"Kills":    s.kills,
		"Together": s.together,
	} {
		t.Run(name, check)
	}
}

type trainerSuite struct {
	TrainerOptions
	data *ml.Data
}

func (s *trainerSuite) job() ml.Job {
	return ml.Job{ID: "job-1", Algorithm: s.Algorithm, Values: s.Values, Data: s.data, Seed: 3}
}

func (s *trainerSuite) trains(t *testing.T) {
	b := s.Blobs(t)
	var told []ml.Progress
	a, err := s.New(t, b).Train(t.Context(), s.job(), func(p ml.Progress) { told = append(told, p) })
	require.NoError(t, err)
	require.NotEmpty(t, told)
	got, f, err := ml.OpenArtifact(t.Context(), b, a, []ml.Algorithm{s.Algorithm})
	require.NoError(t, err)
	require.Equal(t, s.data.Fingerprint(), f.Meta["training.data"])
	want, err := s.Algorithm.Fit(t.Context(), s.data, s.Values, ml.FitOptions{Seed: 3})
	require.NoError(t, err)
	require.Equal(t, file(t, want), file(t, got))
	require.Equal(t, []string{fmt.Sprintf("%s:%d", a.Blob, a.Size)}, listed(t, b, ""), "no checkpoint is left")

	told = nil
	again, err := s.New(t, b).Train(t.Context(), s.job(), func(p ml.Progress) { told = append(told, p) })
	require.NoError(t, err)
	require.Equal(t, a, again)
	require.Empty(t, told, "it was done already")

	other := s.job()
	other.Seed++
	changed, err := s.New(t, b).Train(t.Context(), other, nil)
	require.NoError(t, err)
	require.NotEqual(t, a, changed, "another job of the same id is trained")
}

func (s *trainerSuite) refuses(t *testing.T) {
	b := s.Blobs(t)
	trainer := s.New(t, b)
	bad := *s.data
	bad.Items = bad.Items[1:]
	_, err := trainer.Train(t.Context(), ml.Job{ID: "No Name", Data: &bad, Algorithm: s.Algorithm, Values: ml.Values{"nothing": "1"}}, nil)
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 3, "%v", e.Fields)
	_, err = trainer.Train(t.Context(), ml.Job{}, nil)
	e, ok = fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 3, "%v", e.Fields)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = trainer.Train(ctx, s.job(), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, listed(t, b, "models/"))
}

// Stopped by its context after any step, it goes on to the same bytes.
func (s *trainerSuite) resumes(t *testing.T) {
	want, err := s.New(t, s.Blobs(t)).Train(t.Context(), s.job(), nil)
	require.NoError(t, err)
	for stop := 1; stop <= 4; stop++ {
		b := s.Blobs(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.New(t, b).Train(ctx, s.job(), func(p ml.Progress) {
			if p.Step >= stop {
				cancel()
			}
		})
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		first := 0
		got, err := s.New(t, b).Train(t.Context(), s.job(), func(p ml.Progress) {
			if first == 0 {
				first = p.Step
			}
		})
		require.NoError(t, err)
		require.Equal(t, want, got, "stopped after step %d", stop)
		require.True(t, first == 0 || first > stop, "it went on at step %d, not after %d", first, stop)
	}
}

// Killed while it writes any of its blobs, at the beginning or just before the end, it goes on to the same bytes.
func (s *trainerSuite) kills(t *testing.T) {
	counting := &dying{Blobs: s.Blobs(t)}
	want, err := s.New(t, counting).Train(t.Context(), s.job(), nil)
	require.NoError(t, err)
	for at := 1; at <= counting.calls; at += max(1, counting.calls/12) {
		b := s.Blobs(t)
		_, err := s.New(t, &dying{Blobs: b, at: at}).Train(t.Context(), s.job(), nil)
		if err != nil {
			require.ErrorIs(t, err, errKilled)
		}
		got, err := s.New(t, b).Train(t.Context(), s.job(), nil)
		require.NoError(t, err)
		require.Equal(t, want, got, "killed at call %d", at)
	}
}

var errKilled = fault.New(fault.Unavailable, "killed")

// dying are blobs of a process that is killed: after so many calls nothing works any more.
type dying struct {
	ml.Blobs
	mu    sync.Mutex
	calls int
	at    int // 0: never
}

func (d *dying) call() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.at > 0 && d.calls >= d.at {
		return errKilled
	}
	return nil
}

func (d *dying) Create(ctx context.Context, name string) (ml.BlobWriter, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	w, err := d.Blobs.Create(ctx, name)
	return &dyingWriter{w, d}, err
}

func (d *dying) Open(ctx context.Context, name string) (ml.Blob, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	return d.Blobs.Open(ctx, name)
}

func (d *dying) Remove(ctx context.Context, name string) error {
	if err := d.call(); err != nil {
		return err
	}
	return d.Blobs.Remove(ctx, name)
}

type dyingWriter struct {
	ml.BlobWriter
	d *dying
}

func (w *dyingWriter) Write(p []byte) (int, error) {
	if err := w.d.call(); err != nil {
		return 0, err
	}
	return w.BlobWriter.Write(p)
}

func (w *dyingWriter) Commit(ctx context.Context) error {
	if err := w.d.call(); err != nil {
		return err
	}
	return w.BlobWriter.Commit(ctx)
}

// Several that train the same job end with the same, and several jobs do not mix.
func (s *trainerSuite) together(t *testing.T) {
	b := s.Blobs(t)
	one := s.New(t, b)
	trainers := []ml.ModelTrainer{one, one, s.New(t, b)}
	got := make([]ml.Artifact, len(trainers))
	errs := make([]error, len(trainers))
	other := s.job()
	other.ID = "job-2"
	var another error
	var wg sync.WaitGroup
	for i, trainer := range trainers {
		wg.Go(func() { got[i], errs[i] = trainer.Train(t.Context(), s.job(), nil) })
	}
	wg.Go(func() { _, another = one.Train(t.Context(), other, nil) })
	wg.Wait()
	require.NoError(t, another)
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, got[0], got[i])
	}
	for _, a := range got {
		_, _, err := ml.OpenArtifact(t.Context(), b, a, []ml.Algorithm{s.Algorithm})
		require.NoError(t, err)
	}
}
