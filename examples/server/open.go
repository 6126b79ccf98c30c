package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

// opened is a store, and in words where it keeps data.
type opened struct {
	store store.Store
	where string
	close func() error
}

// openStore opens what -store and its flags name.
func openStore(ctx context.Context, f flags, log *slog.Logger, m *metrics) (opened, error) {
	switch f.store {
	case "memory":
		return opened{memstore.New(nil), "memory, gone when it stops", func() error { return nil }}, nil
	case "dynamodb":
		o, err := openDynamoDB(ctx, f, log, m)
		if err != nil {
			return o, fmt.Errorf("DynamoDB: %w", err)
		}
		return o, nil
	default:
		s, err := sqlitestore.Open(ctx, f.db, nil)
		if err != nil {
			return opened{}, err
		}
		return opened{s, f.db, s.Close}, nil
	}
}

// How long DynamoDB may take before the server starts.
const (
	patienceForTables = 5 * time.Minute // AWS makes three in half a minute
	patienceForAnswer = 10 * time.Second
)

// How long a move waits for one request and for all attempts of it together. Nobody waits for its answers, its requests are of up to 2 MiB, four at
// a time, perhaps over a slow line, and tables that were just made are throttled until AWS has found out how much they are written to.
const (
	attemptOfMove  = 30 * time.Second
	patienceOfMove = 2 * time.Minute
)

func openDynamoDB(ctx context.Context, f flags, log *slog.Logger, m *metrics) (_ opened, err error) {
	cfg, err := awsConfig(ctx, f.endpoint, log)
	if err != nil {
		return opened{}, err
	}
	transport := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport() // it is what awsConfig put there
	defer func() {
		if err != nil {
			transport.CloseIdleConnections()
		}
	}()
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: transport}
		if f.endpoint != "" {
			o.BaseEndpoint = aws.String(f.endpoint)
		}
	})
	where := f.endpoint
	if where == "" {
		where = cfg.Region
	}

	if f.createTables {
		creating, cancel := context.WithTimeout(ctx, patienceForTables)
		defer cancel()
		report, err := dynamostore.CreateTables(creating, client, &dynamostore.TableOptions{Prefix: f.tablePrefix})
		for _, name := range report.Created {
			log.Info("table made", "table", name)
		}
		for _, warning := range report.Warnings {
			log.Warn("tables: " + warning)
		}
		if err != nil {
			return opened{}, explain(err, where)
		}
		log.Info("tables are there", "prefix", f.tablePrefix, "made", len(report.Created))
	}
	o := dynamostore.Options{Prefix: f.tablePrefix, Observe: m.dynamoDB()}
	if f.moving() {
		o.AttemptTimeout, o.Patience = attemptOfMove, patienceOfMove
	}
	s, err := dynamostore.New(client, &o)
	if err != nil {
		return opened{}, err
	}
	// Better to hear of a missing table or permission now than at the first request.
	asking, cancel := context.WithTimeout(ctx, patienceForAnswer)
	defer cancel()
	for _, table := range store.Tables() {
		_, err := s.Get(asking, store.Key{Table: table, Sort: "nothing"}, store.Strong)
		var missing *types.ResourceNotFoundException
		switch {
		case errors.Is(err, store.ErrNotFound):
		case errors.As(err, &missing):
			return opened{}, fmt.Errorf("%s has no table %s%s; -create-tables makes what is missing", where, f.tablePrefix, table)
		default:
			return opened{}, explain(err, where)
		}
	}
	kept := opened{s, "DynamoDB tables " + f.tablePrefix + "* in " + where, func() error { transport.CloseIdleConnections(); return nil }}
	if f.cache > 0 {
		cache, err := cachestore.New(s, &cachestore.Options{MaxBytes: int64(f.cache), TTL: f.cacheTTL})
		if err != nil {
			return opened{}, err
		}
		m.cache(cache)
		kept.store = cache
	}
	return kept, nil
}

// awsConfig reads credentials and region as all of AWS's tools do, from the environment, files or the machine's role. For an endpoint without TLS,
// which is a local DynamoDB and wants a signature but no matter whose, what is missing is made up.
func awsConfig(ctx context.Context, endpoint string, log *slog.Logger) (aws.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceForAnswer)
	defer cancel()
	local := strings.HasPrefix(endpoint, "http:")
	options := []func(*config.LoadOptions) error{
		// Of a plain *http.Client the SDK could not make one that trusts AWS_CA_BUNDLE.
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			// All are to one host. With the usual 10 idle ones a busy server would open them anew again and again; and without a bound
			// a crowd would wait in a DynamoDB that is slow already, rather than here.
			t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 100, 100
		})),
		config.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			log.Debug("AWS SDK: " + fmt.Sprintf(format, v...))
		})),
	}
	if local {
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled)) // no role of a machine, nor the wait for one
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, err
	}
	if cfg.Region == "" {
		if !local {
			return cfg, errors.New("no region: set AWS_REGION")
		}
		cfg.Region = "us-east-1"
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		if !local {
			return cfg, fmt.Errorf("no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role (%w)", err)
		}
		log.Info("no AWS credentials in the environment: made-up ones will do for a local DynamoDB", "endpoint", endpoint)
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})
	}
	return cfg, nil
}

// explain makes a short error of what DynamoDB said, or of its silence.
func explain(err error, where string) error {
	var said smithy.APIError
	var unsent *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &said):
		return fmt.Errorf("%s: %s", said.ErrorCode(), said.ErrorMessage())
	case errors.As(err, &unsent):
		return fmt.Errorf("%s does not answer: %w", where, unsent.Err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s does not answer: %w", where, err)
	default:
		return err
	}
}
