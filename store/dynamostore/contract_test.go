package dynamostore_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/storetest"
)

func TestContract(t *testing.T) {
	endpoint := os.Getenv("DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("no")
	}
	client := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint), HTTPClient: awshttp.NewBuildableClient(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	r, err := dynamostore.CreateTables(context.Background(), client, &dynamostore.TableOptions{Prefix: "lead-"})
	require.NoError(t, err)
	t.Log(r)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		s, err := dynamostore.New(client, &dynamostore.Options{Now: now, Prefix: "lead-"})
		require.NoError(t, err)
		return s
	})
}
