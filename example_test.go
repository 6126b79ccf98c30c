package rhythmiq_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// A listener states what they like and gets an hour that winds down.
func Example() {
	ctx := context.Background()
	app, err := rhythmiq.New(rhythmiq.Config{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada, err := app.Profiles.Create(ctx, profile.Registration{
		Username: "ada", FirstName: "Ada", LastName: "Byron", Email: "ada@example.com",
		PhoneNumber: "+44 20 7946 0123", Password: "correct horse",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := app.Preferences.Create(ctx, ada.ID, preference.Addition{Type: preference.Genre, Value: "jazz"}); err != nil {
		fmt.Println(err)
		return
	}
	hour, err := app.TuneVectors.Create(ctx, ada.ID, tunevector.Definition{
		Name: "Winding down", Mode: tunevector.AI, DurationMinutes: 60, Direction: tunevector.Descent,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tracks := hour.Plan.Tracks
	first, last := tracks[0], tracks[len(tracks)-1]
	fmt.Println("more than ten tracks:", len(tracks) > 10)
	fmt.Println("from lively to calm:", first.Features.Energy-last.Features.Energy > 0.4)
	// Output:
	// more than ten tracks: true
	// from lively to calm: true
}

// The errors that services return are of a few kinds, and name every wrong field at once.
func ExampleFieldErrors() {
	app, err := rhythmiq.New(rhythmiq.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = app.Preferences.Create(ctx, uuid.New(), preference.Addition{Type: preference.Tempo, Value: "fast"})
	fmt.Println(errors.Is(err, rhythmiq.ErrInvalid), rhythmiq.FieldErrors(err)["value"])
	_, err = app.Profiles.Get(ctx, uuid.New())
	fmt.Println(errors.Is(err, rhythmiq.ErrNotFound))
	// Output:
	// true Tempo must be beats per minute between 20 and 300, such as 120, or a range such as 90-110
	// true
}
