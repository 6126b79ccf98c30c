package dynamostore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// line is the way to DynamoDB, on which a test may do harm. It is an HTTP client, so that errors are what the SDK makes of answers.
type line struct {
	next dynamodb.HTTPClient
	mu   sync.Mutex
	harm fault
	sent []sent
}

// fault stands between a request and its answer; forward sends the request and returns the answer. nth counts from 1 among the
// requests of an operation.
type fault func(r *http.Request, nth int, forward func() (*http.Response, error)) (*http.Response, error)

// sent is a request as it was sent.
type sent struct {
	operation string
	body      []byte
}

func (l *line) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.mu.Lock()
	l.sent = append(l.sent, sent{operation, body})
	nth := l.count(operation)
	harm := l.harm
	l.mu.Unlock()
	forward := func() (*http.Response, error) { return l.next.Do(r) }
	if harm == nil {
		return forward()
	}
	return harm(r, nth, forward)
}

func (l *line) count(operation string) int {
	n := 0
	for _, s := range l.sent {
		if s.operation == operation {
			n++
		}
	}
	return n
}

// attempts returns how many requests of an operation were sent since harm was done first.
func (l *line) attempts(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(operation)
}

// bodies returns what the requests of an operation held.
func (l *line) bodies(operation string) (b [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sent {
		if s.operation == operation {
			b = append(b, s.body)
		}
	}
	return b
}

func (l *line) does(harm fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.harm, l.sent = harm, nil
}

// harmed returns a store behind a line, and a store on the same tables that no harm is done to.
func harmed(t *testing.T, with ...func(*dynamostore.Options)) (*dynamostore.Store, *line, *dynamostore.Store) {
	t.Helper()
	endpoint := dynamotest.Endpoint(t)
	client := dynamotest.Client(t, endpoint)
	l := &line{next: client.Options().HTTPClient}
	o := dynamostore.Options{Prefix: dynamotest.Tables(t, client)}
	unhurried(&o)
	now := time.Now() // it stands, so that what is sent again is the same
	o.Now = func() time.Time { return now }
	safe, err := dynamostore.New(client, &o)
	require.NoError(t, err)
	for _, change := range with {
		change(&o)
	}
	s, err := dynamostore.New(dynamotest.Client(t, endpoint, func(o *dynamodb.Options) { o.HTTPClient = l }), &o)
	require.NoError(t, err)
	return s, l, safe
}

// Faults.

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

func coded(code string) string {
	return `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"so it is"}`
}

// refusing answers with an error and forwards nothing.
func refusing(status int, body string) fault {
	return func(r *http.Request, _ int, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, status, body), nil
	}
}

// forging forwards, and answers something else.
func forging(status int, body string) fault {
	return func(r *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
		w, err := forward()
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, w.Body)
		return answer(r, status, body), w.Body.Close()
	}
}

func failing(err error) fault {
	return func(*http.Request, int, func() (*http.Response, error)) (*http.Response, error) { return nil, err }
}

func losing(err error) fault {
	return func(_ *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
		w, e := forward()
		if e != nil {
			return nil, e
		}
		_, _ = io.Copy(io.Discard, w.Body)
		_ = w.Body.Close()
		return nil, err
	}
}

// once does harm to the first request of each operation only.
func once(harm fault) fault {
	return func(r *http.Request, nth int, forward func() (*http.Response, error)) (*http.Response, error) {
		if nth > 1 {
			return forward()
		}
		return harm(r, nth, forward)
	}
}

// only does harm to one operation.
func only(operation string, harm fault) fault {
	return func(r *http.Request, nth int, forward func() (*http.Response, error)) (*http.Response, error) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
			return forward()
		}
		return harm(r, nth, forward)
	}
}

var (
	errDial  = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)

// An action is a call on a store, under a partition where "old" stands with the version old.
type action struct {
	name      string
	operation string
	run       func(ctx context.Context, s store.Store, p store.Partition, old store.Version) error
	// What becomes of the call where the first request is lost, and where only its answer is.
	requestLost, answerLost end
	made                    func(t *testing.T, s store.Store, p store.Partition) bool // nil for reads
}

