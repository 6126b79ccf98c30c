package dynamostore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

const (
	batchSize    = 25 // writes in a BatchWriteItem
	batchesAside = 4  // BatchWriteItems at a time
	// batchBytes bounds bodies and sort keys in a BatchWriteItem: a request holds at most 16 MB as sent, where a digit takes ten bytes for
	// the two of a body. Source: Amazon DynamoDB API Reference, BatchWriteItem.
	batchBytes = store.MaxApply
)

// Bulk implements [store.Bulker], by BatchWriteItem, four at a time. What DynamoDB leaves over is tried again, until it has taken
// none of it ten times in a row.
func (s *Store) Bulk(ctx context.Context, writes []store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	free := make(chan struct{}, batchesAside)
	for len(writes) > 0 && ctx.Err() == nil {
		n := batchOf(writes)
		batch := writes[:n]
		writes = writes[n:]
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if err := s.batch(ctx, batch); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if caller.Err() != nil {
		return caller.Err()
	}
	return context.Cause(ctx)
}

// batchOf returns how many of the first writes go into one batch.
func batchOf(writes []store.Write) int {
	bytes := 0
	for i := range writes {
		w := &writes[i]
		bytes += len(w.Key.Sort) + len(w.Body)
		if w.Index != nil {
			bytes += len(w.Index.Sort) + len(w.Key.Sort)
		}
		if i == batchSize || (i > 0 && bytes > batchBytes) {
			return i
		}
	}
	return len(writes)
}

// batch makes at most batchSize writes.
func (s *Store) batch(ctx context.Context, writes []store.Write) error {
	left, err := s.batchItems(writes)
	if err != nil {
		return err
	}
	bound := firstPause
	for stalled := 0; len(left) > 0; {
		in := &dynamodb.BatchWriteItemInput{RequestItems: left, ReturnConsumedCapacity: s.capacity}
		before := count(left)
		if _, err := s.try(ctx, request{batchWriteItem, "", true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
			out, err := s.api.BatchWriteItem(ctx, in, o)
			if err != nil {
				return nil, err
			}
			left = out.UnprocessedItems
			used := make(consumed, len(out.ConsumedCapacity))
			for i := range used {
				used[i] = &out.ConsumedCapacity[i]
			}
			return used, nil
		}); err != nil {
			return because(ctx, "bulk write", err)
		}
		if len(left) == 0 {
			return nil
		}
		if count(left) < before {
			stalled, bound = 0, firstPause
		} else if stalled++; stalled == stalls {
			return because(ctx, "bulk write", &givenUpError{errLeftOver})
		}
		if !wait(ctx, rand.N(bound)) {
			return ctx.Err()
		}
		bound = min(2*bound, longestStop)
	}
	return nil
}

// stalls is how often in a row DynamoDB may take nothing of a batch.
const stalls = 10

var errLeftOver = errors.New("DynamoDB takes no more writes")

func count(items map[string][]types.WriteRequest) int {
	n := 0
	for _, requests := range items {
		n += len(requests)
	}
	return n
}

func (s *Store) batchItems(writes []store.Write) (map[string][]types.WriteRequest, error) {
	items := map[string][]types.WriteRequest{}
	for i := range writes {
		w := &writes[i]
		var r types.WriteRequest
		if w.Delete {
			r.DeleteRequest = &types.DeleteRequest{Key: key(w.Key)}
		} else {
			item, err := encode(w.Item(), call{}) // nobody reads back whose it is
			if err != nil {
				return nil, err
			}
			r.PutRequest = &types.PutRequest{Item: item}
		}
		table := *s.table(w.Key.Table)
		items[table] = append(items[table], r)
	}
	return items, nil
}
