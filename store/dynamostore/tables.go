package dynamostore

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// TablesAPI is what [CreateTables] asks of DynamoDB; *[dynamodb.Client] has it.
type TablesAPI interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
	DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error)
	UpdateContinuousBackups(context.Context, *dynamodb.UpdateContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateContinuousBackupsOutput, error)
}

// TableOptions of CreateTables; nil and the zero value are fine.
type TableOptions struct {
	Prefix             string // as in [Options]
	KMSKey             string // id, ARN or alias of the key that encrypts the tables; "" means the account's aws/dynamodb key
	DeletionProtection bool
}

// TablesReport says what CreateTables found and did.
type TablesReport struct {
	Created  []string // tables that were not there
	Warnings []string // what was asked for and is not there, such as point-in-time recovery on a local engine
}

// CreateTables makes the three tables where they are missing, and waits until all can be used.
func CreateTables(ctx context.Context, client TablesAPI, o *TableOptions) (TablesReport, error) {
	return TablesReport{}, errors.ErrUnsupported
}
