package profile_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx := context.Background()
	profiles, err := profile.NewService(memstore.New(nil), profile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	alice, err := profiles.Create(ctx, profile.Registration{
		Username: "alice", FirstName: "Alice", LastName: "Lee", Email: "alice@example.com",
		PhoneNumber: "+1 201 555 0123", Password: "correct horse battery",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(alice.Username, alice.PhoneNumber)

	session, err := profiles.Login(ctx, profile.Credentials{Email: "Alice@example.com", Password: "correct horse battery"})
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := profiles.Authenticate(ctx, session.Token)
	fmt.Println(who.ProfileID == alice.ID, err)

	_, err = profiles.Login(ctx, profile.Credentials{Username: "alice", Password: "wrong horse"})
	fmt.Println(err)

	if err := profiles.Delete(ctx, alice.ID, false, store.Version{}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = profiles.Authenticate(ctx, session.Token)
	fmt.Println(err)
	// Output:
	// alice +12015550123
	// true <nil>
	// Invalid credentials
	// Unauthorized access. Please provide a valid token.
}

// All wrong fields are named at once.
func ExampleService_Create_invalid() {
	profiles, err := profile.NewService(memstore.New(nil), profile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = profiles.Create(context.Background(), profile.Registration{
		Username: "alice", FirstName: "Alice", LastName: "Lee", Email: "alice", PhoneNumber: "201 555 0123", Password: "secret",
	})
	if e, ok := fault.As(err); ok { // rhythmiq.FieldErrors(err) outside of this module
		for _, field := range []string{"email", "phoneNumber", "password"} {
			fmt.Println(e.Fields[field])
		}
	}
	// Output:
	// Invalid email format
	// Phone number must include a country code
	// Password must be at least 8 characters long
}
