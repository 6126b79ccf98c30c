// Embed plans an hour of music that winds down, and prints it with the curve beside what was reached. It is what a host
// service does with the library, on a store in memory and the demo catalog: nothing to install, nothing to configure.
//
//	go run ./examples/embed
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	app, err := rhythmiq.New(rhythmiq.Config{Seed: 1}) // a seed makes the hour the same each time
	if err != nil {
		return err
	}
	ada, err := app.Profiles.Create(ctx, profile.Registration{
		Username: "ada", FirstName: "Ada", LastName: "Byron", Email: "ada@example.com", PhoneNumber: "+44 20 7946 0123", Password: "correct horse",
	})
	if err != nil {
		return err
	}
	for _, genre := range []string{"jazz", "folk", "ambient"} {
		if _, err := app.Preferences.Create(ctx, ada.ID, preference.Addition{Type: preference.Genre, Value: genre}); err != nil {
			return err
		}
	}
	noise, err := app.Variables.Create(ctx, ada.ID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	if err != nil {
		return err
	}
	if err := app.Variables.Record(ctx, ada.ID, noise.ID, []variable.Reading{{Value: 36}}); err != nil { // dB(A): a quiet room
		return err
	}
	hour, err := app.TuneVectors.Create(ctx, ada.ID, tunevector.Definition{
		Name: "Winding down", Mode: tunevector.AI, DurationMinutes: 60, Direction: tunevector.Descent,
	})
	if err != nil {
		return err
	}
	return show(w, hour)
}
