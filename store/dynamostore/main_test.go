package dynamostore_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest/faults"
)

func TestMain(m *testing.M) { dynamotest.Main(m, faults.Leaks()...) }
