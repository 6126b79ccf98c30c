package profile

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

func TestFields(t *testing.T) {
	checks := map[string]func(*fault.Fields, string) string{
		"username":    checkUsername,
		"firstName":   func(f *fault.Fields, s string) string { return checkName(f, "firstName", "First name", s) },
		"email":       checkEmail,
		"phoneNumber": checkPhone,
		"password":    checkPassword,
	}
	const (
		usernameLength = "Username must be 3 to 32 characters long"
		usernameChars  = "Username may contain only letters, digits, '.', '_' and '-'"
		nameLong       = "First name must be at most 100 characters long"
		nameControl    = "First name must not contain control characters"
		nameMissing    = "First name is required"
		emailBad       = "Invalid email format"
		emailLong      = "Email must be at most 254 characters long"
		phoneBad       = "Invalid phone number"
		phoneCountry   = "Phone number must include a country code"
		phoneMissing   = "Phone number is required"
		passwordShort  = "Password must be at least 8 characters long"
		passwordLong   = "Password must be at most 128 characters long"
		passwordChars  = "Password must not contain control characters"
	)
	long := strings.Repeat
	domain := func(n int) string { return long("a.", (n-3)/2) + long("b", (n-3)%2) + "com" } // of n characters
	local64 := long("l", 64) + "@"

	for _, c := range []struct{ field, in, out, wrong string }{
		{"username", "abc", "abc", ""},
		{"username", "A.b_c-9", "A.b_c-9", ""},
		{"username", "___", "___", ""},
		{"username", long("z", 32), long("z", 32), ""},
		{"username", "aZ0", "aZ0", ""},
		{"username", "", "", "Username is required"},
		{"username", "ab", "", usernameLength},
		{"username", long("z", 33), "", usernameLength},
		{"username", " abc", "", usernameChars},
		{"username", "a b", "", usernameChars},
		{"username", "a@b", "", usernameChars},
		{"username", "a/b", "", usernameChars},
		{"username", "a:b", "", usernameChars},
		{"username", "a[b", "", usernameChars},
		{"username", "a`b", "", usernameChars},
		{"username", "a{b", "", usernameChars},
		{"username", "jörg", "", usernameChars},
		{"username", "аdmin", "", usernameChars}, // a Cyrillic а
		{"username", "日本", "", usernameLength},   // counted in characters, not bytes

		{"firstName", "A", "A", ""},
		{"firstName", "Anne Marie", "Anne Marie", ""},
		{"firstName", "\u00a0O'Neil\u3000", "O'Neil", ""},
		{"firstName", "e\u0301", "é", ""},
		{"firstName", "李", "李", ""},
		{"firstName", "می\u200cخواهم", "می\u200cخواهم", ""},
		{"firstName", long("é", 100), long("é", 100), ""},
		{"firstName", long("\u0958", 100), "", nameLong}, // composes to two characters each
		{"firstName", long("é", 101), "", nameLong},
		{"firstName", "", "", nameMissing},
		{"firstName", " \u2003", "", nameMissing},
		{"firstName", "A\nB", "", nameControl},
		{"firstName", "A\x00", "", nameControl},
		{"firstName", "A\u2028B", "", nameControl},
		{"firstName", "A\u0085", "", nameControl},
		{"firstName", "A\xff", "", nameControl},
		{"firstName", "A\ufffd", "", nameControl},

		{"email", "a@b.co", "a@b.co", ""},
		{"email", "First.Last+tag@Sub.Example.COM", "First.Last+tag@Sub.Example.COM", ""},
		{"email", "!#$%&'*+-/=?^_`{|}~@x-y.z9.xn--p1ai", "!#$%&'*+-/=?^_`{|}~@x-y.z9.xn--p1ai", ""},
		{"email", local64 + domain(189), local64 + domain(189), ""},
		{"email", local64 + domain(190), "", emailLong},
		{"email", long("l", 65) + "@b.co", "", emailBad},
		{"email", "a@" + long("d", 63) + ".co", "a@" + long("d", 63) + ".co", ""},
		{"email", "a@" + long("d", 64) + ".co", "", emailBad},
		{"email", "", "", "Email is required"},
		{"email", "a", "", emailBad},
		{"email", "@b.co", "", emailBad},
		{"email", "a@", "", emailBad},
		{"email", "a@b", "", emailBad},
		{"email", "a@.co", "", emailBad},
		{"email", "a@b.", "", emailBad},
		{"email", "a@b..co", "", emailBad},
		{"email", "a@b.c", "", emailBad},
		{"email", "a@b.1co", "", emailBad},
		{"email", "a@b.:co", "", emailBad},
		{"email", "a@127.0.0.1", "", emailBad},
		{"email", "a@[127.0.0.1]", "", emailBad},
		{"email", "a@-b.co", "", emailBad},
		{"email", "a@b-.co", "", emailBad},
		{"email", "a@b_c.co", "", emailBad},
		{"email", "a@b@c.co", "", emailBad},
		{"email", ".a@b.co", "", emailBad},
		{"email", "a.@b.co", "", emailBad},
		{"email", "a..b@b.co", "", emailBad},
		{"email", "a b@b.co", "", emailBad},
		{"email", " a@b.co", "", emailBad},
		{"email", "a@b.co\n", "", emailBad},
		{"email", "a\x00@b.co", "", emailBad},
		{"email", "Ann <a@b.co>", "", emailBad},
		{"email", `"a b"@b.co`, "", emailBad},
		{"email", "a(c)@b.co", "", emailBad},
		{"email", "jörg@b.co", "", emailBad},
		{"email", "a@bücher.de", "", emailBad},

		{"phoneNumber", "+12015550123", "+12015550123", ""},
		{"phoneNumber", " +1 (201) 555-0123 ", "+12015550123", ""},
		{"phoneNumber", "+49 30/901820", "+4930901820", ""},
		{"phoneNumber", "+44.20.7946.0958", "+442079460958", ""},
		{"phoneNumber", "+４４２０７９４６０９５８", "+442079460958", ""},
		{"phoneNumber", "+39 06 6981 2345", "+390669812345", ""}, // an Italian zero is kept
		{"phoneNumber", "", "", phoneMissing},
		{"phoneNumber", "  ", "", phoneMissing},
		{"phoneNumber", "201-555-0123", "", phoneCountry},
		{"phoneNumber", "0049 30 901820", "", phoneCountry},
		{"phoneNumber", "+999 5550123456", "", phoneCountry},
		{"phoneNumber", "+1", "", phoneBad},
		{"phoneNumber", "+", "", phoneBad},
		{"phoneNumber", "+1 555-0123", "", phoneBad}, // no area code
		{"phoneNumber", "+1 201 555 01234567", "", phoneBad},
		{"phoneNumber", "++1 201 555 0123", "", phoneBad},
		{"phoneNumber", "+1800FLOWERS", "", phoneBad},
		{"phoneNumber", "+1 201 555 0123 ext. 5", "", phoneBad},
		{"phoneNumber", "call +1 201 555 0123", "", phoneBad},
		{"phoneNumber", "+1 201 555 0123" + long(" ", 26), "", phoneBad},
		{"phoneNumber", "+1201555\x000123", "", phoneBad},

		{"password", "12345678", "12345678", ""},
		{"password", "pässwörd", "pässwörd", ""},
		{"password", " 123456 ", " 123456 ", ""},
		{"password", "a\u00a0b\u3000c\u2003def", "a b c def", ""},
		{"password", "e\u0301234567", "é234567", ""},
		{"password", long("🎵", 128), long("🎵", 128), ""},
		{"password", "", "", "Password is required"},
		{"password", "1234567", "", passwordShort},
		{"password", "🎵🎵🎵🎵🎵🎵🎵", "", passwordShort},
		{"password", long("x", 129), "", passwordLong},
		{"password", "1234567\x00", "", passwordChars},
		{"password", "1234567\n", "", passwordChars},
		{"password", "1234567\x7f", "", passwordChars},
		{"password", "1234567\xff", "", passwordChars},
		{"password", "1234567\ufffd", "", passwordChars},
	} {
		t.Run(c.field+" "+c.in, func(t *testing.T) {
			var f fault.Fields
			out := checks[c.field](&f, c.in)
			if c.wrong != "" {
				require.Equal(t, fault.Fields{c.field: c.wrong}, f)
				return
			}
			require.NoError(t, f.Err())
			require.Equal(t, c.out, out)
		})
	}
}

