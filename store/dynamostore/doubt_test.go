package dynamostore_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// A write whose answer is lost is looked for. Where it cannot be found it is neither made nor not.
func TestReadBack(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	lost := only("PutItem", losing(errReset))
	both := func(a, b fault) fault {
		return func(r *http.Request, nth int, forward func() (*http.Response, error)) (*http.Response, error) {
			return a(r, nth, func() (*http.Response, error) { return b(r, nth, forward) })
		}
	}
	t.Run("found", func(t *testing.T) {
		p, _ := ready(t, safe)
		l.does(lost)
		require.NoError(t, s.Apply(t.Context(), put(p, "new", store.Absent)))
		require.Equal(t, 1, l.attempts("PutItem"))
		require.Equal(t, 1, l.attempts("GetItem"))
		require.Contains(t, string(l.bodies("GetItem")[0]), `"ConsistentRead":true`)
	})
	t.Run("cannot be read", func(t *testing.T) {
		p, _ := ready(t, safe)
		l.does(both(lost, only("GetItem", refusing(500, "{}"))))
		require.ErrorIs(t, s.Apply(t.Context(), put(p, "new", store.Absent)), store.ErrUnavailable)
		require.True(t, there("new")(t, safe, p))
	})
	t.Run("overwritten since", func(t *testing.T) {
		p, _ := ready(t, safe)
		l.does(both(lost, only("GetItem", func(_ *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
			require.NoError(t, safe.Apply(t.Context(), put(p, "new", store.None)))
			return forward()
		})))
		err := s.Apply(t.Context(), put(p, "new", store.Absent))
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.NotErrorIs(t, err, store.ErrConflict)
	})
	t.Run("a transaction that never came", func(t *testing.T) {
		p, old := ready(t, safe)
		l.does(only("TransactWriteItems", failing(errReset)))
		require.ErrorIs(t, s.Apply(t.Context(), store.Delete(at(p, "old"), store.VersionIs(old)), put(p, "new", store.None)), store.ErrUnavailable)
		require.False(t, gone("old")(t, safe, p))
	})
	t.Run("a transaction that came, all answers lost", func(t *testing.T) {
		p, old := ready(t, safe)
		l.does(only("TransactWriteItems", losing(errReset)))
		require.NoError(t, s.Apply(t.Context(), store.Delete(at(p, "old"), store.VersionIs(old)), put(p, "new", store.Absent)))
		require.Equal(t, 3, l.attempts("TransactWriteItems"))
		require.True(t, gone("old")(t, safe, p))
		same(t, l, "TransactWriteItems")
	})
	t.Run("deletes that came, all answers lost", func(t *testing.T) {
		p, old := ready(t, safe)
		l.does(only("TransactWriteItems", losing(errReset)))
		err := s.Apply(t.Context(), store.Delete(at(p, "old"), store.VersionIs(old)), store.Delete(at(p, "other"), store.Present))
		require.ErrorIs(t, err, store.ErrUnavailable) // a deletion leaves no trace of who made it
		require.True(t, gone("old")(t, safe, p))
	})
}

