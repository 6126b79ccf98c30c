package tunevector_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/variable"
)

// The services wired by hand; rhythmiq.New does the same. A listener gets forty minutes from rock to ambient, and skips a track.
func Example() {
	ctx := context.Background()
	db := memstore.New(nil)
	profiles, err := profile.NewService(db, profile.Options{})
	check(err)
	preferences, err := preference.NewService(db, preference.Options{})
	check(err)
	variables, err := variable.NewService(db, variable.Options{})
	check(err)
	learning, err := ml.NewService(db, ml.Options{})
	check(err)
	vectors, err := tunevector.NewService(tunevector.Options{
		Store: db, Music: catalog.Demo(), Preferences: preferences, Variables: variables, Learning: learning, Seed: 1,
	})
	check(err)
	listener, err := profiles.Create(ctx, profile.Registration{
		Username: "ada", FirstName: "Ada", LastName: "Example", Email: "ada@example.com", PhoneNumber: "+14155550123", Password: "long enough",
	})
	check(err)

	v, err := vectors.Create(ctx, listener.ID, tunevector.Definition{
		Name: "Evening", Mode: tunevector.Guided, Direction: tunevector.Descent,
		Stages: []tunevector.Stage{{Genre: "rock", Minutes: 20}, {Genre: "ambient", Minutes: 20}},
	})
	check(err)
	fmt.Printf("from energy %.2f to %.2f\n", v.Start.Energy, v.End.Energy)
	fmt.Println("about 40 minutes:", v.Plan.DurationSeconds > 36*60 && v.Plan.DurationSeconds < 44*60)
	fmt.Println(v.Plan.Tracks[0].Reasons[0])

	recorded, err := vectors.Record(ctx, listener.ID, []ml.Interaction{{
		EventID: uuid.New(), TrackID: v.Plan.Tracks[0].TrackID, TuneVectorID: v.ID, Action: ml.Skip, At: time.Now(),
	}})
	check(err)
	v, err = vectors.Get(ctx, listener.ID, v.ID)
	check(err)
	fmt.Println(recorded.Accepted, "recorded; the first track was played:", v.Plan.Tracks[0].Played)
	// Output:
	// from energy 0.85 to 0.25
	// about 40 minutes: true
	// opens the rock stage
	// 1 recorded; the first track was played: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
