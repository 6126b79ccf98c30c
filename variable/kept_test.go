package variable_test

import (
	"reflect"

	"github.com/rhythmiq/rhythmiq/variable"
)

// patternsOf is of how many consents patterns of places are at hand. Nothing tells it but the field: it is to be seen by nobody.
func patternsOf(s *variable.Service) int {
	cache := reflect.ValueOf(s).Elem().FieldByName("patterns")
	return int(reflect.NewAt(cache.Type(), cache.Addr().UnsafePointer()).Elem().MethodByName("Len").Call(nil)[0].Int())
}
