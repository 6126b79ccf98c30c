package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

// rounds bounds how often an Apply that was made before starts again because the items that it deletes come and go meanwhile.
const rounds = 8

// transact makes several writes as one.
func (s *Store) transact(ctx context.Context, writes []store.Write, now int64) error {
	for range rounds {
		failed, err := s.transaction(ctx, writes, now)
		if failed == nil {
			return err
		}
		proof, err := s.proof(ctx, writes, failed)
		if err != nil {
			return err
		}
		if proof < 0 {
			return conflictOf(writes, failed)
		}
		// This very Apply was made before, so that deletes need not find anything.
		again := slices.Clone(writes)
		again[proof].Condition = store.VersionIs(writes[proof].Version)
		failed = slices.DeleteFunc(failed, func(f failure) bool {
			if f.absentee {
				again[f.at].Condition = store.Absent
			}
			return f.absentee
		})
		if len(failed) > 0 {
			return conflictOf(writes, failed)
		}
		failed, err = s.transaction(ctx, again, now)
		if failed == nil {
			return err
		}
	}
	return fmt.Errorf("dynamostore: write: %w: too many changes at once", store.ErrUnavailable)
}

// failure is a write whose condition does not hold.
type failure struct {
	at       int  // among the writes
	absentee bool // it deletes what is absent
}

func conflictOf(writes []store.Write, failed []failure) error {
	keys := make([]store.Key, len(failed))
	for i, f := range failed {
		keys[i] = writes[f.at].Key
	}
	return &store.ConflictError{Keys: keys}
}

// transaction makes writes as one, once. failed is not nil where some conditions do not hold, and then no attempt has been made, nor will be.
func (s *Store) transaction(ctx context.Context, writes []store.Write, now int64) (failed []failure, err error) {
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken:     aws.String(rand.Text()), // the same for all attempts: DynamoDB makes them once, and remembers for 10 minutes
		ReturnConsumedCapacity: s.capacity,
	}
	repeatable := hasPut(writes)
	for i := range writes {
		item, err := s.transactItem(&writes[i], now, repeatable)
		if err != nil {
			return nil, err
		}
		in.TransactItems = append(in.TransactItems, item)
	}
	var payload payload
	doubt, err := s.try(ctx, request{transactWriteItems, "", true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		out, err := s.api.TransactWriteItems(ctx, in, o, payload.same)
		if err != nil {
			return nil, err
		}
		used := make(consumed, len(out.ConsumedCapacity))
		for i := range used {
			used[i] = &out.ConsumedCapacity[i]
		}
		return used, nil
	})
	if err == nil {
		return nil, nil
	}
	if doubt {
		return nil, s.unsettled(ctx, writes, err)
	}
	var canceled *types.TransactionCanceledException
	var givenUp *givenUpError
	if errors.As(err, &canceled) && !errors.As(err, &givenUp) {
		if failed = s.failures(writes, canceled.CancellationReasons); failed != nil {
			return failed, nil
		}
	}
	return nil, because(ctx, "write", err)
}

// failures returns the writes whose conditions DynamoDB names, nil for none. Reasons are in the order of the writes.
func (s *Store) failures(writes []store.Write, reasons []types.CancellationReason) []failure {
	var failed []failure
	for i, r := range reasons {
		if i == len(writes) || aws.ToString(r.Code) != "ConditionalCheckFailed" {
			continue
		}
		f := failure{at: i}
		if w := &writes[i]; w.Delete {
			item, err := decode(w.Key.Table, r.Item)
			f.absentee = len(r.Item) == 0 || (err == nil && item.Expired(s.now()))
		}
		failed = append(failed, f)
	}
	return failed
}

// proof returns a put that already has its version, if that matters; else −1.
func (s *Store) proof(ctx context.Context, writes []store.Write, failed []failure) (int, error) {
	if !slices.ContainsFunc(failed, func(f failure) bool { return f.absentee }) {
		return -1, nil
	}
	for i := range writes {
		if writes[i].Delete {
			continue
		}
		item, err := s.Get(ctx, writes[i].Key, store.Strong)
		switch {
		case err == nil && item.Version == writes[i].Version:
			return i, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return -1, err
		}
	}
	return -1, nil
}

func (s *Store) transactItem(w *store.Write, now int64, repeatable bool) (types.TransactWriteItem, error) {
	c := conditionOf(w, now)
	if w.Delete {
		d := &types.Delete{
			TableName: s.table(w.Key.Table), Key: key(w.Key),
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}
		if repeatable {
			d.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		}
		return types.TransactWriteItem{Delete: d}, nil
	}
	item, err := encode(w.Item())
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table(w.Key.Table), Item: item,
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}}, nil
}
