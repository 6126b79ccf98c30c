package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/rhythmiq/rhythmiq/store"
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
	KMSKey             string // id, ARN or alias of the key that encrypts the tables; "" means the account's own for DynamoDB, aws/dynamodb
	DeletionProtection bool   // of the tables that are made
}

// TablesReport says what CreateTables found and did.
type TablesReport struct {
	Created  []string // tables that were not there
	Warnings []string // what was asked for and is not there, such as point-in-time recovery on a local engine
}

// CreateTables makes the three tables where they are missing: on demand, with the index, encrypted by a KMS key. It waits until all can be used, and then
// switches expiry and point-in-time recovery on where they are off. It may be called again, and by several at
// once. A table of the right name that has other keys is an error, and is left as it is. The report is good also beside an error.
// It takes about half a minute on AWS; the end of ctx ends it, and calling it again finishes what it began.
func CreateTables(ctx context.Context, client TablesAPI, o *TableOptions) (TablesReport, error) {
	m := maker{client: client}
	if o != nil {
		m.TableOptions = *o
	}
	if m.Prefix == "" {
		m.Prefix = DefaultPrefix
	}
	if err := checkPrefix(m.Prefix); err != nil {
		return m.report, fmt.Errorf("dynamostore: %w", err)
	}
	for _, step := range []func(context.Context, string) error{m.create, m.await, m.expire, m.backUp} { // all tables are made at the same time
		for _, t := range store.Tables() {
			name := m.Prefix + string(t)
			if err := step(ctx, name); err != nil {
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				return m.report, fmt.Errorf("dynamostore: table %s: %w", name, err)
			}
		}
	}
	return m.report, nil
}

type maker struct {
	TableOptions
	client TablesAPI
	report TablesReport
}

func (m *maker) warn(format string, args ...any) {
	m.report.Warnings = append(m.report.Warnings, fmt.Sprintf(format, args...))
}

// The keys of a table and of its index.
var (
	tableKeys = []types.KeySchemaElement{
		{AttributeName: aws.String(partitionName), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sortName), KeyType: types.KeyTypeRange},
	}
	indexKeys = []types.KeySchemaElement{
		{AttributeName: aws.String(indexPartitionName), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(indexSortName), KeyType: types.KeyTypeRange},
	}
	keyTypes = []types.AttributeDefinition{
		{AttributeName: aws.String(partitionName), AttributeType: types.ScalarAttributeTypeB},
		{AttributeName: aws.String(sortName), AttributeType: types.ScalarAttributeTypeS},
		{AttributeName: aws.String(indexPartitionName), AttributeType: types.ScalarAttributeTypeB},
		{AttributeName: aws.String(indexSortName), AttributeType: types.ScalarAttributeTypeS},
	}
)

func (m *maker) create(ctx context.Context, name string) error {
	_, err := m.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
	var missing *types.ResourceNotFoundException
	if err == nil || !errors.As(err, &missing) {
		return err
	}
	encryption := &types.SSESpecification{Enabled: aws.Bool(true), SSEType: types.SSETypeKms}
	if m.KMSKey != "" {
		encryption.KMSMasterKeyId = aws.String(m.KMSKey)
	}
	_, err = m.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: keyTypes,
		KeySchema:            tableKeys,
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String(indexName),
			KeySchema:  indexKeys,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}, // a listing by it gives whole items
		}},
		SSESpecification:          encryption,
		DeletionProtectionEnabled: aws.Bool(m.DeletionProtection),
	})
	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil // somebody else was faster
	}
	if err == nil {
		m.report.Created = append(m.report.Created, name)
	}
	return err
}

// How often it is asked whether a table is ready, and how often in a row it may not be seen.
const (
	firstAsk = 10 * time.Millisecond
	slowAsk  = 2 * time.Second
	unseen   = 12 // within some 10 s
)

// await waits until a table and its index can be used, and checks that they are as they must be.
func (m *maker) await(ctx context.Context, name string) error {
	gone := 0
	for pause := firstAsk; ; pause = min(2*pause, slowAsk) {
		out, err := m.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing): // made just now, and not yet seen everywhere
			if gone++; gone == unseen {
				return err
			}
		case err != nil:
			return err
		default:
			gone = 0
			ready, err := inspect(out.Table)
			if err != nil {
				return err
			}
			if ready {
				if e := out.Table.SSEDescription; e == nil || e.SSEType != types.SSETypeKms {
					m.warn("%s is not encrypted by a KMS key", name)
				}
				return nil
			}
		}
		if !wait(ctx, pause) {
			return ctx.Err()
		}
	}
}

