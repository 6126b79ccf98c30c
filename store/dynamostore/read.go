package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckKey(k); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckRead(r); err != nil {
		return store.Item{}, err
	}
	m, err := s.get(ctx, k, r)
	if err != nil {
		return store.Item{}, because(ctx, "get", err)
	}
	if len(m) == 0 {
		return store.Item{}, store.ErrNotFound
	}
	item, err := decode(k.Table, m)
	if err != nil {
		return store.Item{}, err
	}
	if item.Expired(s.now()) {
		return store.Item{}, store.ErrNotFound
	}
	return item, nil
}

// get returns the attributes of an item, none where it is absent. The error is that of try.
func (s *Store) get(ctx context.Context, k store.Key, r store.Read) (map[string]types.AttributeValue, error) {
	in := &dynamodb.GetItemInput{
		TableName: s.table(k.Table), Key: key(k),
		ConsistentRead: aws.Bool(r == store.Strong), ReturnConsumedCapacity: s.capacity,
	}
	var out *dynamodb.GetItemOutput
	if _, err := s.try(ctx, request{getItem, k.Table, true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		var err error
		if out, err = s.api.GetItem(ctx, in, o); err != nil {
			return nil, err
		}
		return consumed{out.ConsumedCapacity}, nil
	}); err != nil {
		return nil, err
	}
	return out.Item, nil
}

// List implements [store.Store]. A page may be shorter than asked for where items have expired or are large, since DynamoDB counts
// before it leaves out, and ends a page at 1 MB. A last page may be empty.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	sel, some := selected(q)
	if !some {
		return store.Page{Items: []store.Item{}}, nil
	}
	start, err := startKey(q)
	if err != nil {
		return store.Page{}, err
	}
	in := &dynamodb.QueryInput{
		TableName:                 s.table(q.Table),
		KeyConditionExpression:    aws.String(sel.condition),
		ExpressionAttributeNames:  sel.names,
		ExpressionAttributeValues: sel.values,
		ExclusiveStartKey:         start,
		ScanIndexForward:          aws.Bool(!q.Descending),
		Limit:                     aws.Int32(int32(q.PageLimit())),
		ConsistentRead:            aws.Bool(q.Read == store.Strong && !q.ByIndex),
		ReturnConsumedCapacity:    s.capacity,
	}
	if q.ByIndex {
		in.IndexName = aws.String(indexName)
	}
	var out *dynamodb.QueryOutput
	if _, err := s.try(ctx, request{query, q.Table, true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		var err error
		if out, err = s.api.Query(ctx, in, o); err != nil {
			return nil, err
		}
		return consumed{out.ConsumedCapacity}, nil
	}); err != nil {
		return store.Page{}, because(ctx, "list", err)
	}
	page := store.Page{}
	if page.Items, err = s.decodeAll(q.Table, out.Items); err != nil {
		return store.Page{}, err
	}
	if len(out.LastEvaluatedKey) > 0 {
		last, err := position(q, out.LastEvaluatedKey)
		if err != nil {
			return store.Page{}, err
		}
		page.Next = store.EncodeCursor(q, last)
	}
	return page, nil
}

// decodeAll leaves out what has expired.
func (s *Store) decodeAll(table store.Table, rows []map[string]types.AttributeValue) ([]store.Item, error) {
	items := make([]store.Item, 0, len(rows))
	now := s.now()
	for _, row := range rows {
		item, err := decode(table, row)
		if err != nil {
			return nil, err
		}
		if !item.Expired(now) {
			items = append(items, item)
		}
	}
	return items, nil
}
