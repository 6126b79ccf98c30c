package localtrainer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

const (
	killedEnv    = "RHYTHMIQ_LOCALTRAINER_KILLED"    // the folder to train in until killed, in the process that is killed
	algorithmEnv = "RHYTHMIQ_LOCALTRAINER_ALGORITHM" // its number among those that are killed
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedEnv); dir != "" {
		trainUntilKilled(dir, os.Getenv(algorithmEnv))
		return
	}
	goleak.VerifyTestMain(m)
}

// killedJobs are long enough to be killed in the middle, several times.
func killedJobs() map[string]ml.Job {
	d := mltest.Planted(300, 120, 4, 1)
	return map[string]ml.Job{
		"als": {ID: "killed", Algorithm: als.Algorithm{}, Values: ml.Values{"factors": "24", "iterations": "40"}, Data: d, Seed: 3},
		"bpr": {ID: "killed", Algorithm: bpr.Algorithm{}, Values: ml.Values{"factors": "24", "epochs": "60"}, Data: d, Seed: 3},
	}
}

// trainUntilKilled is what the other process does: it says each step that it has made.
func trainUntilKilled(dir, algorithm string) {
	kept, err := blobs.Folder(dir)
	if err == nil {
		var trainer *localtrainer.Trainer
		if trainer, err = localtrainer.New(kept, localtrainer.Options{Threads: 2}); err == nil {
			_, err = trainer.Train(context.Background(), killedJobs()[algorithm], func(p ml.Progress) { fmt.Println(p.Step) })
		}
	}
	if err != nil {
		panic(err)
	}
}

// A process that is killed while it trains is gone on with by another, which loses a step at most, and ends with the same model.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, job := range killedJobs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memory := &blobs.Memory{}
			trainer, err := localtrainer.New(memory, localtrainer.Options{Threads: 2})
			require.NoError(t, err)
			want, err := trainer.Train(t.Context(), job, nil)
			require.NoError(t, err)

			dir := t.TempDir()
			kills, last := 0, 0
			for done := false; !done; {
				var first int
				first, last, done = killOnce(t, dir, name, last)
				if kills > 0 && first > 0 {
					require.Greater(t, first, 1, "it went on where it was")
				}
				kills++
			}
			require.Greater(t, kills, 1, "it was killed")
			kept, err := blobs.Folder(dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, kept.Close()) }()
			trainer, err = localtrainer.New(kept, localtrainer.Options{Threads: 2})
			require.NoError(t, err)
			got, err := trainer.Train(t.Context(), job, func(ml.Progress) { t.Error("it was done") })
			require.NoError(t, err)
			require.Equal(t, want, got, "size and checksum")
			t.Logf("killed %d times", kills-1)
		})
	}
}

// killOnce lets the other process train, and kills it soon after it has said a step that is new. It returns the first and the last step that it said, and whether
// it has come to the end.
func killOnce(t *testing.T, dir, algorithm string, before int) (first, last int, done bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), killedEnv+"="+dir, algorithmEnv+"="+algorithm)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	last = before
	var kill *time.Timer
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what there is of a last line was not said
		}
		require.NoError(t, err)
		_, err = fmt.Sscan(line, &last)
		require.NoError(t, err, line)
		if first == 0 {
			first = last
		}
		if kill == nil && last > before {
			kill = time.AfterFunc(rand.N(30*time.Millisecond), func() { _ = c.Process.Kill() })
		}
	}
	return first, last, c.Wait() == nil
}
