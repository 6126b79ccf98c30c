package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
)

// withoutAWS hides the credentials of whoever runs the tests.
func withoutAWS(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB",
	} {
		t.Setenv(name, "")
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// pair starts two servers on the same tables, with caches.
func pair(t *testing.T) (a, b *started) {
	t.Helper()
	withoutAWS(t)
	endpoint := dynamotest.Endpoint(t)
	args := []string{
		"-store", "dynamodb", "-dynamodb-endpoint", endpoint, "-table-prefix", dynamotest.Prefix(t, dynamotest.Client(t, endpoint)),
		"-cache", "8MiB", "-rate", "0", "-metrics-addr", "127.0.0.1:0",
	}
	return start(t, append(args, "-create-tables")...), start(t, args...)
}

func TestTwoServersOnTheSameTables(t *testing.T) {
	a, b := pair(t)
	require.Contains(t, a.stderr.String(), `msg="table made"`)
	require.Contains(t, a.stderr.String(), "no AWS credentials in the environment")
	require.NotContains(t, b.stderr.String(), "table made")
	status, answer := call(t, a.client, http.MethodPost, a.base+"/profiles", "", ada)
	require.Equal(t, 201, status, answer)
	me := "/profiles/" + answer["profileId"].(string)
	login := func(s *started) string {
		status, answer := call(t, s.client, http.MethodPost, s.base+"/sessions", "", `{"username":"ada","password":"correct horse battery"}`)
		require.Equal(t, 201, status, answer)
		return answer["token"].(string)
	}
	token, other := login(a), login(b)

	// What one writes, the other reads, changes and takes up again.
	for _, s := range []*started{b, a, b, a} {
		status, answer = call(t, s.client, http.MethodGet, s.base+me, token, "")
		require.Equal(t, 200, status, answer)
		require.Equal(t, "Ada", answer["firstName"])
	}
	status, answer = call(t, b.client, http.MethodPost, b.base+me+"/tune-vectors", token, `{"name":"Evening","mode":"ai","durationMinutes":10}`)
	require.Equal(t, 201, status, answer)
	vector := me + "/tune-vectors/" + answer["tuneVectorId"].(string)
	status, answer = call(t, a.client, http.MethodGet, a.base+vector, token, "")
	require.Equal(t, 200, status, answer)
	require.NotEmpty(t, answer["plan"])
	status, answer = call(t, b.client, http.MethodPut, b.base+me, token, `{"firstName":"Augusta"}`)
	require.Equal(t, 200, status, answer)
	status, answer = call(t, b.client, http.MethodGet, b.base+me, token, "")
	require.Equal(t, 200, status)
	require.Equal(t, "Augusta", answer["firstName"], "one's own write is seen at once")
	status, answer = call(t, a.client, http.MethodPut, a.base+me, token, `{"lastName":"King"}`)
	require.Equal(t, 200, status, answer)
	status, answer = call(t, a.client, http.MethodGet, a.base+me, token, "")
	require.Equal(t, 200, status)
	require.Equal(t, "Augusta King", fmt.Sprint(answer["firstName"], " ", answer["lastName"]), "an update begins from what the other wrote, whatever is cached")

	// A session that one ends is refused by the other at once, though the other has seen it just now.
	status, _ = call(t, b.client, http.MethodGet, b.base+me, other, "")
	require.Equal(t, 200, status)
	status, answer = call(t, a.client, http.MethodDelete, a.base+"/sessions/current", other, "")
	require.Equal(t, 200, status, answer)
	status, _ = call(t, b.client, http.MethodGet, b.base+me, other, "")
	require.Equal(t, 401, status, "ended on the other server")

	// And so is everything once the profile is gone.
	status, answer = call(t, b.client, http.MethodDelete, b.base+me+"?cascade=true", token, "")
	require.Equal(t, 200, status, answer)
	for _, s := range []*started{a, b} {
		for _, path := range []string{me, vector} {
			status, _ = call(t, s.client, http.MethodGet, s.base+path, token, "")
			require.Equal(t, 401, status, path)
		}
	}
	status, answer = call(t, a.client, http.MethodPost, a.base+"/profiles", "", ada)
	require.Equal(t, 201, status, "the name is free again: %v", answer)

	text := scrape(t, a)
	for _, line := range []string{
		`rhythmiq_dynamodb_request_duration_seconds_count{operation="TransactWriteItems",outcome="ok"} `,
		`rhythmiq_dynamodb_capacity_units_total{kind="read",operation="GetItem",table="users"} `,
		`rhythmiq_dynamodb_capacity_units_total{kind="write",operation="TransactWriteItems",table="several"} `,
		`rhythmiq_cache_reads_total{result="miss"} `, `rhythmiq_cache_hit_ratio `, `rhythmiq_cache_bytes `,
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, me[len("/profiles/"):])
	require.Equal(t, 0, a.stop(), a.stderr.String())
	require.Equal(t, 0, b.stop(), b.stderr.String())
}

// scrape returns a server's own metrics, without the buckets of histograms.
func scrape(t *testing.T, s *started) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.metrics+"/metrics", http.NoBody)
	require.NoError(t, err)
	w, err := s.client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^(#.*|go_.*|process_.*|\w+_bucket.*)\n`).ReplaceAllString(string(text), "")
}

