package dynamostore

import (
	"context"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

// Scan implements [store.Scanner]. It reads all of a table at the price of strong reads.
func (s *Store) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	q := store.Query{Table: table, Limit: limit, Read: store.Strong}
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	start, err := scanStart(table, cursor)
	if err != nil {
		return store.Page{}, err
	}
	in := &dynamodb.ScanInput{
		TableName: s.table(table), ExclusiveStartKey: start, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: s.capacity,
		Limit: aws.Int32(int32(q.PageLimit())),
	}
	var out *dynamodb.ScanOutput
	if _, err := s.try(ctx, request{scan, table, true}, func(ctx context.Context, o func(*dynamodb.Options)) (consumed, error) {
		var err error
		if out, err = s.api.Scan(ctx, in, o); err != nil {
			return nil, err
		}
		return consumed{out.ConsumedCapacity}, nil
	}); err != nil {
		return store.Page{}, because(ctx, "scan", err)
	}
	page := store.Page{}
	if page.Items, err = s.decodeAll(table, out.Items, ""); err != nil {
		return store.Page{}, err
	}
	if len(out.LastEvaluatedKey) > 0 {
		r := reader{m: out.LastEvaluatedKey}
		p, sort := r.binary(partitionName), r.text(sortName)
		if r.wrong != nil {
			return store.Page{}, r.wrong
		}
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(string(table) + "\x00" + string(p[:]) + sort))
	}
	return page, nil
}

// scanStart returns the key after which a page begins, nil for the first page.
func scanStart(table store.Table, cursor string) (map[string]types.AttributeValue, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	head := string(table) + "\x00"
	k := store.Key{Table: table}
	if err == nil && len(b) > len(head)+len(k.Partition) && string(b[:len(head)]) == head {
		b = b[len(head):]
		k.Sort = string(b[copy(k.Partition[:], b):])
		if store.CheckKey(k) == nil {
			return key(k), nil
		}
	}
	return nil, &store.LimitError{Reason: "the cursor is not of this scan"}
}