func valid(check func(*fault.Fields, string) string, s string) (string, bool) {
	var f fault.Fields
	out := check(&f, s)
	return out, len(f) == 0
}

func TestUsernameProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		good := rapid.StringMatching(`[A-Za-z0-9._-]{3,32}`).Draw(t, "good")
		_, ok := valid(checkUsername, good)
		require.True(t, ok)
		other := rapid.String().Draw(t, "other")
		if _, ok := valid(checkUsername, other); ok {
			require.Regexp(t, `\A[A-Za-z0-9._-]{3,32}\z`, other)
		}
		require.Equal(t, usernameClaim(good), usernameClaim(strings.ToUpper(good)))
	})
}

func TestEmailProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		atom := "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
		label := `[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?`
		good := rapid.StringMatching(atom+`(\.`+atom+`){0,2}@(`+label+`\.){1,3}[A-Za-z]{2,10}`).Draw(t, "good")
		out, ok := valid(checkEmail, good)
		require.True(t, ok, good)
		require.Equal(t, good, out)
		require.Equal(t, emailClaim(good), emailClaim(strings.ToUpper(good)))

		// One character of the bad kind anywhere spoils it.
		at := rapid.IntRange(0, len(good)).Draw(t, "at")
		bad := rapid.SampledFrom([]string{"@", " ", "\t", "\x00", "\"", "<", ">", "(", ",", ";", ":", "\\", "[", "ä", "\u200b"}).Draw(t, "bad")
		_, ok = valid(checkEmail, good[:at]+bad+good[at:])
		require.False(t, ok)
	})
}

func TestPhoneProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`\+?[0-9 ().-]{5,20}`)).Draw(t, "phone")
		out, ok := valid(checkPhone, s)
		if !ok {
			require.Empty(t, out)
			return
		}
		require.Regexp(t, `\A\+[1-9][0-9]{4,17}\z`, out)
		again, ok := valid(checkPhone, out)
		require.True(t, ok)
		require.Equal(t, out, again)
	})
}

func TestNameAndPasswordProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		check := func(f *fault.Fields, s string) string { return checkName(f, "firstName", "First name", s) }
		if out, ok := valid(check, s); ok {
			require.LessOrEqual(t, utf8.RuneCountInString(out), maxName)
			again, ok := valid(check, out)
			require.True(t, ok)
			require.Equal(t, out, again)
		}
		if out, ok := valid(checkPassword, s); ok {
			require.Equal(t, out, preparePassword(out))
			require.Equal(t, preparePassword(norm.NFD.String(s)), out) // however it was typed
		}
	})
}

func TestIdentityClaim(t *testing.T) {
	require.NotEqual(t, identityClaim(Identity{"ab", "c"}), identityClaim(Identity{"a", "bc"}))
	require.NotEqual(t, identityClaim(Identity{"a", "b"}), identityClaim(Identity{"A", "b"}))
	require.NotEqual(t, usernameClaim("x"), emailClaim("x"))
}
