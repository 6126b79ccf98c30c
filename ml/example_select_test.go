package ml_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/popular"
)

func ExampleSelect() {
	var b ml.Builder
	for u := range 40 { // even listeners like even tracks, odd ones odd tracks
		for i := range 6 {
			b.Add(fmt.Sprintf("listener-%d", u), fmt.Sprintf("track-%d", (2*(u+i)+u%2)%24), 1, 0)
		}
	}
	d, _ := b.Data()
	s, err := ml.Select(context.Background(), d, ml.SelectOptions{
		Algorithms: []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}}, Trials: 2, NoBlend: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Trials[s.Best].Algorithm)
	a, values := s.Chosen()
	m, _ := a.Fit(context.Background(), d, values, ml.FitOptions{Seed: s.Seed})
	fmt.Println(len(m.Items()), "items")
	// Output:
	// itemknn
	// 24 items
}