// A request that arrives after its call was given up is of that call only: it never comes on top of what was acknowledged, not even where the
// same writes are applied again, or bring a version back.
func TestLateArrivals(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	// held keeps an operation's first request back; arrive sends it.
	held := func(t *testing.T, operation string) (arrive func()) {
		var late *http.Request
		l.does(only(operation, once(func(r *http.Request, _ int, _ func() (*http.Response, error)) (*http.Response, error) {
			late = r.Clone(context.WithoutCancel(r.Context()))
			return nil, errReset
		})))
		return func() {
			answer, err := l.next.Do(late)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
		}
	}
	stands := func(t *testing.T, k store.Key, v store.Version) {
		t.Helper()
		item, err := safe.Get(t.Context(), k, store.Strong)
		require.NoError(t, err)
		require.Equal(t, v, item.Version)
	}
	// What was written by an earlier call of the same writes proves nothing of this one.
	for operation, others := range map[string][]store.Write{"PutItem": nil, "TransactWriteItems": {store.Delete(store.Key{Table: store.Models, Sort: "x"}, store.None)}} {
		t.Run("applied again/"+operation, func(t *testing.T) {
			p, _ := ready(t, safe)
			writes := append([]store.Write{put(p, "new", store.None)}, others...)
			require.NoError(t, safe.Apply(t.Context(), writes...))
			l.does(only(operation, failing(errReset)))
			require.ErrorIs(t, s.Apply(t.Context(), writes...), store.ErrUnavailable)
		})
	}
	// A version may come back, when what wrote it is applied again.
	for name, of := range map[string]func(store.Partition, store.Version) store.Write{
		"put": func(p store.Partition, v store.Version) store.Write { return put(p, "new", store.VersionIs(v)) },
		"delete": func(p store.Partition, v store.Version) store.Write {
			return store.Delete(at(p, "new"), store.VersionIs(v))
		},
	} {
		t.Run("a version that came back/"+name, func(t *testing.T) {
			p, _ := ready(t, safe)
			first := put(p, "new", store.None)
			require.NoError(t, safe.Apply(t.Context(), first))
			w := of(p, first.Version)
			operation := "PutItem"
			if w.Delete {
				operation = "DeleteItem"
			}
			arrive := held(t, operation)
			acknowledged := s.Apply(t.Context(), w) == nil
			require.NoError(t, safe.Apply(t.Context(), first))
			arrive()
			if acknowledged {
				stands(t, first.Key, first.Version)
			}
		})
	}
	// An answer that was lost is known to be of this call also after others of the same writes.
	t.Run("its own", func(t *testing.T) {
		p, _ := ready(t, safe)
		w := put(p, "new", store.None)
		require.NoError(t, safe.Apply(t.Context(), w))
		l.does(only("PutItem", losing(errReset)))
		require.NoError(t, s.Apply(t.Context(), w))
	})
}

// An Apply that was made before finds that what it deletes is gone. What it cannot find out, or what changes all the time, is unavailable.
func TestMadeBefore(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	p, old := ready(t, safe)
	writes := []store.Write{put(p, "new", store.Absent), store.Delete(at(p, "old"), store.VersionIs(old))}
	require.NoError(t, safe.Apply(t.Context(), writes...))

	l.does(nil)
	require.NoError(t, s.Apply(t.Context(), writes...))
	require.Equal(t, 2, l.attempts("TransactWriteItems"))
	require.NotEqual(t, token(t, l, 0), token(t, l, 1), "other conditions need another token")

	require.Zero(t, l.attempts("GetItem"), "what one moment says needs no other one")

	// The item comes before each second transaction, and goes before each first.
	l.does(only("TransactWriteItems", func(_ *http.Request, nth int, forward func() (*http.Response, error)) (*http.Response, error) {
		if nth%2 == 0 {
			require.NoError(t, safe.Apply(t.Context(), put(p, "old", store.None)))
		} else {
			require.NoError(t, safe.Apply(t.Context(), store.Delete(at(p, "old"), store.None)))
		}
		return forward()
	}))
	require.ErrorIs(t, s.Apply(t.Context(), writes...), store.ErrUnavailable)
	require.Equal(t, 16, l.attempts("TransactWriteItems"))

	// Somebody else's is a conflict.
	l.does(nil)
	err := s.Apply(t.Context(), writes...)
	require.ErrorIs(t, err, store.ErrConflict)
	require.True(t, store.Has(err, at(p, "old")))
	require.False(t, store.Has(err, at(p, "new")))
}

func token(t *testing.T, l *line, i int) string {
	t.Helper()
	var in struct{ ClientRequestToken string }
	require.NoError(t, json.Unmarshal(l.bodies("TransactWriteItems")[i], &in))
	require.NotEmpty(t, in.ClientRequestToken)
	require.LessOrEqual(t, len(in.ClientRequestToken), 36) // DynamoDB's limit
	return in.ClientRequestToken
}

// A transaction that ends for another reason than a condition is neither a conflict nor unavailable.
func TestOtherReasons(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	p, old := ready(t, safe)
	l.does(refusing(400, `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"so it is",`+
		`"CancellationReasons":[{"Code":"ValidationError","Message":"too large"},{"Code":"None"},{"Code":"ConditionalCheckFailed"}]}`))
	err := s.Apply(t.Context(), put(p, "new", store.Absent), store.Delete(at(p, "old"), store.VersionIs(old)))
	require.ErrorContains(t, err, "TransactionCanceledException")
	require.NotErrorIs(t, err, store.ErrConflict)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, 1, l.attempts("TransactWriteItems"))
}

