package dynamostore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// table describes one that can be used.
func table(change ...func(*types.TableDescription)) *types.TableDescription {
	d := &types.TableDescription{
		KeySchema: tableKeys, AttributeDefinitions: keyTypes, TableStatus: types.TableStatusActive,
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndexDescription{
			{IndexName: aws.String("another")},
			{
				IndexName: aws.String(indexName), KeySchema: indexKeys, IndexStatus: types.IndexStatusActive,
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			},
		},
		SSEDescription: &types.SSEDescription{SSEType: types.SSETypeKms},
	}
	for _, c := range change {
		c(d)
	}
	return d
}

func status(s types.TableStatus) func(*types.TableDescription) {
	return func(d *types.TableDescription) { d.TableStatus = s }
}

func indexStatus(s types.IndexStatus) func(*types.TableDescription) {
	return func(d *types.TableDescription) { d.GlobalSecondaryIndexes[1].IndexStatus = s }
}

func TestInspect(t *testing.T) {
	other := func(keys []types.KeySchemaElement) []types.KeySchemaElement {
		return []types.KeySchemaElement{keys[0], {AttributeName: aws.String("other"), KeyType: types.KeyTypeRange}}
	}
	for name, c := range map[string]struct {
		change func(*types.TableDescription)
		ready  bool
		wrong  string
	}{
		"ready":             {func(*types.TableDescription) {}, true, ""},
		"being changed":     {status(types.TableStatusUpdating), true, ""},
		"being made":        {status(types.TableStatusCreating), false, ""},
		"being deleted":     {status(types.TableStatusDeleting), false, "its status is DELETING"},
		"key lost":          {status(types.TableStatusInaccessibleEncryptionCredentials), false, "its status is INACCESSIBLE"},
		"archived":          {status(types.TableStatusArchived), false, "its status is ARCHIVED"},
		"index being made":  {indexStatus(types.IndexStatusCreating), false, ""},
		"index changed":     {indexStatus(types.IndexStatusUpdating), true, ""},
		"index deleted":     {indexStatus(types.IndexStatusDeleting), false, "the status of its index is DELETING"},
		"no index":          {func(d *types.TableDescription) { d.GlobalSecondaryIndexes = d.GlobalSecondaryIndexes[:1] }, false, "without its index"},
		"other keys":        {func(d *types.TableDescription) { d.KeySchema = other(tableKeys) }, false, "other keys"},
		"one key":           {func(d *types.TableDescription) { d.KeySchema = tableKeys[:1] }, false, "other keys"},
		"other types":       {func(d *types.TableDescription) { d.AttributeDefinitions = keyTypes[1:] }, false, "other keys"},
		"index, other keys": {func(d *types.TableDescription) { d.GlobalSecondaryIndexes[1].KeySchema = other(indexKeys) }, false, "its index has other keys"},
		"index, keys only": {func(d *types.TableDescription) {
			d.GlobalSecondaryIndexes[1].Projection = &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
		}, false, "does not hold whole items"},
		"index, no projection": {func(d *types.TableDescription) { d.GlobalSecondaryIndexes[1].Projection = nil }, false, "does not hold whole items"},
	} {
		ready, err := inspect(table(c.change))
		require.Equal(t, c.ready, ready, name)
		if c.wrong == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.wrong, name)
		}
	}
}

// engine answers as DynamoDB does in situations that DynamoDB Local is never in. Each answer is used once, the last one for ever.
type engine struct {
	tables  []*types.TableDescription // nil: not there
	expiry  []types.TimeToLiveStatus
	by      string // the attribute of expiry
	pitr    []error
	created error
	turned  error // what UpdateTimeToLive says
	asked   int
}

func next[T any](answers *[]T) T {
	first := (*answers)[0]
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	}
	return first
}

func (e *engine) CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	return &dynamodb.CreateTableOutput{}, e.created
}

func (e *engine) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	e.asked++
	if d := next(&e.tables); d != nil {
		return &dynamodb.DescribeTableOutput{Table: d}, nil
	}
	return nil, &types.ResourceNotFoundException{}
}

func (e *engine) DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error) {
	return &dynamodb.DescribeTimeToLiveOutput{TimeToLiveDescription: &types.TimeToLiveDescription{
		TimeToLiveStatus: next(&e.expiry), AttributeName: aws.String(e.by),
	}}, nil
}

func (e *engine) UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error) {
	return &dynamodb.UpdateTimeToLiveOutput{}, e.turned
}

func (e *engine) DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error) {
	d := &types.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: types.PointInTimeRecoveryStatusDisabled}
	if e.pitr == nil {
		d.PointInTimeRecoveryStatus = types.PointInTimeRecoveryStatusEnabled
	}
	return &dynamodb.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: &types.ContinuousBackupsDescription{PointInTimeRecoveryDescription: d}}, nil
}

func (e *engine) UpdateContinuousBackups(context.Context, *dynamodb.UpdateContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateContinuousBackupsOutput, error) {
	return &dynamodb.UpdateContinuousBackupsOutput{}, next(&e.pitr)
}

