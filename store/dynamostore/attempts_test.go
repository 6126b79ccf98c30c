package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func response(status int, err error) error {
	return &smithy.OperationError{Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}}
}

func code(c string) error { return &smithy.GenericAPIError{Code: c} }

func canceled(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, c := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(c)})
	}
	return response(400, e)
}

func TestJudge(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		err  error
		want outcome
	}{
		"condition":                     {response(400, &types.ConditionalCheckFailedException{}), answered},
		"throughput":                    {response(400, &types.ProvisionedThroughputExceededException{}), refused},
		"throttled":                     {response(400, code("ThrottlingException")), refused},
		"account":                       {response(400, &types.RequestLimitExceeded{}), refused},
		"conflict":                      {response(400, &types.TransactionConflictException{}), refused},
		"replica":                       {response(400, &types.ReplicatedWriteConflictException{}), refused},
		"transaction under way":         {response(400, &types.TransactionInProgressException{}), underway},
		"other parameters":              {response(400, &types.IdempotentParameterMismatchException{}), unsure},
		"canceled by a condition":       {canceled("None", "ConditionalCheckFailed"), answered},
		"canceled by size":              {canceled("ItemCollectionSizeLimitExceeded"), answered},
		"canceled by a conflict":        {canceled("None", "TransactionConflict"), refused},
		"canceled by both":              {canceled("ConditionalCheckFailed", "TransactionConflict"), refused},
		"canceled by throttling":        {canceled("ThrottlingError"), refused},
		"canceled by throughput":        {canceled("ProvisionedThroughputExceeded"), refused},
		"no rights":                     {response(400, code("AccessDeniedException")), answered},
		"no table":                      {response(400, &types.ResourceNotFoundException{}), answered},
		"too many requests":             {response(429, broken), refused},
		"too slow":                      {response(408, broken), unsure},
		"too large":                     {response(413, broken), answered},
		"server":                        {response(500, &types.InternalServerError{}), unsure},
		"gateway":                       {response(503, broken), unsure},
		"garbage":                       {response(200, &smithy.DeserializationError{Err: broken}), unsure},
		"dial":                          {response(0, &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: broken}}), unsent},
		"name":                          {&smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: &net.DNSError{}}}, unsent},
		"reset":                         {response(0, &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Err: broken}}), unsure},
		"reset, bare":                   {&smithyhttp.RequestSendError{Err: broken}, unsure},
		"deadline":                      {&smithy.CanceledError{Err: context.DeadlineExceeded}, unsure},
		"canceled":                      {fmt.Errorf("so: %w", context.Canceled), unsure},
		"credentials, as the API tells": {code("ExpiredToken"), answered},
		"credentials":                   {broken, unsure},
		"throttled credentials":         {code("ThrottlingException"), refused},
	} {
		require.Equal(t, c.want, judge(c.err), name)
	}
}