// inspect says whether a table can be used; its error, why it never can.
func inspect(t *types.TableDescription) (ready bool, err error) {
	if !sameKeys(t.KeySchema, tableKeys) || !sameTypes(t.AttributeDefinitions) {
		return false, errors.New("it is there with other keys")
	}
	for _, x := range t.GlobalSecondaryIndexes {
		if aws.ToString(x.IndexName) != indexName {
			continue
		}
		if !sameKeys(x.KeySchema, indexKeys) || x.Projection == nil || x.Projection.ProjectionType != types.ProjectionTypeAll {
			return false, errors.New("its index has other keys, or does not hold whole items")
		}
		switch t.TableStatus {
		case types.TableStatusActive, types.TableStatusUpdating:
		case types.TableStatusCreating:
			return false, nil
		default: // it is being deleted, archived, or has lost its key
			return false, fmt.Errorf("its status is %s", t.TableStatus)
		}
		switch x.IndexStatus {
		case types.IndexStatusActive, types.IndexStatusUpdating:
			return true, nil
		case types.IndexStatusCreating:
			return false, nil
		default:
			return false, fmt.Errorf("the status of its index is %s", x.IndexStatus)
		}
	}
	return false, errors.New("it is there without its index")
}

func sameKeys(a, b []types.KeySchemaElement) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if aws.ToString(a[i].AttributeName) != aws.ToString(b[i].AttributeName) || a[i].KeyType != b[i].KeyType {
			return false
		}
	}
	return true
}

// sameTypes reports whether all of keyTypes are among the attributes.
func sameTypes(attributes []types.AttributeDefinition) bool {
	found := map[string]types.ScalarAttributeType{}
	for _, a := range attributes {
		found[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	for _, k := range keyTypes {
		if found[*k.AttributeName] != k.AttributeType {
			return false
		}
	}
	return true
}

// expire switches the deletion of expired items on.
func (m *maker) expire(ctx context.Context, name string) error {
	if done, err := m.expires(ctx, name); done || err != nil {
		return err
	}
	_, err := m.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               aws.String(name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(expiryName), Enabled: aws.Bool(true)},
	})
	if err != nil { // because another call has switched it on since?
		if done, e := m.expires(ctx, name); done || e != nil {
			return e
		}
	}
	return err
}

// expires says whether nothing is left to switch on.
func (m *maker) expires(ctx context.Context, name string) (bool, error) {
	out, err := m.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
	if err != nil || out.TimeToLiveDescription == nil {
		return false, err
	}
	switch d := out.TimeToLiveDescription; d.TimeToLiveStatus {
	case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
		if is := aws.ToString(d.AttributeName); is != expiryName {
			return false, fmt.Errorf("items expire by %q, not by %q", is, expiryName)
		}
		return true, nil
	case types.TimeToLiveStatusDisabling:
		m.warn("the deletion of expired items in %s is being switched off; run this again in an hour", name)
		return true, nil
	default:
		return false, nil
	}
}

// backUpTries is how often a table is asked that has just been made and cannot be backed up yet.
const backUpTries = 8

// backUp switches point-in-time recovery on. Engines that have none are reported.
func (m *maker) backUp(ctx context.Context, name string) error {
	out, err := m.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(name)})
	if err == nil && out.ContinuousBackupsDescription != nil {
		if p := out.ContinuousBackupsDescription.PointInTimeRecoveryDescription; p != nil && p.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled {
			return nil
		}
	}
	for i := 0; err == nil; i++ {
		_, err = m.client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName:                        aws.String(name),
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
		})
		if err == nil {
			return nil
		}
		if isCode(err, "ContinuousBackupsUnavailableException") && i < backUpTries && wait(ctx, min(firstAsk<<(2*i), slowAsk)) {
			err = nil
		}
	}
	if isCode(err, "UnknownOperationException", "UnsupportedOperationException") {
		m.warn("%s has no point-in-time recovery: the engine does not know it", name)
		return nil
	}
	return err
}

func isCode(err error, codes ...string) bool {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return false
	}
	for _, c := range codes {
		if coded.ErrorCode() == c {
			return true
		}
	}
	return false
}
