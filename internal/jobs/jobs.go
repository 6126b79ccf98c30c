// Package jobs keeps work that must be finished even if the process that began it dies. A job is an item of its own,
// written in the same Apply as what makes the work due, and deleted once the work is done; a package resumes
// what was cut off by running through its jobs now and then.
//
// Jobs of all kinds share 16 partitions: few, so that looking through all of them is quick, and more than one, so that no
// partition of a large installation takes all of their writes.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Kind is the work that a job stands for, in kebab-case, such as "delete-profile". It is a part of stored keys.
type Kind string

const partitions = 16

func partition(n int) store.Partition { return store.HashPartition("jobs", strconv.Itoa(n)) }

// Key returns the key of the job of a kind about id, of which there is at most one.
func (k Kind) Key(id uuid.UUID) store.Key {
	n := int(id[len(id)-1]) % partitions // the last byte is random in UUIDs of version 4 and 7
	return store.Key{Table: store.Users, Partition: partition(n), Sort: k.prefix() + id.String()}
}

func (k Kind) prefix() string { return string(k) + "#" }

// Resume calls do for every job of the kind; do finishes the work and deletes the job. Several instances may resume at
// once, so do must bear to be called for work that is under way, or was finished since. What fails is left for the next
// Resume and does not keep it from the rest: the error tells of all that failed, once for each reason. A context that ends is
// the only error then.
func (k Kind) Resume(ctx context.Context, s store.Store, do func(ctx context.Context, id uuid.UUID, job store.Item) error) error {
	var failed reasons
	for n := range partitions {
		q := store.Query{Table: store.Users, Partition: partition(n), Prefix: k.prefix(), Read: store.Strong}
		for job, err := range store.All(ctx, s, q) {
			if err == nil {
				err = k.resume(ctx, job, do)
			}
			failed.add(err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed.err()
}

func (k Kind) resume(ctx context.Context, job store.Item, do func(context.Context, uuid.UUID, store.Item) error) error {
	id, err := uuid.Parse(strings.TrimPrefix(job.Key.Sort, k.prefix()))
	if err != nil {
		return fmt.Errorf("jobs: %v: %w", job.Key, err)
	}
	return do(ctx, id, job)
}

// maxReasons bounds the error's length, whatever the number of jobs.
const maxReasons = 5

// reasons collects errors: those with the same words once, since in an outage all of them are the same.
type reasons struct {
	distinct []error
	times    []int // how often each of distinct was met
	more     int   // errors that were left out
}

func (r *reasons) add(err error) {
	if err == nil {
		return
	}
	for i, known := range r.distinct {
		if known.Error() == err.Error() {
			r.times[i]++
			return
		}
	}
	if len(r.distinct) == maxReasons {
		r.more++
		return
	}
	r.distinct, r.times = append(r.distinct, err), append(r.times, 1)
}

// err returns one error that wraps all that was collected, or nil.
func (r *reasons) err() error {
	var all []error
	for i, err := range r.distinct {
		if r.times[i] > 1 {
			err = fmt.Errorf("%w (%d times)", err, r.times[i])
		}
		all = append(all, err)
	}
	if r.more > 0 {
		all = append(all, fmt.Errorf("and %d more", r.more))
	}
	return errors.Join(all...)
}