// Attempts within a second each and two together, by a clock that stands still unless all wait.
func TestTry(t *testing.T) {
	throttle, lost, dial := response(400, code("ThrottlingException")), response(500, errors.New("broken")), &net.OpError{Op: "dial", Err: errors.New("refused")}
	decided := response(400, code("AccessDeniedException"))
	hang := errors.New("hang")
	for name, c := range map[string]struct {
		repeatable bool
		answers    []error // the last one is repeated
		deadline   time.Duration
		least      int // attempts
		most       int
		within     time.Duration
		doubt      bool
		want       error // nil: success; errDecided
	}{
		"success":                      {answers: []error{nil}, least: 1, most: 1},
		"later":                        {answers: []error{throttle, throttle, throttle, throttle, throttle, nil}, least: 6, most: 6, within: 300 * time.Millisecond},
		"never":                        {answers: []error{throttle}, least: 8, most: 60, within: 2 * time.Second, want: store.ErrUnavailable},
		"the caller is short of time":  {answers: []error{throttle}, deadline: 50 * time.Millisecond, least: 1, most: 20, within: 50 * time.Millisecond, want: context.DeadlineExceeded},
		"decided":                      {answers: []error{decided}, least: 1, most: 1, want: decided},
		"decided later":                {answers: []error{throttle, dial, decided}, least: 3, most: 3, within: time.Second, want: decided},
		"dial":                         {answers: []error{dial}, least: 3, most: 3, within: 30 * time.Millisecond, want: store.ErrUnavailable},
		"dial, then not":               {answers: []error{dial, dial, nil}, least: 3, most: 3, within: 30 * time.Millisecond},
		"lost, not to be repeated":     {answers: []error{lost, nil}, least: 1, most: 1, doubt: true, want: store.ErrUnavailable},
		"lost after throttling":        {answers: []error{throttle, lost, nil}, least: 2, most: 2, within: 10 * time.Millisecond, doubt: true, want: store.ErrUnavailable},
		"lost":                         {repeatable: true, answers: []error{lost, nil}, least: 2, most: 2, within: 10 * time.Millisecond, doubt: true},
		"lost for ever":                {repeatable: true, answers: []error{lost}, least: 3, most: 3, within: 30 * time.Millisecond, doubt: true, want: store.ErrUnavailable},
		"lost and dial":                {repeatable: true, answers: []error{lost, dial, lost}, least: 3, most: 3, within: 30 * time.Millisecond, doubt: true, want: store.ErrUnavailable},
		"lost, then decided":           {repeatable: true, answers: []error{lost, decided}, least: 2, most: 2, within: 10 * time.Millisecond, doubt: true, want: decided},
		"under way, then made":         {repeatable: true, answers: []error{lost, response(400, code("TransactionInProgressException")), response(400, code("TransactionInProgressException")), response(400, code("TransactionInProgressException")), nil}, least: 5, most: 5, within: time.Second, doubt: true},
		"hanging":                      {repeatable: true, answers: []error{hang}, least: 2, most: 2, within: 2 * time.Second, doubt: true, want: store.ErrUnavailable},
		"hanging, not to be repeated":  {answers: []error{hang}, least: 1, most: 1, within: time.Second, doubt: true, want: store.ErrUnavailable},
		"hanging in a hurry":           {repeatable: true, answers: []error{hang}, deadline: 300 * time.Millisecond, least: 1, most: 1, within: 300 * time.Millisecond, doubt: true, want: context.DeadlineExceeded},
		"hanging first":                {repeatable: true, answers: []error{hang, nil}, least: 2, most: 2, within: 1010 * time.Millisecond, doubt: true},
		"lost in a hurry while paused": {repeatable: true, answers: []error{throttle}, deadline: time.Nanosecond, least: 1, most: 1, within: time.Nanosecond, want: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(new(dynamodb.Client), nil)
				require.NoError(t, err)
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				start, attempts := time.Now(), 0
				doubt, err := s.try(ctx, request{repeatable: c.repeatable}, func(ctx context.Context, _ func(*dynamodb.Options)) (consumed, error) {
					answer := c.answers[min(attempts, len(c.answers)-1)]
					attempts++
					if errors.Is(answer, hang) {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return nil, answer
				})
				require.Equal(t, c.doubt, doubt)
				require.GreaterOrEqual(t, attempts, c.least)
				require.LessOrEqual(t, attempts, c.most)
				require.LessOrEqual(t, time.Since(start), c.within)
				if c.want == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, c.want)
				}
				if errors.Is(c.want, context.DeadlineExceeded) {
					require.NotErrorIs(t, err, store.ErrUnavailable)
				}
			})
		})
	}
}

func TestNew(t *testing.T) {
	_, err := New(nil, &Options{Prefix: "a b", AttemptTimeout: -1, Patience: -1})
	for _, wrong := range []string{"client: is required", "Prefix: ", "AttemptTimeout: must not be negative", "Patience: must not be negative"} {
		require.ErrorContains(t, err, wrong)
	}
	s, err := New(new(dynamodb.Client), nil)
	require.NoError(t, err)
	require.Equal(t, "rhythmiq-users", *s.table(store.Users))
	s, err = New(new(dynamodb.Client), &Options{Prefix: "A_b.c-"})
	require.NoError(t, err)
	require.Equal(t, "A_b.c-models", *s.table(store.Models))
}
