package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rhythmiq/rhythmiq/store"
)

// Scan implements [store.Scanner]. It reads all of a table at the price of strong reads.
func (s *Store) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckScan(table, limit); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeScanCursor(table, cursor)
	if err != nil {
		return store.Page{}, err
	}
	in := &dynamodb.ScanInput{
		TableName: s.table(table), ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: s.capacity,
		Limit: aws.Int32(int32(store.Query{Limit: limit}.PageLimit())),
	}
	if resumed {
		in.ExclusiveStartKey = key(after)
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
	if page.Items, err = s.decodeAll(table, out.Items); err != nil {
		return store.Page{}, err
	}
	if len(out.LastEvaluatedKey) > 0 {
		r := reader{m: out.LastEvaluatedKey}
		last := store.Key{Table: table, Partition: r.binary(partitionName), Sort: r.text(sortName)}
		if r.wrong != nil {
			return store.Page{}, fmt.Errorf("dynamostore: the end of a page: %w", r.wrong)
		}
		page.Next = store.EncodeScanCursor(last)
	}
	return page, nil
}
