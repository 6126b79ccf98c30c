package preference_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx := context.Background()
	st := memstore.New(nil)
	listener := uuid.New()
	// A profile.Service makes the gate of a new profile; here it is put by hand.
	_ = st.Apply(ctx, store.Put(store.Item{Key: profile.GateKey(listener), Body: []byte(`{}`)}, store.Absent))

	preferences, err := preference.NewService(st, preference.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	avoid := -1.0
	_, _ = preferences.Create(ctx, listener, preference.Addition{Type: preference.Genre, Value: "rock"})
	_, _ = preferences.Create(ctx, listener, preference.Addition{Type: preference.Genre, Value: "Country", Weight: &avoid})
	_, err = preferences.Create(ctx, listener, preference.Addition{Type: preference.Tempo, Value: "fast"})
	fmt.Println(err)

	_ = preferences.Learn(ctx, listener, []preference.Signal{{EventID: uuid.New(), Strength: 1, Artists: []string{"Ana Vento"}}})
	taste, _ := preferences.Taste(ctx, listener, nil)
	score, reasons := taste.Score(preference.Traits{Genres: []string{"indie rock"}, Artists: []string{"Ana Vento"}})
	fmt.Printf("%.2f %q\n", score, reasons)
	fmt.Println(taste.Avoids(preference.Traits{Genres: []string{"country"}}))
	// Output:
	// Validation failed: value: Tempo must be beats per minute between 20 and 300, such as 120, or a range such as 90-110
	// 0.48 ["you like rock" "you played Ana Vento"]
	// true
}