// end is how a call ends.
type end struct {
	unavailable bool
	attempts    int
}

func at(p store.Partition, sort string) store.Key {
	return store.Key{Table: store.Users, Partition: p, Sort: sort}
}

// several has many attributes, whose order changes from encoding to encoding.
const several = `{"a":1,"b":"two","c":[3],"d":{"e":null,"f":true},"g":-7}`

func put(p store.Partition, sort string, c store.Condition) store.Write {
	return store.Put(store.Item{Key: at(p, sort), Body: json.RawMessage(several)}, c)
}

func there(sort string) func(*testing.T, store.Store, store.Partition) bool {
	return func(t *testing.T, s store.Store, p store.Partition) bool {
		t.Helper()
		item, err := s.Get(t.Context(), at(p, sort), store.Strong)
		if err == nil {
			return string(item.Body) != `{"old":true}`
		}
		require.ErrorIs(t, err, store.ErrNotFound)
		return false
	}
}

func gone(sort string) func(*testing.T, store.Store, store.Partition) bool {
	return func(t *testing.T, s store.Store, p store.Partition) bool {
		t.Helper()
		_, err := s.Get(t.Context(), at(p, sort), store.Strong)
		if err != nil {
			require.ErrorIs(t, err, store.ErrNotFound)
		}
		return err != nil
	}
}

var actions = []action{
	{
		name: "get", operation: "GetItem", requestLost: end{false, 2}, answerLost: end{false, 2},
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			_, err := s.Get(ctx, at(p, "old"), store.Strong)
			return err
		},
	},
	{
		name: "list", operation: "Query", requestLost: end{false, 2}, answerLost: end{false, 2},
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			page, err := s.List(ctx, store.Query{Table: store.Users, Partition: p})
			if err == nil && len(page.Items) != 2 {
				return errors.New("items are missing")
			}
			return err
		},
	},
	{
		name: "scan", operation: "Scan", requestLost: end{false, 2}, answerLost: end{false, 2},
		run: func(ctx context.Context, s store.Store, _ store.Partition, _ store.Version) error {
			_, err := s.(store.Scanner).Scan(ctx, store.Users, "", 0)
			return err
		},
	},
	{
		name: "put", operation: "PutItem", requestLost: end{true, 1}, answerLost: end{false, 1}, made: there("new"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.Apply(ctx, put(p, "new", store.None))
		},
	},
	{
		name: "put absent", operation: "PutItem", requestLost: end{true, 1}, answerLost: end{false, 1}, made: there("new"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.Apply(ctx, put(p, "new", store.Absent))
		},
	},
	{
		name: "put present", operation: "PutItem", requestLost: end{true, 1}, answerLost: end{false, 1}, made: there("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.Apply(ctx, put(p, "old", store.Present))
		},
	},
	{
		name: "put version", operation: "PutItem", requestLost: end{true, 1}, answerLost: end{false, 1}, made: there("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, old store.Version) error {
			return s.Apply(ctx, put(p, "old", store.VersionIs(old)))
		},
	},
	{
		name: "delete", operation: "DeleteItem", requestLost: end{true, 1}, answerLost: end{true, 1}, made: gone("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.Apply(ctx, store.Delete(at(p, "old"), store.None))
		},
	},
	{
		name: "delete present", operation: "DeleteItem", requestLost: end{true, 1}, answerLost: end{true, 1}, made: gone("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.Apply(ctx, store.Delete(at(p, "old"), store.Present))
		},
	},
	{
		name: "delete version", operation: "DeleteItem", requestLost: end{true, 1}, answerLost: end{true, 1}, made: gone("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, old store.Version) error {
			return s.Apply(ctx, store.Delete(at(p, "old"), store.VersionIs(old)))
		},
	},
	{
		name: "transaction", operation: "TransactWriteItems", requestLost: end{false, 2}, answerLost: end{false, 2}, made: there("new"),
		run: func(ctx context.Context, s store.Store, p store.Partition, old store.Version) error {
			return s.Apply(ctx, put(p, "new", store.Absent), store.Delete(at(p, "old"), store.VersionIs(old)))
		},
	},
	{
		name: "deletes", operation: "TransactWriteItems", requestLost: end{false, 2}, answerLost: end{false, 2}, made: gone("old"),
		run: func(ctx context.Context, s store.Store, p store.Partition, old store.Version) error {
			return s.Apply(ctx, store.Delete(at(p, "other"), store.Present), store.Delete(at(p, "old"), store.VersionIs(old)))
		},
	},
	{
		name: "bulk", operation: "BatchWriteItem", requestLost: end{false, 2}, answerLost: end{false, 2}, made: there("new"),
		run: func(ctx context.Context, s store.Store, p store.Partition, _ store.Version) error {
			return s.(store.Bulker).Bulk(ctx, []store.Write{put(p, "new", store.None), store.Delete(at(p, "old"), store.None)})
		},
	},
}

