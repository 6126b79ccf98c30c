package dynamostore

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

// Apply implements [store.Store]. One write is one request without a transaction.
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	now := s.now().Unix()
	if len(writes) > 1 {
		return s.transact(ctx, writes, now)
	}
	w := &writes[0]
	doubt, err := s.write(ctx, w, now)
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return nil
	case doubt:
		return s.unsettled(ctx, writes, err)
	case errors.As(err, &failed):
		return &store.ConflictError{Keys: []store.Key{w.Key}}
	}
	return because(ctx, "write", err)
}

// unsettled returns what is told of writes of which an attempt has an unknown outcome: nothing if they stand, and else that it is unknown, whatever DynamoDB said of a
// later attempt. A condition may have failed by the earlier one, or by somebody else; and that one may yet arrive.
func (s *Store) unsettled(ctx context.Context, writes []store.Write, err error) error {
	if ctx.Err() == nil && s.stands(ctx, writes) {
		return nil
	}
	var givenUp *givenUpError
	if !errors.As(err, &givenUp) {
		err = &givenUpError{err}
	}
	return because(ctx, "write", err)
}

// write makes a single write. Its error may be a *types.ConditionalCheckFailedException.
func (s *Store) write(ctx context.Context, w *store.Write, now int64) (doubt bool, err error) {
	c := conditionOf(w, now)
	// On the condition of a version an attempt that arrives late finds another version and fails. All other writes
	// might undo what somebody has done since.
	_, repeatable := w.Condition.Version()
	if w.Delete {
		in := &dynamodb.DeleteItemInput{
			TableName: s.table(w.Key.Table), Key: key(w.Key), ReturnConsumedCapacity: s.capacity,
			ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}
		return s.try(ctx, request{deleteItem, w.Key.Table, repeatable}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
			out, err := s.api.DeleteItem(ctx, in, o)
			if err != nil {
				return nil, err
			}
			return consumed{out.ConsumedCapacity}, nil
		})
	}
	item, err := encode(w.Item())
	if err != nil {
		return false, err
	}
	in := &dynamodb.PutItemInput{
		TableName: s.table(w.Key.Table), Item: item, ReturnConsumedCapacity: s.capacity,
		ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}
	return s.try(ctx, request{putItem, w.Key.Table, repeatable}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		out, err := s.api.PutItem(ctx, in, o)
		if err != nil {
			return nil, err
		}
		return consumed{out.ConsumedCapacity}, nil
	})
}

// stands reads back whether writes of unknown outcome were made: every put's item has its version, and no deleted one is there. As a version is
// never used again, there was then a moment at which all of this held together. A deletion alone leaves no
// trace of who made it.
func (s *Store) stands(ctx context.Context, writes []store.Write) bool {
	if !hasPut(writes) {
		return false
	}
	for i := range writes {
		w := &writes[i]
		item, err := s.Get(ctx, w.Key, store.Strong)
		if w.Delete && !errors.Is(err, store.ErrNotFound) {
			return false
		}
		if !w.Delete && (err != nil || item.Version != w.Version) {
			return false
		}
	}
	return true
}

func hasPut(writes []store.Write) bool {
	for i := range writes {
		if !writes[i].Delete {
			return true
		}
	}
	return false
}

// condition is a condition as DynamoDB takes it; all nil where there is none.
type condition struct {
	expression *string
	names      map[string]string
	values     map[string]types.AttributeValue
}

// Pieces of conditions. An item that has expired is absent, whether DynamoDB has deleted it yet or not.
const (
	isLive   = "(attribute_not_exists(#t) OR #t > :now)"
	isAbsent = "(attribute_not_exists(#v) OR #t <= :now)"
)

// conditionOf returns the condition of a write: that of a put also holds where the item has its version already.
func conditionOf(w *store.Write, now int64) condition {
	version, isVersion := w.Condition.Version()
	var expression string
	switch {
	case isVersion && w.Delete:
		expression = "#v = :v AND " + isLive
	case isVersion:
		expression = "#v IN (:v, :own) AND " + isLive
	case w.Condition.Is(store.Present):
		expression = "attribute_exists(#v) AND " + isLive
	case w.Condition.Is(store.Absent) && w.Delete:
		expression = isAbsent
	case w.Condition.Is(store.Absent):
		expression = isAbsent + " OR #v = :own"
	default:
		return condition{}
	}
	c := condition{
		expression: aws.String(expression),
		names:      map[string]string{"#v": versionName, "#t": expiryName},
		values:     map[string]types.AttributeValue{":now": seconds(now)},
	}
	if isVersion {
		c.values[":v"] = binary(version)
	}
	if !w.Delete && !w.Condition.Is(store.Present) {
		c.values[":own"] = binary(w.Version)
	}
	return c
}
