package variable_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/variable"
)

func Example() {
	ctx := context.Background()
	st := memstore.New(nil)
	listener := uuid.New()
	// A profile.Service makes the gate of a new profile; here it is put by hand.
	_ = st.Apply(ctx, store.Put(store.Item{Key: profile.GateKey(listener), Body: []byte(`{}`)}, store.Absent))

	variables, err := variable.NewService(st, variable.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	noise, _ := variables.Create(ctx, listener, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	_ = variables.Record(ctx, listener, noise.ID, []variable.Reading{
		{Value: 48, At: time.Now().Add(-time.Hour)},
		{Value: 72},
	})
	now, _ := variables.Snapshot(ctx, listener)
	fmt.Println("around the listener:", now.Latest[variable.AmbientNoise].Value, "dB(A)")

	out := false
	_, _ = variables.Update(ctx, listener, noise.ID, variable.Changes{OptedIn: &out}, store.Version{})
	err = variables.Record(ctx, listener, noise.ID, []variable.Reading{{Value: 80}})
	fmt.Println(err)
	// Output:
	// around the listener: 72 dB(A)
	// The variable is not opted into
}

func ExampleCoordinates_Coarsen() {
	fmt.Println(variable.Coordinates{Latitude: 52.51628, Longitude: 13.37770}.Coarsen())
	// Output: {52.51802 13.38323}
}

func ExampleTypes() {
	for _, s := range variable.Types() {
		if s.Form == variable.Number {
			fmt.Printf("%s: %v to %v %s\n", s.Type, s.Min, s.Max, s.Unit)
		}
	}
	// Output:
	// ambient-noise: 0 to 140 dB(A)
	// outside-temperature: -90 to 60 °C
	// vector-rating: 1 to 5 points
	// heart-rate-variability: 1 to 300 ms
	// accelerometer: 0 to 50 m/s²
}
