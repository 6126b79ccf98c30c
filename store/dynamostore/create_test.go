package dynamostore_test

import (
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

func TestCreateTables(t *testing.T) {
	t.Parallel()
	client := dynamotest.Client(t, dynamotest.Endpoint(t))
	o := &dynamostore.TableOptions{Prefix: dynamotest.Prefix(t, client), KMSKey: "alias/rhythmiq"}

	// Several at once make each table once.
	reports := make([]dynamostore.TablesReport, 4)
	errs := make([]error, len(reports))
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() { reports[i], errs[i] = dynamostore.CreateTables(t.Context(), client, o) })
	}
	wg.Wait()
	var created []string
	for i, r := range reports {
		require.NoError(t, errs[i])
		created = append(created, r.Created...)
	}
	var names []string
	for _, table := range store.Tables() {
		names = append(names, o.Prefix+string(table))
	}
	require.ElementsMatch(t, names, created)

	// Again there is nothing to do but to say what the engine lacks.
	report, err := dynamostore.CreateTables(t.Context(), client, o)
	require.NoError(t, err)
	require.Empty(t, report.Created)
	for _, name := range names {
		require.Contains(t, report.Warnings, name+" has no point-in-time recovery: the engine does not know it")
		out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
		require.NoError(t, err)
		require.Equal(t, types.BillingModePayPerRequest, out.Table.BillingModeSummary.BillingMode)
		require.Len(t, out.Table.GlobalSecondaryIndexes, 1)
		require.Empty(t, out.Table.LocalSecondaryIndexes)
		ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
		require.NoError(t, err)
		require.Equal(t, types.TimeToLiveStatusEnabled, ttl.TimeToLiveDescription.TimeToLiveStatus)
		require.Equal(t, "_ttl", *ttl.TimeToLiveDescription.AttributeName)
	}
}

// A table of the right name and other keys is left as it is.
func TestCreateTablesBesideAnother(t *testing.T) {
	t.Parallel()
	client := dynamotest.Client(t, dynamotest.Endpoint(t))
	prefix := dynamotest.Prefix(t, client)
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(prefix + "interactions"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	report, err := dynamostore.CreateTables(t.Context(), client, &dynamostore.TableOptions{Prefix: prefix})
	require.EqualError(t, err, "dynamostore: table "+prefix+"interactions: it is there with other keys")
	require.Equal(t, []string{prefix + "users", prefix + "models"}, report.Created)
}
