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

// rounds bounds how often an Apply that was made before starts again because the items that it writes come and go meanwhile.
const rounds = 8

// transact makes several writes as one. Where some delete on a condition, and others put, what failed has to be told from what was made before: an item may
// be gone because of this very Apply. Then the puts are on the further condition that their items do not have their versions yet, so that one
// moment of DynamoDB's says both: which conditions failed, and whether it was made before.
func (s *Store) transact(ctx context.Context, writes []store.Write, now int64) error {
	first := transaction{writes: writes, tell: deletesWhatMayBeGone(writes) && hasPut(writes)}
	for range rounds {
		failed, err := s.transaction(ctx, first, now)
		if failed == nil {
			return err
		}
		again, failed := excused(writes, failed)
		if len(failed) > 0 {
			return conflictOf(writes, failed)
		}
		failed, err = s.transaction(ctx, transaction{writes: again}, now)
		if failed == nil {
			return err
		}
	}
	return fmt.Errorf("dynamostore: write: %w: too many changes at once", store.ErrUnavailable)
}

// deletesWhatMayBeGone reports whether a deletion fails where nothing is.
func deletesWhatMayBeGone(writes []store.Write) bool {
	return slices.ContainsFunc(writes, func(w store.Write) bool {
		return w.Delete && !w.Condition.Is(store.None) && !w.Condition.Is(store.Absent)
	})
}

// failure is a write whose condition does not hold.
type failure struct {
	at       int  // among the writes
	absentee bool // it deletes what is absent
	own      bool // it puts what has its version already
}

// excused returns the failures that are conflicts. If there are none, this very Apply was made before: the writes that it returns say that it still stands.
func excused(writes []store.Write, failed []failure) (again []store.Write, conflicts []failure) {
	if !slices.ContainsFunc(failed, func(f failure) bool { return f.own }) {
		return nil, failed
	}
	again = slices.Clone(writes)
	for _, f := range failed {
		switch {
		case f.own:
			again[f.at].Condition = store.VersionIs(writes[f.at].Version)
		case f.absentee:
			again[f.at].Condition = store.Absent
		default:
			conflicts = append(conflicts, f)
		}
	}
	return again, conflicts
}

func conflictOf(writes []store.Write, failed []failure) error {
	keys := make([]store.Key, len(failed))
	for i, f := range failed {
		keys[i] = writes[f.at].Key
	}
	return &store.ConflictError{Keys: keys}
}

// transaction is several writes as one.
type transaction struct {
	writes []store.Write
	tell   bool // whether they were made before: then it fails, and says so
}

// transaction makes a transaction, once. failed is not nil where some conditions do not hold, and then no attempt has been made, nor will be.
func (s *Store) transaction(ctx context.Context, t transaction, now int64) (failed []failure, err error) {
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken:     aws.String(rand.Text()), // the same for all attempts: DynamoDB makes them once, and remembers for 10 minutes
		ReturnConsumedCapacity: s.capacity,
	}
	c := newCall()
	for i := range t.writes {
		item, err := s.transactItem(&t.writes[i], c, now, t.tell)
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
		return nil, s.unsettled(ctx, t.writes, c, err)
	}
	var canceled *types.TransactionCanceledException
	var givenUp *givenUpError
	if errors.As(err, &canceled) && !errors.As(err, &givenUp) {
		if failed = s.failures(t.writes, canceled.CancellationReasons); failed != nil {
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
		item, err := decode(writes[i].Key.Table, r.Item) // none where it was not asked for
		present := err == nil && !item.Expired(s.now())
		if w := &writes[i]; w.Delete {
			f.absentee = len(r.Item) == 0 || (err == nil && !present)
		} else {
			f.own = present && item.Version == w.Version
		}
		failed = append(failed, f)
	}
	return failed
}

func (s *Store) transactItem(w *store.Write, by call, now int64, tell bool) (types.TransactWriteItem, error) {
	c := conditionOf(w, now, tell)
	var old types.ReturnValuesOnConditionCheckFailure
	if tell {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	if w.Delete {
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: s.table(w.Key.Table), Key: key(w.Key), ReturnValuesOnConditionCheckFailure: old,
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}}, nil
	}
	item, err := encode(w.Item(), by)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table(w.Key.Table), Item: item, ReturnValuesOnConditionCheckFailure: old,
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}}, nil
}
