package faults

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// answer is one that DynamoDB gives of itself.
type answer struct {
	name   string
	weight int  // how often, of those that are not as they should be
	made   bool // the request is made all the same
	status int
	code   string // of a request, "TransactionCanceledException" and reason where that is a transaction and reason is set
	reason string
}

// oneIn is how many requests there are to one with such an answer.
const oneIn = 12

// Sources: Amazon DynamoDB API Reference, "TransactWriteItems" and "Common errors"; Developer Guide, "Error handling with DynamoDB". A conflict is also
// told to single writes that meet a transaction.
var answers = []answer{
	{"conflict with a transaction", 6, false, http.StatusBadRequest, "TransactionConflictException", "TransactionConflict"},
	{"throughput exceeded", 2, false, http.StatusBadRequest, "ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded"},
	{"throttled", 2, false, http.StatusBadRequest, "ThrottlingException", "ThrottlingError"},
	{"request limit exceeded", 1, false, http.StatusBadRequest, "RequestLimitExceeded", ""},
	{"server error before it was made", 2, false, http.StatusInternalServerError, "InternalServerError", ""},
	{"server error after it was made", 2, true, http.StatusInternalServerError, "InternalServerError", ""},
	{"service unavailable after it was made", 1, true, http.StatusServiceUnavailable, "ServiceUnavailable", ""},
}

// RoundTrip implements http.RoundTripper.
func (l *Line) RoundTrip(r *http.Request) (*http.Response, error) {
	// Half of the connections are used once, so that the next one has another fate; the others are used until they fail.
	if l.draw(2) == 1 {
		r = r.Clone(r.Context())
		r.Close = true
	}
	if l.draw(oneIn) != oneIn-1 {
		return l.transport.RoundTrip(r)
	}
	return l.instead(l.answer(), l.transport, r)
}

// instead gives answer a, which may be that to a request that was made.
func (l *Line) instead(a answer, next http.RoundTripper, r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if a.reason == "TransactionConflict" && (operation == "GetItem" || operation == "Query" || operation == "Scan" || operation == "BatchWriteItem") {
		return next.RoundTrip(r) // these have no such answer
	}
	items := 0
	var err error
	if operation == "TransactWriteItems" && a.reason != "" {
		if r, items, err = transactItems(r); err != nil {
			return nil, err
		}
	}
	if a.made {
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err != nil {
			return nil, err
		}
	} else if r.Body != nil {
		_ = r.Body.Close()
	}
	l.network.count(a.name)
	return a.response(r, items)
}

func (l *Line) answer() answer {
	sum := 0
	for _, a := range answers {
		sum += a.weight
	}
	at := l.draw(sum)
	for _, a := range answers {
		if at -= a.weight; at < 0 {
			return a
		}
	}
	return answers[0]
}

// transactItems counts the items of a transaction; every one gets a reason in the answer.
func transactItems(r *http.Request) (*http.Request, int, error) {
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, 0, err
	}
	var in struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, 0, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, len(in.TransactItems), nil
}

type reason struct {
	Code    string `json:"Code"`
	Message string `json:"Message,omitempty"`
}

// response returns the answer in DynamoDB's form (JSON 1.0); items is the number of items of a transaction, 0 for other requests. One of them is to blame.
func (a *answer) response(r *http.Request, items int) (*http.Response, error) {
	type failure struct {
		Type    string   `json:"__type"`
		Message string   `json:"message"`
		Reasons []reason `json:"CancellationReasons,omitempty"`
	}
	f := failure{Type: "com.amazonaws.dynamodb.v20120810#" + a.code, Message: "made up: " + a.name}
	if items > 0 {
		f.Type = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
		f.Reasons = make([]reason, items)
		for i := range f.Reasons {
			f.Reasons[i].Code = "None"
		}
		f.Reasons[items-1] = reason{a.reason, f.Message}
	}
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}, nil
}