// A page may end with the last item below a bound, where the item of the bound itself follows.
func TestPagesUpToABound(t *testing.T) {
	t.Parallel()
	s := dynamotest.Store(t, nil)
	p := store.Partition(uuid.New())
	for i := range 6 {
		w := put(p, strconv.Itoa(i), store.None)
		w.Index = &store.Index{Partition: p, Sort: strconv.Itoa(i)}
		require.NoError(t, s.Apply(t.Context(), w))
	}
	for limit := 1; limit < 6; limit++ {
		for _, descending := range []bool{false, true} {
			for _, byIndex := range []bool{false, true} {
				q := store.Query{Table: store.Users, Partition: p, From: "1", To: "4", Limit: limit, Descending: descending, ByIndex: byIndex}
				var got []string
				for item, err := range store.All(t.Context(), s, q) {
					require.NoError(t, err)
					got = append(got, item.Key.Sort)
				}
				want := []string{"1", "2", "3"}
				if descending {
					want = []string{"3", "2", "1"}
				}
				require.Equal(t, want, got, "%+v", q)
			}
		}
	}
}

// What has expired is decided by one clock, that of the request that was decided: not by that of an earlier one that was refused, nor by that of the answer.
func TestOneClock(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	var clock atomic.Int64
	set := func(before time.Duration) { clock.Store(int64(before)) }
	s, l, safe := harmed(t, func(o *dynamostore.Options) {
		o.Now = func() time.Time { return end.Add(-time.Duration(clock.Load())) }
	})
	ticks := func(operation string) {
		l.does(only(operation, once(func(_ *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
			answer, err := forward()
			set(0)
			return answer, err
		})))
	}
	t.Run("conflict on a put without condition", func(t *testing.T) {
		p, old := ready(t, safe)
		set(time.Second)
		w := put(p, "new", store.None)
		w.ExpiresAt = end
		writes := []store.Write{w, store.Delete(at(p, "old"), store.VersionIs(old))}
		require.NoError(t, s.Apply(t.Context(), writes...))
		ticks("TransactWriteItems")
		err := s.Apply(t.Context(), writes...)
		require.False(t, store.Has(err, at(p, "new")), "None always holds")
	})
	t.Run("a delete that meets what expires just now", func(t *testing.T) {
		p, _ := ready(t, safe)
		set(time.Second)
		w := put(p, "new", store.None)
		other := store.Put(store.Item{Key: at(p, "old"), ExpiresAt: end, Body: json.RawMessage(`{}`)}, store.None)
		require.NoError(t, s.Apply(t.Context(), w, other))
		ticks("TransactWriteItems")
		err := s.Apply(t.Context(), w, store.Delete(at(p, "old"), store.VersionIs(store.NewVersion())))
		require.True(t, store.Has(err, at(p, "old")), "%v", err)
	})
	for operation, more := range map[string][]store.Write{"PutItem": nil, "TransactWriteItems": {store.Delete(store.Key{Table: store.Models, Sort: "x"}, store.None)}} {
		t.Run("refused while it expires/"+operation, func(t *testing.T) {
			p, _ := ready(t, safe)
			set(time.Second)
			x := store.Put(store.Item{Key: at(p, "x"), ExpiresAt: end, Body: json.RawMessage(`{}`)}, store.None)
			require.NoError(t, s.Apply(t.Context(), x))
			var seen error
			l.does(only(operation, once(func(r *http.Request, n int, _ func() (*http.Response, error)) (*http.Response, error) {
				set(0)
				_, seen = s.Get(t.Context(), at(p, "x"), store.Strong)
				return refusing(400, coded("ThrottlingException"))(r, n, nil)
			})))
			err := s.Apply(t.Context(), append([]store.Write{put(p, "x", store.Present)}, more...)...)
			require.ErrorIs(t, seen, store.ErrNotFound)
			require.True(t, store.Has(err, at(p, "x")), "it was seen to be absent during the call, and cannot be present after: %v", err)
		})
	}
}

// wrapped is a client with something before it that says in its own words that an answer was lost.
type wrapped struct {
	dynamostore.API
	n int
}

func (w *wrapped) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	w.n++
	out, err := w.API.PutItem(ctx, in, o...)
	if w.n == 1 && err == nil {
		return nil, errors.New("wrapper: the answer was lost")
	}
	return out, err
}

// An error that nobody knows does not say that nothing was sent.
func TestStrangeErrors(t *testing.T) {
	t.Parallel()
	client := dynamotest.Client(t, dynamotest.Endpoint(t))
	w := &wrapped{API: client}
	s, err := dynamostore.New(w, &dynamostore.Options{Prefix: dynamotest.Tables(t, client)})
	require.NoError(t, err)
	p := store.Partition{1}
	err = s.Apply(t.Context(), put(p, "new", store.None))
	require.NoError(t, err, "it is read back")
	require.Equal(t, 1, w.n)
}

