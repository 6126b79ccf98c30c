package tunevector_test

import (
	"reflect"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// joinedOf is of how many listeners the answers are at hand, joined with their surroundings. Nothing tells it but the field: it is to be seen by nobody.
func joinedOf(s *tunevector.Service) int {
	cache := reflect.ValueOf(s).Elem().FieldByName("owns")
	return int(reflect.NewAt(cache.Type(), cache.Addr().UnsafePointer()).Elem().MethodByName("Len").Call(nil)[0].Int())
}