// ready returns a partition with the items "old" and "other".
func ready(t *testing.T, s store.Store) (store.Partition, store.Version) {
	t.Helper()
	p, v := store.Partition(uuid.New()), store.NewVersion()
	require.NoError(t, s.Apply(
		t.Context(),
		store.Put(store.Item{Key: at(p, "old"), Version: v, Body: json.RawMessage(`{"old":true}`)}, store.None),
		store.Put(store.Item{Key: at(p, "other"), Body: json.RawMessage(`{}`)}, store.None),
	))
	return p, v
}

// A single fault, once for each kind of call.
func TestOneFault(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	const conflicts = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"so it is","CancellationReasons":[` +
		`{"Code":"None"},{"Code":"TransactionConflict","Message":"so it is"}]}`
	again := func(action) (end, bool) { return end{false, 2}, true }
	requestLost := func(a action) (end, bool) { return a.requestLost, !a.requestLost.unavailable }
	answerLost := func(a action) (end, bool) { return a.answerLost, true }
	for _, f := range []struct {
		name string
		harm fault
		// want returns how a call ends, and whether its writes are made.
		want func(action) (end, bool)
	}{
		{"nothing", nil, func(action) (end, bool) { return end{false, 1}, true }},
		{"throttled", refusing(400, coded("ProvisionedThroughputExceededException")), again},
		{"throttled otherwise", refusing(400, coded("ThrottlingException")), again},
		{"throttled by status", refusing(429, "later"), again},
		{"account throttled", refusing(400, coded("RequestLimitExceeded")), again},
		{"conflict", refusing(400, coded("TransactionConflictException")), again},
		{"conflict in a transaction", only("TransactWriteItems", refusing(400, conflicts)), func(a action) (end, bool) {
			if a.operation == "TransactWriteItems" {
				return end{false, 2}, true
			}
			return end{false, 1}, true
		}},
		{"dial", failing(errDial), again},
		{"request lost", failing(errReset), requestLost},
		{"500, not made", refusing(500, coded("InternalServerError")), requestLost},
		{"503, not made", refusing(503, "<html>"), requestLost},
		{"408, not made", refusing(408, "<html>"), requestLost},
		{"answer lost", losing(errReset), answerLost},
		{"answer ends early", losing(io.ErrUnexpectedEOF), answerLost},
		{"500, made", forging(500, coded("InternalServerError")), answerLost},
		{"garbage", forging(200, `{"Item":{"pk":{"B":`), func(a action) (end, bool) {
			if a.made != nil && a.operation != "BatchWriteItem" {
				return a.answerLost, true
			}
			return end{false, 2}, true
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			for _, a := range actions {
				t.Run(a.name, func(t *testing.T) {
					p, old := ready(t, safe)
					if f.harm != nil {
						// The read by which a write of unknown outcome is looked for gets through.
						l.does(only(a.operation, once(f.harm)))
					} else {
						l.does(nil)
					}
					err := a.run(t.Context(), s, p, old)
					want, made := f.want(a)
					if want.unavailable {
						require.ErrorIs(t, err, store.ErrUnavailable)
						require.NotErrorIs(t, err, store.ErrConflict)
					} else {
						require.NoError(t, err)
					}
					require.Equal(t, want.attempts, l.attempts(a.operation))
					if a.made != nil {
						require.Equal(t, made, a.made(t, safe, p))
					}
					same(t, l, a.operation)
				})
			}
		})
	}
}

// same requires of transactions that all attempts were byte for byte the same, token included.
func same(t *testing.T, l *line, operation string) {
	t.Helper()
	if operation != "TransactWriteItems" {
		return
	}
	for _, b := range l.bodies(operation) {
		require.Contains(t, string(b), `"ClientRequestToken":"`)
		require.Equal(t, string(l.bodies(operation)[0]), string(b))
	}
}

// What DynamoDB has decided is not tried again, and is neither unavailable nor a conflict.
func TestDecided(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	for _, code := range []string{"AccessDeniedException", "ResourceNotFoundException", "ValidationException", "UnrecognizedClientException"} {
		for _, a := range actions {
			t.Run(code+"/"+a.name, func(t *testing.T) {
				p, old := ready(t, safe)
				l.does(refusing(400, coded(code)))
				err := a.run(t.Context(), s, p, old)
				require.ErrorContains(t, err, code)
				require.ErrorContains(t, err, "dynamostore: ")
				for _, kind := range []error{store.ErrUnavailable, store.ErrConflict, store.ErrNotFound, store.ErrLimit} {
					require.NotErrorIs(t, err, kind)
				}
				require.Equal(t, 1, l.attempts(a.operation))
				if a.made != nil {
					require.False(t, a.made(t, safe, p))
				}
			})
		}
	}
}

// What goes on for ever ends in ErrUnavailable, within the store's patience, and the store recovers by itself.
func TestLastingFaults(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	s, l, safe := harmed(t, func(o *dynamostore.Options) { o.AttemptTimeout, o.Patience = patience/2, patience })
	hang := func(r *http.Request, _ int, _ func() (*http.Response, error)) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	three := func(action) (int, int) { return 3, 3 }
	doubtful := func(a action) (int, int) { // unsafe writes are sent once
		if a.requestLost.unavailable {
			return 1, 1
		}
		return 3, 3
	}
	for _, f := range []struct {
		name     string
		harm     fault
		attempts func(action) (least, most int)
	}{
		{"throttled", refusing(400, coded("ThrottlingException")), func(action) (int, int) { return 4, 200 }},
		{"under way", only("TransactWriteItems", refusing(400, coded("TransactionInProgressException"))), func(action) (int, int) { return 4, 200 }},
		{"dial", failing(errDial), three},
		{"lost", failing(errReset), doubtful},
		{"500", refusing(500, coded("InternalServerError")), doubtful},
		{"other parameters", only("TransactWriteItems", refusing(400, coded("IdempotentParameterMismatchException"))), doubtful},
		{"hang", hang, func(action) (int, int) { return 1, 3 }},
	} {
		for _, a := range actions {
			if (f.name == "under way" || f.name == "other parameters") && a.operation != "TransactWriteItems" {
				continue
			}
			t.Run(f.name+"/"+a.name, func(t *testing.T) {
				p, old := ready(t, safe)
				l.does(f.harm)
				err := a.run(t.Context(), s, p, old)
				require.ErrorIs(t, err, store.ErrUnavailable)
				require.NotErrorIs(t, err, store.ErrConflict)
				least, most := f.attempts(a)
				require.GreaterOrEqual(t, l.attempts(a.operation), least)
				require.LessOrEqual(t, l.attempts(a.operation), most)
				same(t, l, a.operation)
				if a.made != nil {
					require.False(t, a.made(t, safe, p))
				}
				l.does(nil)
				require.NoError(t, retry(t, func() error {
					_, err := s.Get(t.Context(), at(p, "other"), store.Strong)
					return err
				}))
			})
		}
	}
}

// retry gives a busy machine some tries.
func retry(t *testing.T, do func() error) (err error) {
	t.Helper()
	for range 20 {
		if err = do(); !errors.Is(err, store.ErrUnavailable) {
			return err
		}
	}
	return err
}

// The caller's own deadline goes before the store's patience; its end is its own error, before a call and during one.
func TestCallersContext(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	for _, a := range actions {
		t.Run(a.name, func(t *testing.T) {
			p, old := ready(t, safe)

			ended, cancel := context.WithCancel(t.Context())
			cancel()
			l.does(nil)
			require.Equal(t, context.Canceled, a.run(ended, s, p, old))
			require.Zero(t, l.attempts(a.operation))

			ctx, cancelFor := context.WithCancelCause(t.Context())
			l.does(func(r *http.Request, _ int, _ func() (*http.Response, error)) (*http.Response, error) {
				cancelFor(errors.New("a cause that is nobody's business"))
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			require.Equal(t, context.Canceled, a.run(ctx, s, p, old))
			require.Equal(t, 1, l.attempts(a.operation))

			// Between attempts.
			late, cancelLate := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancelLate()
			l.does(refusing(400, coded("ThrottlingException")))
			require.Equal(t, context.DeadlineExceeded, a.run(late, s, p, old))
			if a.made != nil {
				require.False(t, a.made(t, safe, p))
			}
		})
	}
}

// A condition that fails after an attempt of unknown outcome may have failed because of that very attempt.
func TestConditionAfterDoubt(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	for _, a := range actions {
		if a.made == nil || a.operation == "BatchWriteItem" || a.requestLost.unavailable {
			continue // not tried again
		}
		t.Run(a.name, func(t *testing.T) {
			p, old := ready(t, safe)
			l.does(only(a.operation, once(func(*http.Request, int, func() (*http.Response, error)) (*http.Response, error) {
				require.NoError(t, safe.Apply(t.Context(), put(p, "old", store.None))) // somebody else is faster
				return nil, errReset
			})))
			err := a.run(t.Context(), s, p, old)
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.NotErrorIs(t, err, store.ErrConflict)
			require.Equal(t, 2, l.attempts(a.operation))

			// So is anything else that is said of the second attempt.
			l.does(only(a.operation, func(r *http.Request, n int, send func() (*http.Response, error)) (*http.Response, error) {
				if n == 1 {
					return nil, errReset
				}
				return refusing(400, coded("ExpiredTokenException"))(r, n, send)
			}))
			err = a.run(t.Context(), s, p, old)
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.ErrorContains(t, err, "ExpiredTokenException")

			// Without doubt it is a conflict.
			l.does(only(a.operation, once(refusing(400, coded("ThrottlingException")))))
			err = a.run(t.Context(), s, p, old)
			require.ErrorIs(t, err, store.ErrConflict)
			require.True(t, store.Has(err, at(p, "old")))
		})
	}
}

// What BatchWriteItem leaves over is sent again, until it takes nothing for too long.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	p := store.Partition(uuid.New())
	var writes []store.Write
	for i := range 60 {
		w := put(p, strings.Repeat("x", i+1), store.None)
		if i%2 == 1 {
			w.Key.Table = store.Models
		}
		writes = append(writes, w)
	}
	// Every answer but a batch's last leaves all over but one write of each table.
	l.does(func(r *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		var in struct{ RequestItems map[string][]json.RawMessage }
		require.NoError(t, json.Unmarshal(body, &in))
		over := map[string][]json.RawMessage{}
		for table, requests := range in.RequestItems {
			if len(requests) > 1 {
				in.RequestItems[table], over[table] = requests[:1], requests[1:]
			}
		}
		part, err := json.Marshal(in)
		require.NoError(t, err)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(part)), int64(len(part))
		w, err := forward()
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, w.Body)
		require.NoError(t, w.Body.Close())
		left, err := json.Marshal(map[string]any{"UnprocessedItems": over})
		require.NoError(t, err)
		return answer(r, 200, string(left)), nil
	})
	require.NoError(t, s.Bulk(t.Context(), writes))
	require.Greater(t, l.attempts("BatchWriteItem"), 12)
	for _, w := range writes {
		item, err := safe.Get(t.Context(), w.Key, store.Strong)
		require.NoError(t, err)
		require.Equal(t, w.Version, item.Version)
	}

	all := func(r *http.Request, _ int, _ func() (*http.Response, error)) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		var in map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &in))
		return answer(r, 200, `{"UnprocessedItems":`+string(in["RequestItems"])+`}`), nil
	}
	l.does(all)
	err := s.Bulk(t.Context(), writes[:2])
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, 10, l.attempts("BatchWriteItem"))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, s.Bulk(ctx, writes[:2]))
}

