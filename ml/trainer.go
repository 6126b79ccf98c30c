package ml

import (
	"context"
	"encoding/json"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Job is one training.
type Job struct {
	// ID names the training and its files: 1–64 lower-case letters, digits and dashes. A job that is trained again goes on where it was stopped, if
	// everything else is as it was.
	ID        string
	Algorithm Algorithm
	Values    Values
	Data      *Data
	Seed      uint64
	Start     Model // nil, or a model of the same algorithm to start from
}

// ModelTrainer fits models: in this process (package localtrainer) or elsewhere. mltest.RunTrainer proves that one keeps this contract.
type ModelTrainer interface {
	// Train fits a model and returns where it was written, in the Blobs that the trainer was made with. It blocks until that is done, ends soon after ctx does, and
	// calls progress, unless that is nil, now and then from one goroutine at a time. A job that was stopped at any moment, by its context, an error
	// or the end of the process, goes on when it is trained again, here or in another instance, and ends with the same bytes. One that is
	// done already ends at once. Two that train the same job at the same time do no harm but the work done twice.
	Train(ctx context.Context, j Job, progress func(Progress)) (Artifact, error)
}

const maxJobID = 64

// Check says what is wrong with the job, naming each field, or returns nil.
func (j Job) Check() error {
	var f fault.Fields
	if CheckBlobName(j.ID) != nil || len(j.ID) > maxJobID {
		f.Add("id", "must be 1 to %d lower-case letters, digits and dashes", maxJobID)
	}
	if j.Algorithm == nil {
		f.Add("algorithm", "is required")
	} else if err := j.Values.Check(j.Algorithm.Parameters()); err != nil {
		f.Add("values", "%v", err)
	}
	if j.Data == nil {
		f.Add("data", "are required")
	} else if err := j.Data.Check(); err != nil {
		f.Add("data", "%v", err)
	}
	return f.Err()
}

// The entries that the file of a trained model has besides the algorithm's own.
const (
	metaFit    = "training.fit"    // what was fitted, see FitKey
	metaData   = "training.data"   // the fingerprint of the data
	metaValues = "training.values" // hyperparameters, a JSON object
)

// meta returns what a file tells of the job that made it.
func (j Job) meta() map[string]string {
	values, _ := json.Marshal(j.Values) // strings
	return map[string]string{
		metaFit:  FitKey(j.Algorithm, j.Data, j.Values, FitOptions{Seed: j.Seed, Start: j.Start}),
		metaData: j.Data.Fingerprint(), metaValues: string(values),
	}
}

// ArtifactName is the name of the blob that a job ends with.
func (j Job) ArtifactName() string { return artifactPrefix + j.ID + ".safetensors" }

// CheckpointName is the name of the blob that keeps how far the job is.
func (j Job) CheckpointName() string { return checkpointPrefix + j.ID + ".safetensors" }

const (
	artifactPrefix   = "models/"
	checkpointPrefix = "checkpoints/"
)

// Done returns the artifact of a job that is done, false for one that is not.
func (j Job) Done(ctx context.Context, b Blobs) (Artifact, bool, error) {
	a, meta, err := stat(ctx, b, j.ArtifactName())
	if err != nil || meta == nil {
		return Artifact{}, false, err
	}
	return a, meta[metaFit] == j.meta()[metaFit], nil
}

// Write writes the model that a job ends with.
func (j Job) Write(ctx context.Context, b Blobs, m Model) (Artifact, error) {
	return WriteArtifact(ctx, b, j.ArtifactName(), m, j.meta())
}
