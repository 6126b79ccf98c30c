// Package dynamostore keeps a [store.Store] in Amazon DynamoDB, for hosts of more than one machine.
package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rhythmiq/rhythmiq/store"
)

// Options of a Store; nil and the zero value are fine.
type Options struct {
	// Prefix begins the names of the three tables; "" means "rhythmiq-". Letters, digits, "_", "-" and ".".
	Prefix string
	// Now is the clock that expiry goes by; nil means time.Now.
	Now func() time.Time
	// AttemptTimeout bounds one request; 0 means 1 s.
	AttemptTimeout time.Duration
	// Patience bounds the retries of one request; 0 means 2 s. A shorter deadline of the caller's context goes before.
	Patience time.Duration
	// Observe, if set, is called after each attempt of a request, by whichever goroutine made it.
	Observe func(ctx context.Context, r Request)
}

// Request is one attempt of one request, for metrics and for bills.
type Request struct {
	Operation  string      // as in DynamoDB's API: GetItem, Query, Scan, PutItem, DeleteItem, BatchWriteItem, TransactWriteItems
	Table      store.Table // "" for BatchWriteItem and TransactWriteItems, which may be of several
	ReadUnits  float64     // consumed, as DynamoDB reports them
	WriteUnits float64     // those of the index included
	Duration   time.Duration
	Err        error // nil, or why this attempt failed
}

// API is what a Store asks of DynamoDB; *[dynamodb.Client] has it.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Store is a store in DynamoDB. Make one with [New].
type Store struct{ api API }

// New returns a store on the tables that [CreateTables] makes. It sends nothing.
func New(client API, o *Options) (*Store, error) { return &Store{client}, nil }

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	return store.Item{}, errors.ErrUnsupported
}

// List implements [store.Store].
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	return store.Page{}, errors.ErrUnsupported
}

// Apply implements [store.Store].
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	return errors.ErrUnsupported
}

// Bulk implements [store.Bulker].
func (s *Store) Bulk(ctx context.Context, writes []store.Write) error {
	return errors.ErrUnsupported
}

// Scan implements [store.Scanner].
func (s *Store) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	return store.Page{}, errors.ErrUnsupported
}