func TestOneOfManySignUpsOnTwoServersWins(t *testing.T) {
	a, b := pair(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 24 {
		s := []*started{a, b}[i%2]
		wg.Go(func() {
			// The same e-mail address, under as many usernames.
			body := strings.Replace(ada, `"username":"ada"`, fmt.Sprintf(`"username":"ada%d"`, i), 1)
			status, answer, err := try(t.Context(), s.client, http.MethodPost, s.base+"/profiles", "", body)
			if err != nil || status != 201 && status != 409 {
				t.Errorf("%d %v %v", status, answer, err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{201: 1, 409: 23}, statuses)
}

func TestCannotStartOnDynamoDB(t *testing.T) {
	withoutAWS(t)
	endpoint := dynamotest.Endpoint(t)
	nobody, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		says string
	}{
		"no table":       {args: []string{"-dynamodb-endpoint", endpoint, "-table-prefix", "none-"}, says: "has no table none-users; -create-tables makes what is missing"},
		"bad prefix":     {args: []string{"-dynamodb-endpoint", endpoint, "-table-prefix", "a b"}, says: "prefix"},
		"bad prefix too": {args: []string{"-dynamodb-endpoint", endpoint, "-table-prefix", "a b", "-create-tables"}, says: "prefix"},
		"no answer":      {args: []string{"-dynamodb-endpoint", "http://" + nobody.Addr().String()}, says: "does not answer"},
		"no tables made": {env: map[string]string{"AWS_MAX_ATTEMPTS": "1"}, args: []string{"-dynamodb-endpoint", "http://" + nobody.Addr().String(), "-create-tables"}, says: "does not answer"},
		"no region":      {says: "no region: set AWS_REGION"},
		"no credentials": {env: map[string]string{"AWS_REGION": "eu-central-1"}, says: "no credentials: set AWS_PROFILE"},
		"no profile":     {env: map[string]string{"AWS_PROFILE": "nobody"}, says: "nobody"},
		"bad credentials": {
			env:  map[string]string{"AWS_ACCESS_KEY_ID": "not-of-letters", "AWS_SECRET_ACCESS_KEY": "s"},
			args: []string{"-dynamodb-endpoint", endpoint}, says: "UnrecognizedClientException: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			var stdout, stderr strings.Builder
			args := append([]string{"-addr", "127.0.0.1:0", "-store", "dynamodb", "-log-level", "error"}, c.args...)
			require.Equal(t, 1, run(t.Context(), args, &stdout, &stderr))
			require.Contains(t, stderr.String(), c.says)
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one line: %s", stderr.String())
		})
	}
}

func TestExplain(t *testing.T) {
	require.ErrorContains(t, explain(fmt.Errorf("x: %w", store.ErrUnavailable), "here"), "here does not answer")
	require.ErrorContains(t, explain(fmt.Errorf("x: %w", context.DeadlineExceeded), "here"), "here does not answer")
	require.EqualError(t, explain(&smithy.GenericAPIError{Code: "AccessDenied", Message: "not yours"}, "here"), "AccessDenied: not yours")
	other := errors.New("other")
	require.Equal(t, other, explain(other, "here"))
}

func TestOutcome(t *testing.T) {
	canceled := func(codes ...string) error {
		e := &types.TransactionCanceledException{}
		for _, c := range codes {
			e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(c)})
		}
		return fmt.Errorf("operation: %w", e)
	}
	for want, errs := range map[string][]error{
		"ok":         {nil},
		"condition":  {&types.ConditionalCheckFailedException{}, canceled("None", "ConditionalCheckFailed"), canceled("TransactionConflict", "ConditionalCheckFailed")},
		"conflict":   {&types.TransactionConflictException{}, canceled("TransactionConflict", "None"), &types.TransactionInProgressException{}},
		"throttled":  {&types.ProvisionedThroughputExceededException{}, &types.ThrottlingException{}, &types.RequestLimitExceeded{}, canceled("ThrottlingError")},
		"refused":    {&smithy.GenericAPIError{Code: "AccessDeniedException"}, &types.ResourceNotFoundException{}, canceled("ValidationError")},
		"unanswered": {errors.New("connection reset"), context.DeadlineExceeded},
		"failed": {&smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusServiceUnavailable}}, Err: &smithy.GenericAPIError{Code: "UnknownError"},
		}},
	} {
		for _, err := range errs {
			require.Equal(t, want, outcome(err), "%v", err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "1048576": 1 << 20, "64MiB": 64 << 20, "1.5 GiB": 3 << 29, "100MB": 100e6, "2kB": 2000, "2KB": 2000, "7B": 7} {
		var got size
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
		var again size
		require.NoError(t, again.UnmarshalText([]byte(got.String())))
		require.Equal(t, got, again)
	}
	for _, text := range []string{"", "MiB", "-1", "-1MiB", "NaN", "Inf", "9e18GiB", "1 TiB", "x"} {
		var got size
		require.Error(t, got.UnmarshalText([]byte(text)), text)
		require.Zero(t, got)
	}
}
