package hnsw_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/hnsw"
)

func Example() {
	items := []float32{
		1, 0, // calm
		0.9, 0.1, // nearly as calm
		0, 1, // loud
	}
	index, err := hnsw.New(context.Background(), items, 2, hnsw.Options{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hit := range index.Similar(0, 2, 10, nil) {
		fmt.Printf("item %d, cosine %.2f\n", hit.Item, hit.Score)
	}
	// Output:
	// item 1, cosine 0.99
	// item 2, cosine 0.00
}
