package dynamostore_test

import (
	"testing"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }
