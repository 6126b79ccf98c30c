package dynamostore

import (
	"bytes"
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
	if len(writes) > 1 {
		return s.transact(ctx, writes)
	}
	w, c := &writes[0], newCall()
	doubt, err := s.write(ctx, w, c)
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return nil
	case doubt:
		return s.unsettled(ctx, writes, c, err)
	case errors.As(err, &failed):
		return &store.ConflictError{Keys: []store.Key{w.Key}}
	}
	return because(ctx, "write", err)
}

// unsettled returns what is told of writes of which an attempt has an unknown outcome: nothing if this call is seen to have made them, and else that it is unknown,
// whatever DynamoDB said of a later attempt. A condition may have failed by the earlier one, or by somebody else; and that one may yet arrive.
func (s *Store) unsettled(ctx context.Context, writes []store.Write, c call, err error) error {
	if ctx.Err() == nil && s.made(ctx, writes, c) {
		return nil
	}
	var givenUp *givenUpError
	if !errors.As(err, &givenUp) {
		err = &givenUpError{err}
	}
	return because(ctx, "write", err)
}

// write makes a single write, in one attempt if that may have reached DynamoDB: one that arrives late, after another was acknowledged, would undo what
// somebody has done since. Not even the condition of a version forbids that: the version may be back by then, if its write is repeated. The
// error may be a *types.ConditionalCheckFailedException.
func (s *Store) write(ctx context.Context, w *store.Write, by call) (doubt bool, err error) {
	if w.Delete {
		in := &dynamodb.DeleteItemInput{TableName: s.table(w.Key.Table), Key: key(w.Key), ReturnConsumedCapacity: s.capacity}
		return s.try(ctx, request{deleteItem, w.Key.Table, false}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
			c := conditionOf(w, s.now().Unix(), false) // of each attempt: an earlier one was refused, and time has passed
			in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = c.expression, c.names, c.values
			out, err := s.api.DeleteItem(ctx, in, o)
			if err != nil {
				return nil, err
			}
			return consumed{out.ConsumedCapacity}, nil
		})
	}
	item, err := encode(w.Item(), by)
	if err != nil {
		return false, err
	}
	in := &dynamodb.PutItemInput{TableName: s.table(w.Key.Table), Item: item, ReturnConsumedCapacity: s.capacity}
	return s.try(ctx, request{putItem, w.Key.Table, false}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		c := conditionOf(w, s.now().Unix(), false) // of each attempt: an earlier one was refused, and time has passed
		in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = c.expression, c.names, c.values
		out, err := s.api.PutItem(ctx, in, o)
		if err != nil {
			return nil, err
		}
		return consumed{out.ConsumedCapacity}, nil
	})
}

// made reads back whether it is to be seen that a call has made its writes: one of the puts' items bears it. Then all of them were made, once:
// there was one attempt, or they had one client request token. A deletion alone leaves no trace of who made it.
func (s *Store) made(ctx context.Context, writes []store.Write, c call) bool {
	for i := range writes {
		if writes[i].Delete {
			continue
		}
		m, err := s.get(ctx, writes[i].Key, store.Strong)
		if err != nil {
			return false
		}
		if by, ok := m[callName].(*types.AttributeValueMemberB); ok && bytes.Equal(by.Value, c[:]) {
			return true
		}
	}
	return false
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
	isOwn    = "(#v = :own AND " + isLive + ")"
	isNotOwn = "(#v <> :own OR " + isAbsent + ")"
)

// conditionOf returns the condition of a write. That of a put also holds where the item has its version already, or, if it is to be told
// that it was made before, does not hold then.
func conditionOf(w *store.Write, now int64, tell bool) condition {
	version, isVersion := w.Condition.Version()
	var expression string
	switch {
	case isVersion:
		expression = "#v = :v AND " + isLive
	case w.Condition.Is(store.Present):
		expression = "attribute_exists(#v) AND " + isLive
	case w.Condition.Is(store.Absent):
		expression = isAbsent
	}
	ownMatters := !w.Delete && (tell || isVersion || w.Condition.Is(store.Absent))
	switch {
	case expression == "" && !ownMatters:
		return condition{}
	case expression == "":
		expression = isNotOwn
	case ownMatters && tell:
		expression += " AND " + isNotOwn
	case ownMatters:
		expression += " OR " + isOwn
	}
	c := condition{
		expression: aws.String(expression),
		names:      map[string]string{"#v": versionName, "#t": expiryName},
		values:     map[string]types.AttributeValue{":now": seconds(now)},
	}
	if isVersion {
		c.values[":v"] = binary(version)
	}
	if ownMatters {
		c.values[":own"] = binary(w.Version)
	}
	return c
}
