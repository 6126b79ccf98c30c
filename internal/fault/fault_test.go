package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

var kinds = []struct {
	kind     fault.Kind
	name     string
	sentinel error
}{
	{fault.Invalid, "invalid", fault.ErrInvalid},
	{fault.NotFound, "not-found", fault.ErrNotFound},
	{fault.Conflict, "conflict", fault.ErrConflict},
	{fault.Stale, "stale", fault.ErrStale},
	{fault.Unauthorized, "unauthorized", fault.ErrUnauthorized},
	{fault.Forbidden, "forbidden", fault.ErrForbidden},
	{fault.TooMany, "too-many", fault.ErrTooMany},
	{fault.Unavailable, "unavailable", fault.ErrUnavailable},
}

func TestAnErrorMatchesTheSentinelOfItsKindOnly(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			require.Equal(t, k.name, k.kind.String())
			err := fmt.Errorf("around: %w", fault.Wrap(io.EOF, k.kind, "no %s", "luck"))
			require.Equal(t, k.kind, fault.KindOf(err))
			require.ErrorIs(t, err, io.EOF)
			for _, other := range kinds {
				require.Equal(t, other.kind == k.kind, errors.Is(err, other.sentinel), other.name)
			}
			require.EqualError(t, err, "around: no luck: EOF")
		})
	}
}

// An error that is no sentinel is not one for errors.Is, though it looks like one.
func TestOnlySentinelsStandForTheirKind(t *testing.T) {
	one := fault.New(fault.NotFound, "not found")
	require.NotErrorIs(t, fault.New(fault.NotFound, "nothing here"), error(one))
	require.NotErrorIs(t, one, &fault.Error{Kind: fault.NotFound, Cause: io.EOF})
	require.NotErrorIs(t, one, &fault.Error{Kind: fault.NotFound, Fields: map[string]string{}})
	require.NotErrorIs(t, one, io.EOF)
}

func TestErrorsOfNoKind(t *testing.T) {
	require.Equal(t, fault.None, fault.KindOf(nil))
	require.Equal(t, fault.None, fault.KindOf(io.EOF))
	require.Equal(t, "none", fault.None.String())
	require.Equal(t, "none", fault.Kind(200).String())
	_, ok := fault.As(io.EOF)
	require.False(t, ok)
}

func TestFieldsTellAllAtOnce(t *testing.T) {
	var f fault.Fields
	require.NoError(t, f.Err())
	f.Add("b", "is %d too many", 2)
	f.Add("a", "is missing")
	f.Add("a", "is also green")
	err := f.Err()
	require.ErrorIs(t, err, fault.ErrInvalid)
	require.EqualError(t, err, "Validation failed: a: is missing; b: is 2 too many")
	e, ok := fault.As(fmt.Errorf("around: %w", err))
	require.True(t, ok)
	require.Equal(t, map[string]string{"a": "is missing", "b": "is 2 too many"}, e.Fields)
}

func TestJoinAddsOnlyWhatIsSaidOfOtherFields(t *testing.T) {
	var f fault.Fields
	f.Join(nil)
	f.Join(io.EOF)
	f.Join(&fault.Error{Kind: fault.Conflict, Fields: fault.Fields{"a": "is taken"}})
	require.Empty(t, f)
	f.Add("stages[1].minutes", "is no number")
	f.Add("end", "is no object")
	f.Add("", "is no field")
	f.Join(fault.Fields{
		"stages": "are too many", "stages[1]": "is empty", "stages[1].minutes": "is missing", "stages[1].genre": "is missing", "stages[10].minutes": "is 0",
		"end.energy": "is too low", "ending": "is sad", "": "is empty", "name": "is %d",
	}.Err())
	require.Equal(t, fault.Fields{
		"stages[1].minutes": "is no number", "end": "is no object", "": "is no field",
		"stages[1].genre": "is missing", "stages[10].minutes": "is 0", "ending": "is sad", "name": "is %d",
	}, f)
}

func ExampleFields() {
	var f fault.Fields
	f.Add("email", "Invalid email format")
	f.Add("password", "Password must be at least %d characters long", 8)
	fmt.Println(f.Err())
	// Output: Validation failed: email: Invalid email format; password: Password must be at least 8 characters long
}
