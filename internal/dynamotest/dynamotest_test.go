package dynamotest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

func TestMain(m *testing.M) { Main(m) }

func TestPrefixLeavesNoTable(t *testing.T) {
	client := Client(t, Endpoint(t))
	names := func() string {
		var all []string
		pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			require.NoError(t, err)
			all = append(all, page.TableNames...)
		}
		return strings.Join(all, " ")
	}
	create := func(name string) {
		_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
			TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeB}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		})
		require.NoError(t, err)
	}
	others := Prefix(t, client)
	create(others + "users")
	var prefix string
	t.Run("test with tables", func(t *testing.T) {
		prefix = Prefix(t, client)
		create(prefix + "users")
		create(prefix + "models")
		require.Contains(t, names(), prefix)
	})
	require.NotContains(t, names(), prefix)
	require.Contains(t, names(), others)
}

func TestStore(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	observed := 0
	s := Store(t, func() time.Time { return now }, func(o *dynamostore.Options) {
		o.Observe = func(context.Context, dynamostore.Request) { observed++ }
	})
	item := store.Item{Key: store.Key{Table: store.Users, Sort: "a"}, ExpiresAt: now.Add(time.Second), Body: []byte(`{"n":1}`)}
	require.NoError(t, s.Apply(t.Context(), store.Put(item, store.Absent)))
	got, err := s.Get(t.Context(), item.Key, store.Strong)
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, string(got.Body))
	require.Equal(t, 2, observed)

	now = now.Add(time.Second)
	_, err = s.Get(t.Context(), item.Key, store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound, "by the clock that was given")

	_, err = Store(t, nil).Get(t.Context(), item.Key, store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound, "on tables of its own")
}

func TestFind(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer server.Close()
	for name, c := range map[string]struct {
		env   map[string]string
		start error
		want  string
		image string // that was started
		says  string // the error
		none  bool   // there is none, as against one that fails
	}{
		"named":              {env: map[string]string{"DYNAMODB_ENDPOINT": server.URL}, want: server.URL},
		"named but silent":   {env: map[string]string{"DYNAMODB_ENDPOINT": silent(t)}, says: "DYNAMODB_ENDPOINT does not answer"},
		"named nonsense":     {env: map[string]string{"DYNAMODB_ENDPOINT": "\x00"}, says: "DYNAMODB_ENDPOINT does not answer"},
		"container":          {want: "http://container", image: "amazon/dynamodb-local:3.1.0"},
		"container of yours": {env: map[string]string{"DYNAMODB_IMAGE": "mine:1"}, want: "http://container", image: "mine:1"},
		"none":               {start: errors.New("no socket"), image: "amazon/dynamodb-local:3.1.0", says: ".ci/dynamodb start", none: true},
	} {
		t.Run(name, func(t *testing.T) {
			started := ""
			got, err := find(t.Context(), func(key string) string { return c.env[key] }, func(_ context.Context, image string) (string, error) {
				started = image
				return "http://container", c.start
			})
			require.Equal(t, c.image, started)
			require.Equal(t, c.none, errors.Is(err, errNone))
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// silent returns the URL of a port that nobody listens on.
func silent(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

// told is a test that remembers how it was ended.
type told struct {
	testing.TB
	skipped, failed bool
}

func (r *told) Helper()              {}
func (r *told) Skipf(string, ...any) { r.skipped = true }
func (r *told) Fatal(...any)         { r.failed = true }

func TestEndpointSkipsOrFails(t *testing.T) {
	// No test of this package runs beside this one, so the container that they share can be put aside.
	asked, endpoint, err := local.asked, local.endpoint, local.err
	defer func() { local.asked, local.endpoint, local.err = asked, endpoint, err }()
	local.asked, local.endpoint, local.err = true, "", errors.New("no Docker here")

	t.Setenv("DYNAMODB_ENDPOINT", "")
	t.Setenv("CI", "")
	r := told{TB: t}
	Endpoint(&r)
	require.True(t, r.skipped)
	require.False(t, r.failed)

	t.Setenv("CI", "true")
	r = told{TB: t}
	Endpoint(&r)
	require.True(t, r.failed, "a skipped test must not pass for a tested one")
	require.False(t, r.skipped)

	t.Setenv("DYNAMODB_ENDPOINT", silent(t))
	t.Setenv("CI", "")
	r = told{TB: t}
	Endpoint(&r)
	require.True(t, r.failed, "somebody meant to test")
}

func TestReachable(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	defer l.Close()
	for host, ok := range map[string]bool{
		"":                              true, // Docker's client looks for it
		"ssh://machine":                 true, // likewise
		"unix://" + socket:              true,
		"unix://" + socket + ".none":    false,
		"tcp" + silent(t)[len("http"):]: false,
		"\x00":                          false,
	} {
		err := reachable(t.Context(), host)
		require.Equal(t, ok, err == nil, "%q: %v", host, err)
	}

	// Nothing is started, nor is anything tried for long, where Docker is not.
	t.Setenv("DOCKER_HOST", "unix://"+socket+".none")
	var c container
	_, err = c.start(t.Context(), "none:none")
	require.ErrorContains(t, err, "DOCKER_HOST does not answer")
	require.NoError(t, c.end())
}

type status int

func (s status) Run() int { return int(s) }

func TestEndingKeepsTheStatus(t *testing.T) {
	require.Equal(t, 3, ending{status(3), new(container)}.Run())
	require.Equal(t, 0, ending{status(0), new(container)}.Run())
}

func TestClientTakesOptions(t *testing.T) {
	client := Client(t, "http://127.0.0.1:1", func(o *dynamodb.Options) { o.RetryMaxAttempts = 7 })
	require.Equal(t, 7, client.Options().RetryMaxAttempts)
	require.Equal(t, "http://127.0.0.1:1", aws.ToString(client.Options().BaseEndpoint))
}
