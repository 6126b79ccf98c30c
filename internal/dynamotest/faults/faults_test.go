package faults

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m, Leaks()...) }

// service is a DynamoDB that says yes to everything, and counts what reaches it.
func service(t *testing.T) (url string, reached *atomic.Int64) {
	t.Helper()
	reached = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return // it was cut short
		}
		reached.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"Attributes":{"filler":{"S":"`+strings.Repeat("x", 400)+`"}}}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, reached
}

var put = &dynamodb.PutItemInput{
	TableName: aws.String("t"), Item: map[string]types.AttributeValue{"filler": &types.AttributeValueMemberS{Value: strings.Repeat("x", 400)}},
}

func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// Every trouble comes, some requests get through all the same, and after Heal all of them do, once.
func TestTroubles(t *testing.T) {
	t.Parallel()
	url, reached := service(t)
	n := Start(t, url)
	l := n.Line(t, 1)
	missing := func() (names []string) {
		counts := n.Counts()
		for _, name := range Troubles() {
			if counts[name] == 0 {
				names = append(names, name)
			}
		}
		return names
	}
	good, bad := 0, 0
	for range 4000 {
		if good > 0 && bad > 0 && len(missing()) == 0 {
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := l.Client.PutItem(ctx, put, once); err == nil {
			good++
		} else {
			bad++
		}
		cancel()
	}
	require.Empty(t, missing())
	require.Positive(t, good)
	require.Positive(t, bad)

	l.Heal()
	<-time.After(600 * time.Millisecond) // for what is late
	before, seen := n.Counts(), reached.Load()
	for range 50 {
		_, err := l.Client.PutItem(t.Context(), put, once)
		require.NoError(t, err)
	}
	require.Equal(t, before, n.Counts())
	require.Equal(t, seen+50, reached.Load())
}

// The answers look to the SDK as DynamoDB's own.
func TestAnswers(t *testing.T) {
	t.Parallel()
	url, reached := service(t)
	n := Start(t, url)
	for i := range answers {
		a := &answers[i]
		l := n.Line(t, 1)
		l.Heal() // of all but the answer
		made := reached.Load()
		only := func(o *dynamodb.Options) {
			o.Retryer = aws.NopRetryer{}
			o.HTTPClient = &http.Client{Transport: always{l, a}}
			o.BaseEndpoint = aws.String(url)
		}
		_, err := l.Client.PutItem(t.Context(), put, only)
		var coded smithy.APIError
		require.ErrorAs(t, err, &coded, a.name)
		require.Equal(t, a.code, coded.ErrorCode(), a.name)
		require.Equal(t, a.made, reached.Load() > made, a.name)

		_, err = l.Client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: put.TableName, Item: put.Item}}, {Put: &types.Put{TableName: put.TableName, Item: put.Item}},
		}}, only)
		var canceled *types.TransactionCanceledException
		require.Equal(t, a.reason != "", errors.As(err, &canceled), a.name)
		if canceled != nil {
			require.Len(t, canceled.CancellationReasons, 2)
			require.Equal(t, "None", aws.ToString(canceled.CancellationReasons[0].Code))
			require.Equal(t, a.reason, aws.ToString(canceled.CancellationReasons[1].Code))
		}

		// A read meets no transaction's conflict.
		_, err = l.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: put.TableName, Key: put.Item}, only)
		require.Equal(t, a.reason == "TransactionConflict", err == nil, a.name)
	}
}

// always gives one answer to all.
type always struct {
	line *Line
	a    *answer
}

func (d always) RoundTrip(r *http.Request) (*http.Response, error) {
	return d.line.instead(*d.a, d.line.transport, r)
}
