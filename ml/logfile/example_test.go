package logfile_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/logfile"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx, now, listener := context.Background(), time.Now(), uuid.New()
	s := memstore.New(nil)
	learning, _ := ml.NewService(s, ml.Options{})
	_ = s.Apply(ctx, store.Put(store.Item{Key: profile.GateKey(listener), Body: []byte(`{}`)}, store.None)) // package profile does this
	_, _ = learning.Log(ctx, listener, []ml.Interaction{{EventID: uuid.New(), TrackID: "morning-haze", Action: ml.Like, At: now}})

	var file bytes.Buffer
	n, err := logfile.WriteTSV(ctx, &file, logfile.Days(ctx, learning, now.AddDate(0, 0, -90), now.AddDate(0, 0, 1)))
	fmt.Println(n, "written", err)
	result, err := logfile.Import(ctx, learning, logfile.ReadTSV(ctx, &file))
	fmt.Println(result.Read, "read,", result.Fresh, "new", err)
	// Output:
	// 1 written <nil>
	// 1 read, 0 new <nil>
}
