package jobs

import (
	"context"
	"iter"
	"slices"
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

// Due returns at most limit (1–1,000) jobs of the kind that are due at now, the ones that were due first before others. It reads
// strongly, and no job that is not due.
func (k Kind) Due(ctx context.Context, s store.Store, now time.Time, limit int) ([]Due, error) {
	var all []Due
	for n := range partitions {
		q := store.Query{
			Table: store.Users, Partition: partition(n), Prefix: string(k) + "@", To: k.due(now.Add(time.Second)), Read: store.Strong, Limit: limit,
		}
		taken := 0
		for item, err := range store.All(ctx, s, q) {
			if err != nil {
				return nil, err
			}
			id, err := uuid.Parse(item.Key.Sort[strings.LastIndexByte(item.Key.Sort, '#')+1:])
			if err != nil {
				continue // nobody's
			}
			all = append(all, Due{id, item})
			if taken++; taken == limit {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b Due) int { return strings.Compare(a.Item.Key.Sort, b.Item.Key.Sort) })
	return all[:min(limit, len(all))], nil
}

// Waiting runs through all jobs of the kind that have a time, whether it has come or not, in no order. It reads strongly, and an error ends it.
func (k Kind) Waiting(ctx context.Context, s store.Store) iter.Seq2[Due, error] {
	return func(yield func(Due, error) bool) {
		for n := range partitions {
			q := store.Query{Table: store.Users, Partition: partition(n), Prefix: string(k) + "@", Read: store.Strong}
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
}
