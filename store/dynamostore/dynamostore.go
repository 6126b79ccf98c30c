// Package dynamostore keeps a [store.Store] in Amazon DynamoDB, for hosts of more than one machine. It makes tables on request only
// ([CreateTables]), starts no goroutine that outlives a call, and knows nothing of listeners or music.
//
//	client := dynamodb.NewFromConfig(config) // of aws-sdk-go-v2; credentials and region are its matter
//	_, err := dynamostore.CreateTables(ctx, client, nil)
//	s, err := dynamostore.New(client, nil)
//
// # Tables
//
// There are three, billed on demand: rhythmiq-users, rhythmiq-interactions and rhythmiq-models, where the prefix "rhythmiq-" is an
// option. All have the same attributes:
//
//	pk    B  16 bytes: the partition, a UUID or a hash. No name or address is ever part of a key.
//	sk    S  the sort key, such as profile or vector#0198c0de-…
//	_v    B  16 bytes: the version, which is also the ETag
//	_ttl  N  seconds since 1970 from which the item is absent; DynamoDB deletes it some time later. Only where it expires
//	_xp   B  16 bytes: the partition in the index. Only where it is indexed
//	_xs   S  the place in it: the index's sort key, a NUL, pk in hexadecimal digits, sk
//	…        every field of the body as an attribute of its own: S, N, BOOL, NULL, L or M
//
// A field whose name is empty, pk or sk, or begins with "_", has one more "_" before it, at every depth.
//
// A profile (of rhythmiq-users), as the console shows it in JSON view:
//
//	{
//	  "pk": {"B": "AZjA3hKqdvyVhT0p1Q4aUw=="}, "sk": {"S": "profile"}, "_v": {"B": "Yz0vT1mJbW5oQ3h5c2hJQQ=="},
//	  "username": {"S": "ada"}, "email": {"S": "ada@example.com"}, "firstName": {"S": "Ada"}, "createdAt": {"S": "2026-11-23T18:40:00Z"}, …
//	}
//
// A claim on an e-mail address, which is what keeps it unique; pk is a hash:
//
//	{"pk": {"B": "3q2+7wABAgMEBQYHCAkKCw=="}, "sk": {"S": "claim"}, "_v": {"B": "…"}, "profileId": {"S": "0198c0de-12aa-76fc-9585-3d29d50e1a53"}}
//
// An interaction (of rhythmiq-interactions), gone after 90 days, and indexed by its day:
//
//	{
//	  "pk": {"B": "AZjA3hKqdvyVhT0p1Q4aUw=="}, "sk": {"S": "event#2026-11-23T18:40:00.000000000Z#7c9e6679-…"}, "_v": {"B": "…"},
//	  "_ttl": {"N": "1803062400"}, "_xp": {"B": "r1Vq3v4HTzG7mJx0aJ0q2A=="}, "_xs": {"S": "2026-11-23T18:40:00.000000000Z#7c9e6679-…␀0198c0de12aa76fc95853d29d50e1a53event#2026-…"},
//	  "trackId": {"S": "rock-017"}, "action": {"S": "skip"}, "positionSeconds": {"N": "12.5"}
//	}
//
// Each table has one global secondary index, "index", on _xp and _xs. It holds whole items, since a listing by it gives whole items, and
// costs nothing where no item is indexed. There is no local secondary index.
//
// # Cost
//
// A Get is one GetItem and a page one Query, eventually consistent unless the caller asks for [store.Strong]. An Apply of one write is
// one PutItem or DeleteItem with a condition; only one of several is a transaction, which DynamoDB charges twofold. Bulk
// writes are BatchWriteItem. An Apply reads before it writes only where DynamoDB's answer was lost, or a repeated delete finds nothing.
//
// # Faults
//
// Refusals (throttling, a conflict with a transaction under way) are tried again with growing random pauses within
// [Options.Patience]. So is a request whose answer was lost, but only where a first attempt that arrives late can do no harm: reads,
// transactions (by their client request token), and writes on the condition of a version. A single write of another
// kind is read back instead: it was made if the item has its version, and otherwise the outcome is unknown, which is
// [store.ErrUnavailable]. A condition that fails after an attempt with an unknown outcome is unknown too, never a conflict.
//
// Sources: Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works" (isolation, idempotency), "Error handling
// with DynamoDB", "Service, account, and table quotas".
package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
	var wrong []string
	if client == nil {
		wrong = append(wrong, "no client")
	}
	if err := checkPrefix(s.prefix); err != nil {
		wrong = append(wrong, err.Error())
	}
	if s.attempt < 0 {
		wrong = append(wrong, "AttemptTimeout is negative")
	}
	if s.patience < 0 {
		wrong = append(wrong, "Patience is negative")
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("dynamostore: %s", strings.Join(wrong, "; "))
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
