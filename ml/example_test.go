package ml_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx := context.Background()
	s := memstore.New(nil)
	learning, _ := ml.NewService(s, ml.Options{MinListeners: 1})
	listener := uuid.New()
	_ = s.Apply(ctx, store.Put(store.Item{Key: profile.GateKey(listener), Body: []byte(`{}`)}, store.None)) // package profile does this

	events := []ml.Interaction{
		{EventID: uuid.New(), TrackID: "morning-haze", Action: ml.Like, At: time.Now()},
		{EventID: uuid.New(), TrackID: "steel-drive", Action: ml.Play, At: time.Now()},
	}
	for range 2 {
		fresh, err := learning.Log(ctx, listener, events)
		fmt.Println(len(fresh), "new", err)
	}
	_ = learning.Refresh(ctx)
	popular, _ := learning.Popularity(ctx)
	fmt.Println(popular.Top(10))
	// Output:
	// 2 new <nil>
	// 0 new <nil>
	// [morning-haze steel-drive]
}
