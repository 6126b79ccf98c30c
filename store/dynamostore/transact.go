package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

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
func (s *Store) transact(ctx context.Context, writes []store.Write) error {
	first := transaction{writes: writes, tell: deletesWhatMayBeGone(writes) && hasPut(writes)}
	for range rounds {
		failed, err := s.transaction(ctx, first)
		if failed == nil {
			return err
		}
		again, failed := excused(writes, failed)
		if len(failed) > 0 {
			return conflictOf(writes, failed)
		}
		failed, err = s.transaction(ctx, transaction{writes: again})
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
func (s *Store) transaction(ctx context.Context, t transaction) (failed []failure, err error) {
	c := newCall()
	in := &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: s.capacity}
	for i := range t.writes {
		item, err := s.transactItem(&t.writes[i], c, t.tell)
		if err != nil {
			return nil, err
		}
		in.TransactItems = append(in.TransactItems, item)
	}
	var (
		sent payload
		now  int64  // by which conditions tell what has expired
		sure = true // no attempt before may have been made
	)
	doubt, err := s.try(ctx, request{transactWriteItems, "", true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		// What was refused is another transaction when it is sent again at another second. What may have been made is the same one, by its token.
		if second := s.now().Unix(); sure && second != now {
			now, sent = second, payload{}
			t.hold(in, now)
		}
		out, err := s.api.TransactWriteItems(ctx, in, o, sent.same)
		if err != nil {
			said := judge(err)
			sure = sure && (said == refused || said == unsent)
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
		if failed = failures(t.writes, canceled.CancellationReasons, now); failed != nil {
			return failed, nil
		}
	}
	return nil, because(ctx, "write", err)
}

// failures returns the writes whose conditions DynamoDB names, nil for none. Reasons are in the order of the writes.
func failures(writes []store.Write, reasons []types.CancellationReason, now int64) []failure {
	var failed []failure
	for i, r := range reasons {
		if i == len(writes) || aws.ToString(r.Code) != "ConditionalCheckFailed" {
			continue
		}
		f := failure{at: i}
		item, err := decode(writes[i].Key.Table, r.Item) // none where it was not asked for
		present := err == nil && !item.Expired(time.Unix(now, 0))
		if w := &writes[i]; w.Delete {
			f.absentee = len(r.Item) == 0 || (err == nil && !present)
		} else {
			f.own = present && item.Version == w.Version
		}
		failed = append(failed, f)
	}
	return failed
}

// hold sets the conditions of the writes as of a second, and a token by which all attempts of this are one: DynamoDB remembers it for 10 minutes.
func (t *transaction) hold(in *dynamodb.TransactWriteItemsInput, now int64) {
	in.ClientRequestToken = aws.String(rand.Text())
	for i := range t.writes {
		c := conditionOf(&t.writes[i], now, t.tell)
		if d := in.TransactItems[i].Delete; d != nil {
			d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues = c.expression, c.names, c.values
		} else {
			p := in.TransactItems[i].Put
			p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues = c.expression, c.names, c.values
		}
	}
}

// transactItem returns a write of a transaction, without its condition.
func (s *Store) transactItem(w *store.Write, by call, tell bool) (types.TransactWriteItem, error) {
	var old types.ReturnValuesOnConditionCheckFailure
	if tell {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	if w.Delete {
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: s.table(w.Key.Table), Key: key(w.Key), ReturnValuesOnConditionCheckFailure: old,
		}}, nil
	}
	item, err := encode(w.Item(), by)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table(w.Key.Table), Item: item, ReturnValuesOnConditionCheckFailure: old,
	}}, nil
}
