package instances_test

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

// The published instances over a small catalog; the README's figures are over 100,000 tracks.
func ExampleAll() {
	all := instances.All(instances.NewCatalog(1000, 1))
	fmt.Println(len(all), "instances, the first is", all[0].Name)
	// Output: 40 instances, the first is ascent/plain/0
}
