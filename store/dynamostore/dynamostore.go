package dynamostore

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// Options of a Store; nil and the zero value are fine.
type Options struct {
	// Prefix begins the names of the three tables: at most 200 letters, digits, "_", "-" and "."; "" means [DefaultPrefix].
	Prefix string
	// Now is the clock that expiry goes by; nil means time.Now.
	Now func() time.Time
	// AttemptTimeout bounds one request; 0 means 1 s.
	AttemptTimeout time.Duration
	// Patience bounds all attempts of one request together; 0 means 2 s. A shorter deadline of the caller's context goes before. Where
	// DynamoDB cannot be reached at all, three attempts are made.
	Patience time.Duration
	// Observe, if set, is called after each attempt of a request, by whichever goroutine made it.
	Observe func(ctx context.Context, r Request)
}

// DefaultPrefix begins the tables' names where no other prefix is given.
const DefaultPrefix = "rhythmiq-"

const (
	defaultAttemptTimeout = time.Second
	defaultPatience       = 2 * time.Second
)

// Request is one attempt of one request, for metrics and for bills.
type Request struct {
	Operation  string        // as in DynamoDB's API: GetItem, Query, Scan, PutItem, DeleteItem, BatchWriteItem, TransactWriteItems
	Table      store.Table   // "" for BatchWriteItem and TransactWriteItems, which may be of several
	ReadUnits  float64       // consumed, as DynamoDB reports them
	WriteUnits float64       // those of the index included
	Duration   time.Duration // from sending to the answer
	Err        error         // nil, or why this attempt failed; a condition that does not hold is an error
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
type Store struct {
	api      API
	prefix   string
	now      func() time.Time
	attempt  time.Duration
	patience time.Duration
	observe  func(context.Context, Request)
	capacity types.ReturnConsumedCapacity
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Bulker  = (*Store)(nil)
	_ store.Scanner = (*Store)(nil)
)

// New returns a store on the tables that [CreateTables] makes. It sends nothing. Its error names every wrong option.
//
// The client's own retries are switched off for the Store's requests, since only the Store knows which may be sent again.
func New(client API, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{
		api: client, prefix: o.Prefix, now: o.Now, attempt: o.AttemptTimeout, patience: o.Patience,
		observe: o.Observe, capacity: types.ReturnConsumedCapacityNone,
	}
	if s.prefix == "" {
		s.prefix = DefaultPrefix
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.attempt == 0 {
		s.attempt = defaultAttemptTimeout
	}
	if s.patience == 0 {
		s.patience = defaultPatience
	}
	if s.observe != nil {
		s.capacity = types.ReturnConsumedCapacityTotal
	}
	var f fault.Fields
	if client == nil {
		f.Add("client", "is required")
	}
	if err := checkPrefix(s.prefix); err != nil {
		f.Add("Prefix", "%v", err)
	}
	if s.attempt < 0 {
		f.Add("AttemptTimeout", "must not be negative")
	}
	if s.patience < 0 {
		f.Add("Patience", "must not be negative")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`)

func checkPrefix(prefix string) error {
	if !prefixForm.MatchString(prefix) {
		return errors.New("the prefix of the tables' names has 1 to 200 characters: letters, digits, dots, dashes, underscores")
	}
	return nil
}

// table returns the name of a table that store.CheckKey or store.CheckQuery knows.
func (s *Store) table(t store.Table) *string { return aws.String(s.prefix + string(t)) }
