// Package dynamotest gives tests a DynamoDB: the one that DYNAMODB_ENDPOINT names, else a container of DynamoDB Local, else none, and
// then the test is skipped with a word on how to start one. Where CI is set, a test that would be skipped fails.
//
//	func TestMain(m *testing.M) { dynamotest.Main(m) }
//
//	func TestContract(t *testing.T) {
//		s := dynamotest.Store(t, nil) // on tables of its own
//		...
//	}
//
// It is for tests only, and for those outside package dynamostore (package dynamostore_test, and other packages'), since
// it imports that one. Nothing but a test may import it: it links a Docker client.
package dynamotest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// Main runs the tests of a package, then ends the container if one was started, and fails on goroutines that are left. Every package
// that calls this one's functions calls it from its TestMain, or a container may outlive the tests.
func Main(m *testing.M, o ...goleak.Option) { goleak.VerifyTestMain(ending{m, &local}, o...) }

// ending ends the container after the tests.
type ending struct {
	tests goleak.TestingM
	c     *container
}

// Run implements goleak.TestingM.
func (e ending) Run() int {
	status := e.tests.Run()
	if err := e.c.end(); err != nil {
		fmt.Fprintln(os.Stderr, "dynamotest: the container was not ended:", err)
		return max(status, 1)
	}
	return status
}

// Endpoint returns the URL of a DynamoDB that answers, or skips the test, or fails it where CI is set.
func Endpoint(t testing.TB) string {
	t.Helper()
	endpoint, err := find(t.Context(), os.Getenv, local.start)
	switch {
	case err == nil:
		return endpoint
	case errors.Is(err, errNone) && os.Getenv("CI") == "":
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	default:
		t.Fatal(err)
	}
	return ""
}

// errNone says that there is no DynamoDB to test with; one that was named and does not answer is another matter.
var errNone = errors.New(`no DynamoDB to test with. Start one by  eval "$(.ci/dynamodb start)"  or Docker by  eval "$(.ci/docker start)"`)

// find decides where to go; getenv is os.Getenv, and start starts a container.
func find(ctx context.Context, getenv func(string) string, start func(ctx context.Context, image string) (string, error)) (string, error) {
	if endpoint := getenv("DYNAMODB_ENDPOINT"); endpoint != "" {
		if err := answers(ctx, endpoint); err != nil {
			return "", fmt.Errorf("DYNAMODB_ENDPOINT does not answer: %w", err)
		}
		return endpoint, nil
	}
	image := getenv("DYNAMODB_IMAGE")
	if image == "" {
		image = "amazon/dynamodb-local:3.1.0"
	}
	endpoint, err := start(ctx, image)
	if err != nil {
		return "", fmt.Errorf("%w (%w)", errNone, err)
	}
	return endpoint, nil
}

// answers asks endpoint for anything at all.
func answers(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
	if err != nil {
		return err
	}
	transport := awshttp.NewBuildableClient().GetTransport()
	defer transport.CloseIdleConnections()
	w, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	return w.Body.Close()
}

// Client returns a client for endpoint, with credentials that mean nothing. Its connections are closed when the test ends.
func Client(t testing.TB, endpoint string, o ...func(*dynamodb.Options)) *dynamodb.Client {
	t.Helper()
	transport := awshttp.NewBuildableClient().GetTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "us-east-1",
		HTTPClient:   &http.Client{Transport: transport, Timeout: 30 * time.Second},
		// DynamoDB Local wants letters and digits.
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}, o...)
}

// Prefix returns a prefix for names of tables that nobody else uses. The tables that have it are deleted when the test ends.
func Prefix(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	prefix := "test-" + strings.ToLower(rand.Text()[:12]) + "-"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{ExclusiveStartTableName: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			require.NoError(t, err)
			for _, name := range page.TableNames {
				if !strings.HasPrefix(name, prefix) {
					return // they come in order
				}
				_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(name)})
				require.NoError(t, err)
			}
		}
	})
	return prefix
}

// Tables makes the tables of a store, and returns their prefix. They are deleted when the test ends.
func Tables(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	prefix := Prefix(t, client)
	_, err := dynamostore.CreateTables(t.Context(), client, &dynamostore.TableOptions{Prefix: prefix})
	require.NoError(t, err)
	return prefix
}

// Store returns a store on tables of its own that goes by the clock now; nil means time.Now. It waits long for answers, since a machine that is busy
// with tests is no fault of the network's. Each of with may change its options.
func Store(t testing.TB, now func() time.Time, with ...func(*dynamostore.Options)) *dynamostore.Store {
	t.Helper()
	client := Client(t, Endpoint(t))
	o := dynamostore.Options{Prefix: Tables(t, client), Now: now, AttemptTimeout: 20 * time.Second, Patience: 40 * time.Second}
	for _, change := range with {
		change(&o)
	}
	s, err := dynamostore.New(client, &o)
	require.NoError(t, err)
	return s
}
