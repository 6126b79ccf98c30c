package jobs

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Due is a job that waited for its time.
type Due struct {
	ID   uuid.UUID
	Item store.Item
}

// DueKey returns the key of the job of a kind about id that falls due at a time, in whole seconds. There may be several of one id at different
// times; whoever moves one deletes it and puts the other in one Apply.
func (k Kind) DueKey(id uuid.UUID, at time.Time) store.Key {
	key := k.Key(id)
	key.Sort = k.due(at) + id.String()
	return key
}

// due is what the keys of jobs of a time begin with; in the order of the times, and not as those of Key.
func (k Kind) due(at time.Time) string { return string(k) + "@" + at.UTC().Format(time.RFC3339) + "#" }

// Due runs through all jobs of the kind that are due at now, in the order in which they fell due. It reads strongly, no job that is not due, and each
// only when its turn is near, so that some hundred of them are held at a time; a job that is stuck, and still there, keeps nothing that comes after it from its turn. What is
// written or deleted meanwhile may be met or not. An error ends it.
func (k Kind) Due(ctx context.Context, s store.Store, now time.Time) iter.Seq2[Due, error] {
	return func(yield func(Due, error) bool) {
		var heads []*head
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for n := range partitions {
			h := &head{}
			h.next, h.stop = iter.Pull2(k.timed(ctx, s, store.Query{
				Table: store.Users, Partition: partition(n), Prefix: k.timePrefix(), To: k.due(now.Add(time.Second)), Read: store.Strong, Limit: duePage,
			}))
			heads = append(heads, h)
			if !h.advance() {
				yield(Due{}, h.err)
				return
			}
		}
		for {
			first := heads[0]
			for _, h := range heads[1:] {
				if h.more && (!first.more || h.job.Item.Key.Sort < first.job.Item.Key.Sort) {
					first = h
				}
			}
			if !first.more || !yield(first.job, nil) {
				return
			}
			if !first.advance() {
				yield(Due{}, first.err)
				return
			}
		}
	}
}

// duePage is how many jobs of a partition are read at once.
const duePage = 50

// head is the next job of one partition.
type head struct {
	next func() (Due, error, bool)
	stop func()
	job  Due
	more bool
	err  error
}

// advance goes on to the next job, and reports whether it could be told whether there is one.
func (h *head) advance() bool {
	h.job, h.err, h.more = h.next()
	return h.err == nil
}

func (k Kind) timePrefix() string { return string(k) + "@" }

// timed runs through the jobs with a time that a query finds.
func (k Kind) timed(ctx context.Context, s store.Store, q store.Query) iter.Seq2[Due, error] {
	return func(yield func(Due, error) bool) {
		for item, err := range store.All(ctx, s, q) {
			if err != nil {
				yield(Due{}, err)
				return
			}
			id, err := uuid.Parse(item.Key.Sort[strings.LastIndexByte(item.Key.Sort, '#')+1:])
			if err != nil {
				continue // nobody's
			}
			if !yield(Due{id, item}, nil) {
				return
			}
		}
	}
}

// Waiting runs through all jobs of the kind that have a time, whether it has come or not, in no order. It reads strongly, and an error ends it.
func (k Kind) Waiting(ctx context.Context, s store.Store) iter.Seq2[Due, error] {
	return func(yield func(Due, error) bool) {
		for n := range partitions {
			q := store.Query{Table: store.Users, Partition: partition(n), Prefix: k.timePrefix(), Read: store.Strong}
			for job, err := range k.timed(ctx, s, q) {
				if !yield(job, err) || err != nil {
					return
				}
			}
		}
	}
}
