package dynamostore

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// payload has all attempts of a request send the same bytes. The SDK writes the attributes of an item in an order that changes from
// attempt to attempt, and DynamoDB Local takes another order for other parameters, which a client request token forbids.
type payload struct{ sent []byte }

// same is an option of the client's operations.
func (p *payload) same(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Serialize.Add(p, middleware.After) // what the SDK's own serializer has written
	})
}

// ID implements middleware.SerializeMiddleware.
func (*payload) ID() string { return "SamePayload" }

// HandleSerialize implements middleware.SerializeMiddleware.
func (p *payload) HandleSerialize(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (
	out middleware.SerializeOutput, metadata middleware.Metadata, err error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("dynamostore: a request of type %T", in.Request)
	}
	if p.sent == nil {
		if p.sent, err = io.ReadAll(request.GetStream()); err != nil {
			return out, metadata, err
		}
	}
	if in.Request, err = request.SetStream(bytes.NewReader(p.sent)); err != nil {
		return out, metadata, err
	}
	return next.HandleSerialize(ctx, in)
}