func TestMaker(t *testing.T) {
	refused := code("AccessDeniedException")
	early := code("ContinuousBackupsUnavailableException")
	unknown := code("UnknownOperationException")
	tables := func(d ...*types.TableDescription) []*types.TableDescription { return d }
	ttl := func(s ...types.TimeToLiveStatus) []types.TimeToLiveStatus { return s }
	create := func(m *maker, ctx context.Context) error { return m.create(ctx, "t") }
	await := func(m *maker, ctx context.Context) error { return m.await(ctx, "t") }
	expire := func(m *maker, ctx context.Context) error { return m.expire(ctx, "t") }
	backUp := func(m *maker, ctx context.Context) error { return m.backUp(ctx, "t") }
	for name, c := range map[string]struct {
		engine  engine
		step    func(*maker, context.Context) error
		wrong   string // of the error; "" for none
		warning string
		created bool
	}{
		"made":                     {engine: engine{tables: tables(nil)}, step: create, created: true},
		"there":                    {engine: engine{tables: tables(table())}, step: create},
		"somebody was faster":      {engine: engine{tables: tables(nil), created: &types.ResourceInUseException{}}, step: create},
		"may not make":             {engine: engine{tables: tables(nil), created: refused}, step: create, wrong: "AccessDenied"},
		"seen late":                {engine: engine{tables: tables(nil, nil, table(status(types.TableStatusCreating)), nil, table())}, step: await},
		"never seen":               {engine: engine{tables: tables(nil)}, step: await, wrong: "ResourceNotFoundException"},
		"deleted":                  {engine: engine{tables: tables(table(status(types.TableStatusDeleting)))}, step: await, wrong: "DELETING"},
		"never ready":              {engine: engine{tables: tables(table(status(types.TableStatusCreating)))}, step: await, wrong: "deadline"},
		"not encrypted":            {engine: engine{tables: tables(table(func(d *types.TableDescription) { d.SSEDescription = nil }))}, step: await, warning: "t is not encrypted by a KMS key"},
		"encrypted otherwise":      {engine: engine{tables: tables(table(func(d *types.TableDescription) { d.SSEDescription.SSEType = types.SSETypeAes256 }))}, step: await, warning: "t is not encrypted by a KMS key"},
		"expiry off":               {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabled)}, step: expire},
		"expiry on":                {engine: engine{expiry: ttl(types.TimeToLiveStatusEnabled), by: expiryName, turned: refused}, step: expire},
		"expiry being turned on":   {engine: engine{expiry: ttl(types.TimeToLiveStatusEnabling), by: expiryName, turned: refused}, step: expire},
		"expiry by another":        {engine: engine{expiry: ttl(types.TimeToLiveStatusEnabled), by: "other"}, step: expire, wrong: `items expire by "other", not by "_ttl"`},
		"expiry turned on since":   {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabled, types.TimeToLiveStatusEnabled), by: expiryName, turned: code("ValidationException")}, step: expire},
		"expiry by another since":  {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabled, types.TimeToLiveStatusEnabled), by: "other", turned: code("ValidationException")}, step: expire, wrong: "items expire by"},
		"expiry refused":           {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabled), turned: refused}, step: expire, wrong: "AccessDenied"},
		"expiry changed too often": {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabled), turned: code("ValidationException")}, step: expire, wrong: "ValidationException"},
		"expiry being turned off":  {engine: engine{expiry: ttl(types.TimeToLiveStatusDisabling), by: expiryName}, step: expire, warning: "is being switched off"},
		"backed up":                {engine: engine{}, step: backUp},
		"to be backed up":          {engine: engine{pitr: []error{nil}}, step: backUp},
		"backed up later":          {engine: engine{pitr: []error{early, early, early, nil}}, step: backUp},
		"never backed up":          {engine: engine{pitr: []error{early}}, step: backUp, wrong: "ContinuousBackupsUnavailable"},
		"no backups":               {engine: engine{pitr: []error{unknown}}, step: backUp, warning: "t has no point-in-time recovery"},
		"backups refused":          {engine: engine{pitr: []error{refused}}, step: backUp, wrong: "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				m := &maker{client: &c.engine}
				err := c.step(m, ctx)
				if c.wrong == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.wrong)
				}
				require.Equal(t, c.created, len(m.report.Created) == 1)
				if c.warning == "" {
					require.Empty(t, m.report.Warnings)
				} else {
					require.Len(t, m.report.Warnings, 1)
					require.Contains(t, m.report.Warnings[0], c.warning)
				}
			})
		})
	}
}

func TestCreateTablesEnds(t *testing.T) {
	_, err := CreateTables(t.Context(), &engine{}, &TableOptions{Prefix: "a b"})
	require.ErrorContains(t, err, "prefix")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = CreateTables(ctx, &engine{tables: []*types.TableDescription{table(status(types.TableStatusCreating))}}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "table rhythmiq-users: ")
	e := &engine{tables: []*types.TableDescription{table()}, expiry: []types.TimeToLiveStatus{types.TimeToLiveStatusEnabled}, by: expiryName}
	report, err := CreateTables(t.Context(), e, nil)
	require.NoError(t, err)
	require.Equal(t, TablesReport{}, report)
	require.False(t, isCode(errors.New("x"), "x"))
}
