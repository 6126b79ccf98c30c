package store

// Unwrapper is implemented by decorators: stores that stand before another one.
type Unwrapper interface {
	// Unwrap returns the store behind this one.
	Unwrap() Store
}

// As returns the optional interface T ([Sweeper], [Closer], [Bulker] or an adapter's own) of s or of the
// first store behind it that has it. A decorator that must see every write has to implement
// [Bulker] itself (for instance by calling [Bulk] on the store behind it once it has
// seen them), or leave Unwrap out and so hide all optional interfaces.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		u, ok := s.(Unwrapper)
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	var none T
	return none, false
}
