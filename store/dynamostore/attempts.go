package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rhythmiq/rhythmiq/store"
)

// outcome is what an attempt's error says of the request.
type outcome uint8

const (
	answered outcome = iota // DynamoDB has decided; trying again would give the same
	refused                 // it was not made, and may be made later
	unsent                  // it has not reached DynamoDB
	unsure                  // it may have been made, or may yet be
	underway                // an attempt before this one is being made
)

// refusals are the codes of errors by which DynamoDB asks to come back. Source: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB".
var refusals = []string{
	"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException",
	"TransactionConflictException", "ReplicatedWriteConflictException",
}

// passing are the reasons for a transaction's end that may be others on the next try.
var passing = []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

// judge says what an error means, that is not nil.
func judge(err error) outcome {
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		for _, r := range canceled.CancellationReasons {
			if slices.Contains(passing, aws.ToString(r.Code)) {
				return refused
			}
		}
		return answered
	}
	// The service's errors in the order of what they prove: a code that we know, a status, no answer at all.
	var coded smithy.APIError
	if errors.As(err, &coded) {
		switch {
		case slices.Contains(refusals, coded.ErrorCode()):
			return refused
		case coded.ErrorCode() == "TransactionInProgressException":
			return underway
		case coded.ErrorCode() == "IdempotentParameterMismatchException":
			return unsure // the token is random, so it was an attempt of ours, whatever it was found to differ in
		}
	}
	// The SDK wraps this one in an answer without a status.
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return unsent
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		var unread *smithy.DeserializationError
		switch status := response.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests:
			return refused
		case status == http.StatusRequestTimeout:
			return unsure
		case status >= http.StatusBadRequest && status < http.StatusInternalServerError && errors.As(err, &unread):
			return refused // an answer cut short: it was not made, but why is not known
		case status >= http.StatusBadRequest && status < http.StatusInternalServerError:
			return answered
		}
		return unsure // the server failed, or its answer cannot be read
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return unsure
	}
	if coded != nil {
		return answered
	}
	return unsure // it may be of somebody who stands between us and the SDK
}

// How a request is tried again. Pauses are random between nothing and a bound that is doubled each time ("full jitter"; AWS Architecture
// Blog, "Exponential Backoff And Jitter").
const (
	firstPause  = 10 * time.Millisecond
	longestStop = 400 * time.Millisecond
	unreached   = 3 // attempts without an answer, after which DynamoDB is out of reach
)

// request is what attempts have in common.
type request struct {
	operation  string
	table      store.Table
	repeatable bool // an attempt may be repeated whose outcome is unknown
}

// consumed is what DynamoDB reports of an attempt.
type consumed []*types.ConsumedCapacity

// givenUpError is of a request that got no answer that decides.
type givenUpError struct{ cause error }

func (e *givenUpError) Error() string { return fmt.Sprintf("%v: %v", store.ErrUnavailable, e.cause) }

func (e *givenUpError) Unwrap() []error { return []error{store.ErrUnavailable, e.cause} }

// try makes attempts until DynamoDB has decided, and says whether some attempt's outcome stays unknown. The error is the end of ctx, DynamoDB's
// decision, or an *givenUpError.
func (s *Store) try(ctx context.Context, r request, send func(context.Context, func(*dynamodb.Options)) (consumed, error)) (doubt bool, err error) {
	patience, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	bound := firstPause
	for lost := 0; ; {
		err = s.once(patience, r, send)
		if err == nil {
			return doubt, nil
		}
		said := judge(err)
		if said == unsure || said == underway {
			doubt = true
		}
		switch {
		case said == answered:
			return doubt, err
		case ctx.Err() != nil:
			return doubt, ctx.Err()
		case said == unsure && !r.repeatable, patience.Err() != nil:
			return doubt, &givenUpError{err}
		case said == unsure, said == unsent:
			if lost++; lost == unreached {
				return doubt, &givenUpError{err}
			}
		}
		if !wait(patience, rand.N(bound)) {
			if ctx.Err() != nil {
				return doubt, ctx.Err()
			}
			return doubt, &givenUpError{err}
		}
		bound = min(2*bound, longestStop)
	}
}

// once makes one attempt.
func (s *Store) once(ctx context.Context, r request, send func(context.Context, func(*dynamodb.Options)) (consumed, error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.attempt)
	defer cancel()
	start := time.Now()
	used, err := send(ctx, withoutRetries)
	if s.observe != nil {
		seen := Request{Operation: r.operation, Table: r.table, Duration: time.Since(start), Err: err}
		reads := r.operation == getItem || r.operation == query || r.operation == scan
		for _, c := range used {
			if c == nil {
				continue
			}
			if reads {
				seen.ReadUnits += aws.ToFloat64(c.CapacityUnits)
			} else {
				seen.WriteUnits += aws.ToFloat64(c.CapacityUnits)
			}
		}
		s.observe(ctx, seen)
	}
	return err
}

const (
	getItem            = "GetItem"
	query              = "Query"
	scan               = "Scan"
	putItem            = "PutItem"
	deleteItem         = "DeleteItem"
	batchWriteItem     = "BatchWriteItem"
	transactWriteItems = "TransactWriteItems"
)

func withoutRetries(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// wait waits for d, and says whether ctx lives on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// because wraps an error that try has returned in what was being done. The end of a context stays bare.
func because(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("dynamostore: %s: %w", doing, err)
}
