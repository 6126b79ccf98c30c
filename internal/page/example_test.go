package page_test

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
)

func Example() {
	token := page.EncodeToken([]byte("the last of this page"))
	after, ok := page.DecodeToken(token)
	fmt.Printf("%s %v\n", after, ok)
	_, ok = page.DecodeToken("made up!")
	var f fault.Fields
	page.Check(&f, 500, ok)
	fmt.Println(f["limit"])
	fmt.Println(f["pageToken"])
	// Output:
	// the last of this page true
	// Limit must be between 1 and 100
	// Page token is not valid
}
