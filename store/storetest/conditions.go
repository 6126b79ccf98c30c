package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// Every condition on every state, for puts and deletes.
func checkConditions(e *env) {
	v, other := store.NewVersion(), store.NewVersion()
	for _, state := range []string{"absent", "present", "deleted"} {
		for _, c := range []struct {
			name            string
			condition       store.Condition
			absent, present bool // whether it holds
		}{
			{"none", store.None, true, true},
			{"absent", store.Absent, true, false},
			{"present", store.Present, false, true},
			{"version", store.VersionIs(v), false, true},
			{"other version", store.VersionIs(other), false, false},
			{"zero version", store.VersionIs(store.Version{}), false, false},
		} {
			for _, remove := range []bool{false, true} {
				name := fmt.Sprintf("%s, if %s, delete %v", state, c.name, remove)
				k := e.key("a")
				old := store.Item{Key: k, Version: v, Body: body(`{"n":0}`)}
				holds := c.absent
				if state != "absent" {
					e.apply(store.Put(old, store.None))
				}
				switch state {
				case "present":
					holds = c.present
				case "deleted":
					e.apply(store.Delete(k, store.None))
				}
				next := store.Item{Key: k, Version: store.NewVersion(), Body: body(`{"n":1}`)}
				w := store.Put(next, c.condition)
				if remove {
					w = store.Delete(k, c.condition)
				}
				err := e.s.Apply(e.ctx(), w)
				switch {
				case !holds:
					e.conflict(err, k)
					require.Equal(e, state == "present", e.present(k), name)
					if state == "present" {
						e.same(old, e.item(k))
					}
				case remove:
					require.NoError(e, err, name)
					require.False(e, e.present(k), name)
				default:
					require.NoError(e, err, name)
					e.same(next, e.item(k))
				}
			}
		}
	}
}

// A conflict names every write that failed, in their order, and nothing is written, wherever the failing ones stand.
func checkConflicts(e *env) {
	p := e.key("")
	a, b, c, d, x := with(p, "a"), with(p, "b"), with(p, "c"), e.key("d"), e.key("x")
	e.apply(put(a), put(c), put(d))
	before := []store.Item{e.item(a), e.item(c), e.item(d)}
	unchanged := func() {
		e.Helper()
		for _, item := range before {
			e.same(item, e.item(item.Key))
		}
		require.False(e, e.present(b))
		require.False(e, e.present(x))
	}
	put := func(k store.Key, c store.Condition) store.Write {
		return store.Put(store.Item{Key: k, Body: body(`{"new":true}`)}, c)
	}
	for _, tt := range []struct {
		writes []store.Write
		keys   []store.Key
	}{
		{[]store.Write{put(a, store.Absent)}, []store.Key{a}},
		{[]store.Write{put(x, store.Absent), put(a, store.Absent)}, []store.Key{a}},
		{[]store.Write{put(a, store.Absent), put(x, store.Absent)}, []store.Key{a}},
		{[]store.Write{store.Delete(d, store.None), put(x, store.None), put(b, store.Present)}, []store.Key{b}},
		{[]store.Write{put(d, store.Absent), put(x, store.Absent), put(b, store.Present), put(c, store.Present), put(a, store.VersionIs(store.NewVersion()))}, []store.Key{d, b, a}},
		{[]store.Write{store.Delete(b, store.Present), store.Delete(c, store.Absent), store.Delete(a, store.None)}, []store.Key{b, c}},
	} {
		e.conflict(e.s.Apply(e.ctx(), tt.writes...), tt.keys...)
		unchanged()
	}
	e.apply(put(d, store.Present), put(x, store.Absent), store.Delete(b, store.Absent), store.Delete(a, store.VersionIs(before[0].Version)), put(c, store.None))
	require.False(e, e.present(a))
	require.True(e, e.present(x))
}

// An Apply with a put can be repeated as it is: what it made does not stand in its way.
func checkRepeated(e *env) {
	a, b, c := e.key("a"), e.key("b"), e.key("c")
	e.apply(put(b), put(c))
	old := e.item(b)
	writes := []store.Write{
		store.Put(store.Item{Key: a, Body: body(`{"n":1}`)}, store.Absent),
		store.Put(store.Item{Key: b, Body: body(`{"n":2}`)}, store.VersionIs(old.Version)),
		store.Put(store.Item{Key: c, Body: body(`{"n":3}`)}, store.Present),
	}
	for range 3 {
		e.apply(writes...)
		for _, w := range writes {
			e.same(w.Item(), e.item(w.Key))
		}
	}
	e.apply(writes[0]) // alone as well
	e.apply(writes[1])

	// Somebody else's change ends it, and is not undone.
	theirs := put(b)
	e.apply(theirs)
	e.conflict(e.s.Apply(e.ctx(), writes...), b)
	e.same(theirs.Item(), e.item(b))
	e.apply(store.Delete(a, store.None))
	e.conflict(e.s.Apply(e.ctx(), writes...), b)
	require.False(e, e.present(a))

	// Another write that asks for the same is no repetition.
	e.conflict(e.s.Apply(e.ctx(), store.Put(store.Item{Key: b, Body: body(`{}`)}, store.Absent)), b)
}

// A repeated delete finds its item gone; a put of the same Apply that was made proves that this is no conflict.
func checkRepeatedDeletes(e *env) {
	a, b, c := e.key("a"), e.key("b"), e.key("c")
	e.apply(put(b), put(c))
	writes := []store.Write{
		store.Delete(b, store.VersionIs(e.item(b).Version)),
		store.Put(store.Item{Key: a, Body: body(`{"n":1}`)}, store.Absent),
		store.Delete(c, store.Present),
	}
	for range 3 {
		e.apply(writes...)
		require.True(e, e.present(a))
		require.False(e, e.present(b))
		require.False(e, e.present(c))
	}

	// A delete that comes back to another item than it was about still is a conflict, the absent one is not.
	theirs := put(b)
	e.apply(theirs)
	e.conflict(e.s.Apply(e.ctx(), writes...), b)
	e.same(theirs.Item(), e.item(b))

	// Without the proof all of it is.
	e.apply(store.Delete(b, store.None), put(a))
	e.conflict(e.s.Apply(e.ctx(), writes...), b, a, c)

	// A put that was not made does not prove anything, nor does a delete.
	e.conflict(e.s.Apply(e.ctx(), put(e.key("x")), writes[0], writes[2]), b, c)
	e.conflict(e.s.Apply(e.ctx(), writes[0]), b)
	e.apply(store.Delete(b, store.Absent))

	// One proof among several puts is enough for the deletes, not for the puts.
	made := put(e.key("made"))
	e.apply(made)
	e.conflict(e.s.Apply(e.ctx(), writes[0], made, store.Put(store.Item{Key: a, Body: body(`{}`)}, store.Absent)), a)
}