// A conflict is of one moment: what failed is held against what was there then, and not against what has come since.
func TestConflictIsOfOneMoment(t *testing.T) {
	t.Parallel()
	s, l, safe := harmed(t)
	for name, c := range map[string]store.Condition{"none": store.None, "present": store.Present, "absent": store.Absent} {
		t.Run(name, func(t *testing.T) {
			p, _ := ready(t, safe)
			if c == store.Present {
				require.NoError(t, safe.Apply(t.Context(), put(p, "new", store.None)))
			}
			writes := []store.Write{put(p, "new", c), store.Delete(at(p, "old"), store.Present)}
			require.NoError(t, safe.Apply(t.Context(), writes...))
			// As soon as the first transaction has found that it was made before, another takes its place.
			l.does(only("TransactWriteItems", once(func(_ *http.Request, _ int, forward func() (*http.Response, error)) (*http.Response, error) {
				answer, err := forward()
				require.NoError(t, safe.Apply(t.Context(), put(p, "new", store.None), put(p, "old", store.Absent)))
				return answer, err
			})))
			err := s.Apply(t.Context(), writes...)
			if c == store.Absent {
				require.True(t, store.Has(err, at(p, "new")), "%v", err)
				require.False(t, store.Has(err, at(p, "old")), "it was there again")
				return
			}
			require.NoError(t, err, "all conditions hold again")
		})
	}
}

// What somebody else wrote into the tables is an error that names it.
func TestForeignRows(t *testing.T) {
	t.Parallel()
	client := dynamotest.Client(t, dynamotest.Endpoint(t))
	o := dynamostore.Options{Prefix: dynamotest.Tables(t, client)}
	unhurried(&o)
	s, err := dynamostore.New(client, &o)
	require.NoError(t, err)
	p := store.Partition(uuid.New())
	_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(o.Prefix + "users"), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberB{Value: p[:]}, "sk": &types.AttributeValueMemberS{Value: "foreign"},
	}})
	require.NoError(t, err)
	const want = "/foreign was not written by this store: _v is missing or malformed"
	_, err = s.Get(t.Context(), at(p, "foreign"), store.Strong)
	require.ErrorContains(t, err, want)
	_, err = s.List(t.Context(), store.Query{Table: store.Users, Partition: p})
	require.ErrorContains(t, err, want)
	_, err = s.Scan(t.Context(), store.Users, "", 0)
	require.ErrorContains(t, err, want)
	// It counts as absent to conditions, so that it can be replaced.
	require.NoError(t, s.Apply(t.Context(), put(p, "foreign", store.Absent)))

	// A partition key that is none of ours.
	_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(o.Prefix + "models"), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberB{Value: []byte{1}}, "sk": &types.AttributeValueMemberS{Value: "foreign"},
	}})
	require.NoError(t, err)
	_, err = s.Scan(t.Context(), store.Models, "", 1)
	require.ErrorContains(t, err, "pk is missing or malformed")
}

// Garbage where a page should end is an error, not an end.
func TestForeignPageEnds(t *testing.T) {
	t.Parallel()
	s, l, _ := harmed(t)
	l.does(refusing(200, `{"Items":[],"LastEvaluatedKey":{"sk":{"N":"1"}}}`))
	_, err := s.List(t.Context(), store.Query{Table: store.Users})
	require.ErrorContains(t, err, "the end of a page: sk is missing or malformed")
	_, err = s.Scan(t.Context(), store.Users, "", 0)
	require.ErrorContains(t, err, "the end of a page: pk is missing or malformed")
}

// The client's own retries are off, whatever the host has set.
func TestClientDoesNotRetry(t *testing.T) {
	t.Parallel()
	endpoint := dynamotest.Endpoint(t)
	client := dynamotest.Client(t, endpoint)
	l := &line{next: client.Options().HTTPClient, harm: refusing(500, "{}")}
	s, err := dynamostore.New(dynamotest.Client(t, endpoint, func(o *dynamodb.Options) {
		o.HTTPClient, o.RetryMaxAttempts = l, 10
	}), nil)
	require.NoError(t, err)
	require.ErrorIs(t, s.Apply(context.WithoutCancel(t.Context()), put(store.Partition{}, "new", store.None)), store.ErrUnavailable)
	require.Equal(t, 1, l.attempts("PutItem"))
}
