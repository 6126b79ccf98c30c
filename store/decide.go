package store

// Decide is how an adapter that decides in memory knows whether an Apply may be made.
// state returns the version of the item under a key as it stands, and false if it is absent or
// expired; Decide calls it once for each write, in order. The answer is nil or a
// [*ConflictError] with the key of every write whose condition does not hold, repeated
// writes allowed for as the comment on [Store] says.
func Decide(writes []Write, state func(Key) (Version, bool)) error {
	type failure struct {
		key      Key
		absentee bool // a delete of what is absent
	}
	var (
		failures []failure
		repeated bool // a put of this Apply already has its version
	)
	for i := range writes {
		w := &writes[i]
		v, present := state(w.Key)
		switch {
		case present && !w.Delete && v == w.Version:
			repeated = true
		case !w.Condition.Holds(v, present):
			failures = append(failures, failure{w.Key, w.Delete && !present})
		}
	}
	var keys []Key
	for _, f := range failures {
		if !repeated || !f.absentee {
			keys = append(keys, f.key)
		}
	}
	if keys == nil {
		return nil
	}
	return &ConflictError{Keys: keys}
}