// A batch is bounded by what it may weigh on the wire: DynamoDB takes 16 MB, and a body of digits grows fivefold.
func TestBulkyBatches(t *testing.T) {
	t.Parallel()
	s, l, _ := harmed(t)
	p := store.Partition(uuid.New())
	digits := `{"a":[1` + strings.Repeat(",1", store.MaxBody/2-8) + `]}`
	var heavy, light []store.Write
	for i := range 30 {
		w := put(p, strings.Repeat("x", i+1), store.None)
		w.Index = &store.Index{Partition: p, Sort: "x"}
		light = append(light, w)
		w.Body = json.RawMessage(digits)
		heavy = append(heavy, w)
	}
	l.does(refusing(200, `{}`))
	require.NoError(t, s.Bulk(t.Context(), heavy))
	for _, b := range l.bodies("BatchWriteItem") {
		require.Less(t, len(b), 16_000_000)
	}
	require.Equal(t, 5, l.attempts("BatchWriteItem")) // 7 of 256 KiB stay below 2 MiB with their keys
	l.does(refusing(200, `{}`))
	require.NoError(t, s.Bulk(t.Context(), light))
	require.Equal(t, 2, l.attempts("BatchWriteItem"))
}

// An endpoint that nobody listens at is unavailable at once.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	var mu sync.Mutex
	var seen []dynamostore.Request
	s, err := dynamostore.New(dynamotest.Client(t, "http://"+free.Addr().String()), &dynamostore.Options{
		Observe: func(_ context.Context, r dynamostore.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, r)
		},
	})
	require.NoError(t, err)
	for _, a := range actions {
		seen = nil
		require.ErrorIs(t, a.run(t.Context(), s, store.Partition{}, store.NewVersion()), store.ErrUnavailable, a.name)
		require.Len(t, seen, 3, a.name)
		for _, r := range seen {
			require.Equal(t, a.operation, r.Operation)
			require.Error(t, r.Err)
		}
	}
}

// What Observe is told: operation, table, units.
func TestObserve(t *testing.T) {
	t.Parallel()
	var seen []dynamostore.Request
	s, _, safe := harmed(t, func(o *dynamostore.Options) {
		o.Observe = func(_ context.Context, r dynamostore.Request) { seen = append(seen, r) }
	})
	for _, a := range actions {
		p, old := ready(t, safe)
		seen = nil
		require.NoError(t, a.run(t.Context(), s, p, old), a.name)
		require.Len(t, seen, 1, a.name)
		r := seen[0]
		require.Equal(t, a.operation, r.Operation)
		require.NoError(t, r.Err)
		require.Positive(t, r.Duration)
		if slices.Contains([]string{"BatchWriteItem", "TransactWriteItems"}, a.operation) {
			require.Empty(t, r.Table)
		} else {
			require.Equal(t, store.Users, r.Table)
		}
		if a.made == nil {
			require.Positive(t, r.ReadUnits, a.name)
			require.Zero(t, r.WriteUnits, a.name)
		} else {
			require.Zero(t, r.ReadUnits, a.name)
			require.Positive(t, r.WriteUnits, a.name)
		}
	}
}
