package store

// Decide is how an adapter that decides in memory knows whether an Apply may be made.
// state returns the version of the item under a key as it stands, and false if it is absent or
// expired; Decide calls it once for each write, in order. The answer is nil or a
// [*ConflictError] with the key of every write whose condition does not hold, repeated
// writes allowed for as the comment on [Store] says.
func Decide(writes []Write, state func(Key) (Version, bool)) error {
	var (
		repeated bool  // a put of this Apply already has its version
		failed   []int // writes whose condition does not hold
		absent   []int // those of them that are deletes of what is absent
	)
	for i := range writes {
		w := &writes[i]
		v, present := state(w.Key)
		if present && !w.Delete && v == w.Version {
			repeated = true
			continue
		}
		if w.Condition.Holds(v, present) {
			continue
		}
		failed = append(failed, i)
		if w.Delete && !present {
			absent = append(absent, i)
		}
	}
	if repeated && len(absent) == len(failed) {
		return nil
	}
	if len(failed) == 0 {
		return nil
	}
	conflict := &ConflictError{}
	for _, i := range failed {
		if repeated && len(absent) > 0 && absent[0] == i {
			absent = absent[1:]
			continue
		}
		conflict.Keys = append(conflict.Keys, writes[i].Key)
	}
	return conflict
}
