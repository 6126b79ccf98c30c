package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// A store is made without a word to DynamoDB. Where nothing answers, it says so at once.
func ExampleNew() {
	client := dynamodb.New(dynamodb.Options{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://127.0.0.1:1"), // nobody is there
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	})
	attempts := 0
	s, err := dynamostore.New(client, &dynamostore.Options{
		Prefix:   "example-",
		Patience: time.Second,
		Observe:  func(context.Context, dynamostore.Request) { attempts++ },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Get(context.Background(), store.Key{Table: store.Users, Sort: "profile"}, store.Strong)
	fmt.Println(errors.Is(err, store.ErrUnavailable), attempts)
	// Output: true 3
}
