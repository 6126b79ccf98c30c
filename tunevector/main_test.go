package tunevector_test

import (
	"flag"
	"os"
	"testing"
)

// Each check of a property here plans several vectors, so there are fewer of them unless the command line says otherwise.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "20")
	_ = flag.Set("rapid.steps", "10")
	os.Exit(m.Run())
}
