package capacity_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/capacity"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/variable"
)

const (
	goldenTraining = "testdata/training.md"
	trainingAt     = "<!-- training: go test ./internal/capacity -run Training -update -->\n"
	trainingEnd    = "<!-- end of training -->"
	trainingPeople = 40
	trainingEvents = 25 // of each
)

// trained says what a training read and wrote.
type trained struct {
	what           string
	days           capacity.Units // of the log's days in the index
	queries, found int            // likewise
	rest           capacity.Units
}

// train makes trainings by two stores' worth of log, and says what each cost.
func train(t *testing.T, s store.Store, clock func() time.Time) []trained {
	t.Helper()
	meter := capacity.NewMeter(s)
	app, err := rhythmiq.New(rhythmiq.Config{
		Store: meter, Blobs: &blobs.Memory{}, Now: clock, Seed: 1, Situations: []ml.Algorithm{situation.Logistic{}},
		SituationSelection: ml.SelectOptions{Fixed: map[string]ml.Values{"logistic": {"folds": "2"}}}, // whatever is fitted, the reads are the same
		Profile:            profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}},
	})
	require.NoError(t, err)
	measure := func(what string, train func(context.Context, func(ml.Progress)) (ml.Training, error), want error) trained {
		meter.Take()
		_, err := train(t.Context(), nil)
		if want == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, want)
		}
		c := trained{what: what}
		for _, r := range meter.Take() {
			if r.Operation == "Query" && len(r.Keys) > 0 && r.Keys[0].Table == store.Interactions {
				c.days, c.queries, c.found = c.days.Plus(r.Units), c.queries+1, c.found+r.Found
				continue
			}
			c.rest = c.rest.Plus(r.Units)
		}
		return c
	}
	all := []trained{measure("of taste, of an empty log, which is too little", app.Models.Train, ml.ErrTooLittle)}
	people := make([]uuid.UUID, trainingPeople)
	for i := range people {
		p, err := app.Profiles.Create(t.Context(), profile.Registration{
			Username: fmt.Sprint("ada", i), FirstName: "Ada", LastName: "Byron", Email: fmt.Sprintf("ada%d@example.com", i),
			PhoneNumber: "+44 20 7946 0123", Password: password,
		})
		require.NoError(t, err)
		events := make([]ml.Interaction, trainingEvents)
		for j := range events {
			events[j] = ml.Interaction{
				EventID: uuid.New(), TrackID: fmt.Sprintf("demo-jazz-%03d", 1+(i%4*10+j)%40), Action: ml.Complete,
				At: clock().Add(-time.Duration(1+j) * time.Minute),
			}
		}
		_, err = app.Learning.Log(t.Context(), p.ID, events)
		require.NoError(t, err)
		people[i] = p.ID
	}
	all = append(all, measure(fmt.Sprintf("of taste, of %d interactions of %d listeners", trainingPeople*trainingEvents, trainingPeople), app.Models.Train, nil))
	all = append(all, measure("of situations, of the same, none of whom has opted into anything", app.Situations.Train, ml.ErrTooFewAnswers))
	for _, id := range people {
		v, err := app.Variables.Create(t.Context(), id, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
		require.NoError(t, err)
		err = app.Variables.Record(t.Context(), id, v.ID, []variable.Reading{{Value: 40}})
		require.NoError(t, err)
	}
	return append(all, measure("of situations, of the same, all of whom have opted into one variable", app.Situations.Train, nil))
}

func renderTrained(all []trained) string {
	var b strings.Builder
	b.WriteString("| a training | queries of the log and of readings | items | reads for these | reads besides | writes |\n|---|--:|--:|--:|--:|--:|\n")
	for _, c := range all {
		reads := fmt.Sprint(c.days.Read)
		if c.found > 0 { // whose shard is whose is random, and so is how their pages are rounded up
			reads = fmt.Sprintf("about %g", 10*math.Round(c.days.Read/10))
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %s | %g | %g |\n", c.what, c.queries, c.found, reads, c.rest.Read, c.rest.Write)
	}
	return b.String()
}

// TestCostOfTraining holds what a training reads and writes against what is kept, which is in the README. With -update it writes both.
func TestCostOfTraining(t *testing.T) {
	now := time.Date(2096, 3, 1, 18, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	shown := renderTrained(train(t, memstore.New(&memstore.Options{Now: clock}), clock))
	holdTable(t, shown, goldenTraining, trainingAt, trainingEnd)
}

// TestCostOfTrainingOnDynamoDB makes the same on a DynamoDB. What it reports for the queries that find anything must be what the rules say.
func TestCostOfTrainingOnDynamoDB(t *testing.T) {
	want, err := os.ReadFile(goldenTraining)
	require.NoError(t, err)
	dynamotest.Endpoint(t)
	now := time.Date(2096, 3, 1, 18, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	reported := 0.0
	s := dynamotest.Store(t, clock, func(o *dynamostore.Options) {
		o.Observe = func(_ context.Context, q dynamostore.Request) {
			if q.Operation == "Query" {
				reported += q.ReadUnits
			}
		}
	})
	require.Equal(t, string(want), renderTrained(train(t, s, clock)))
	require.Positive(t, reported)
}
