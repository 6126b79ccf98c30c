package page_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
)

func TestCheck(t *testing.T) {
	const limit, token = "Limit must be between 1 and 100", "Page token is not valid"
	for _, c := range []struct {
		limit int
		ok    bool
		want  fault.Fields
	}{
		{1, true, nil},
		{100, true, nil},
		{0, true, fault.Fields{"limit": limit}},
		{101, true, fault.Fields{"limit": limit}},
		{100, false, fault.Fields{"pageToken": token}},
		{-1, false, fault.Fields{"limit": limit, "pageToken": token}},
	} {
		var f fault.Fields
		page.Check(&f, c.limit, c.ok)
		require.Equal(t, c.want, f, "%d %v", c.limit, c.ok)
	}
}

func TestTokens(t *testing.T) {
	for _, s := range []string{"", "a", "ab", "abc", "\xff\xfe\xfd"} {
		b, ok := page.DecodeToken(page.EncodeToken([]byte(s)))
		require.True(t, ok)
		require.Equal(t, s, string(b))
	}
	for _, token := range []string{"a", "YQ==", "YR", "Y Q", "//", "YW\nI", "YWI\n"} {
		_, ok := page.DecodeToken(token)
		require.False(t, ok, "%q", token)
	}
}
