package strict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/strict"
)

func TestTime(t *testing.T) {
	for text, ok := range map[string]bool{
		"2026-03-01T18:00:00Z": true, "2026-03-01T18:00:00.123456789Z": true, "2026-03-01T18:00:00.5-23:59": true, "0000-01-01T00:00:00+00:00": true,
		"": false, "2026": false, "2026-03-01": false, "2026-03-01T18:00:00": false, "2026-03-01 18:00:00Z": false, "2026-03-01t18:00:00z": false,
		"2026-03-01T18:00:00,5Z": false, "2026-03-01T8:00:00Z": false, "2026-03-01T18:00:00+24:00": false, "2026-03-01T18:00:00-00:60": false,
		"2026-02-30T18:00:00Z": false, "2026-03-01T24:00:00Z": false, " 2026-03-01T18:00:00Z": false, "12026-03-01T18:00:00Z": false,
	} {
		got, is := strict.Time(text)
		require.Equal(t, ok, is, text)
		if ok {
			want, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			require.True(t, want.Equal(got), text)
		}
	}
}

func TestUUID(t *testing.T) {
	id := uuid.MustParse("9dda8480-1183-4f45-be4a-674e8e565800") // its last byte is what a parse that stops there leaves
	for text, ok := range map[string]bool{
		id.String(): true, strings.ToUpper(id.String()): true,
		"": false, "{" + id.String() + "}": false, "urn:uuid:" + id.String(): false, strings.ReplaceAll(id.String(), "-", ""): false,
		id.String()[:35] + "g": false, id.String() + " ": false,
	} {
		got, is := strict.UUID(text)
		require.Equal(t, ok, is, text)
		require.Equal(t, ok, got == id, text)
		require.Equal(t, !ok, got == uuid.Nil, text)
	}
}

func ExampleTime() {
	_, ok := strict.Time("2026-03-01T18:00:00,5Z")
	fmt.Println(ok)
	// Output: false
}
