package dynamostore

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// aProfile is an item of 1 KB.
func aProfile(b *testing.B) store.Item {
	b.Helper()
	item := store.Item{
		Key: store.Key{Table: store.Users, Partition: store.Partition(uuid.New()), Sort: "profile"}, Version: store.NewVersion(),
		Body: json.RawMessage(`{"username":"ada","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace","phoneNumber":"+12015550123",` +
			`"createdAt":"2026-03-01T18:00:00Z","updatedAt":"2026-03-01T18:00:00Z","identity":{"issuer":"https://id.example.com","subject":"` + strings.Repeat("x", 700) + `"}}`),
	}
	if err := store.CheckWrites([]store.Write{store.Put(item, store.None)}); err != nil {
		b.Fatal(err)
	}
	return item
}

func BenchmarkMapping(b *testing.B) {
	item := aProfile(b)
	row, err := encode(item, call{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encode(item, call{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(item.Key.Table, row); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStore sets what the store does beside the same request of the bare client, in turns.
func BenchmarkStore(b *testing.B) {
	endpoint := os.Getenv("DYNAMODB_ENDPOINT")
	if endpoint == "" {
		b.Skip("SKIPPED, NOT TESTED: set DYNAMODB_ENDPOINT to measure")
	}
	transport := awshttp.NewBuildableClient().GetTransport()
	b.Cleanup(transport.CloseIdleConnections)
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	ctx := b.Context()
	prefix := "bench-" + uuid.NewString() + "-"
	if _, err := CreateTables(ctx, client, &TableOptions{Prefix: prefix}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, t := range store.Tables() {
			if _, err := client.DeleteTable(context.WithoutCancel(ctx), &dynamodb.DeleteTableInput{TableName: aws.String(prefix + string(t))}); err != nil {
				b.Error(err)
			}
		}
	})
	s, err := New(client, &Options{Prefix: prefix, AttemptTimeout: 10 * time.Second, Patience: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	item := aProfile(b)
	row, err := encode(item, call{})
	if err != nil {
		b.Fatal(err)
	}
	name := s.table(item.Key.Table)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"put/store", func() error { return s.Apply(ctx, store.Put(item, store.None)) }},
		{"put/client", func() error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: row})
			return err
		}},
		{"get/store", func() error {
			_, err := s.Get(ctx, item.Key, store.Eventual)
			return err
		}},
		{"get/client", func() error {
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: map[string]types.AttributeValue{
				partitionName: row[partitionName], sortName: row[sortName],
			}})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
