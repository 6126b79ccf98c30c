package profile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// The rules of the fields. All lengths are in characters (Unicode code points) as the caller wrote them,
// which is also how JSON Schema counts.
const (
	minUsername, maxUsername = 3, 32
	maxName                  = 100
	maxEmail                 = 254 // RFC 5321 4.5.3.1.3 with erratum 1690
	maxEmailLocal            = 64  // RFC 5321 4.5.3.1.1
	maxDomainLabel           = 63  // RFC 1035 2.3.4
	maxPhone                 = 40  // as written, with spaces and brackets
	minPassword, maxPassword = 8, 128
	maxIdentity              = 1024 // bytes of issuer and of subject
)

// checkUsername notes what is wrong with a username. Letters are those of ASCII: a name in another alphabet could
// look like somebody else's, and what its lower case is would depend on the version of Unicode.
func checkUsername(f *fault.Fields, s string) string {
	switch n := utf8.RuneCountInString(s); {
	case s == "":
		f.Add("username", "Username is required")
	case n < minUsername, n > maxUsername:
		f.Add("username", "Username must be %d to %d characters long", minUsername, maxUsername)
	case strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("._-", r) }) >= 0:
		f.Add("username", "Username may contain only letters, digits, '.', '_' and '-'")
	}
	return s
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// checkName notes what is wrong with a first or last name and returns it composed (NFC) and without surrounding
// space, so that one name is one string however it was typed. Any script is welcome.
func checkName(f *fault.Fields, field, label, s string) string {
	composed := s
	if utf8.RuneCountInString(s) <= maxName { // what is too long is not worth the work
		composed = strings.TrimSpace(norm.NFC.String(s))
	}
	switch {
	case !isText(s):
		f.Add(field, "%s must not contain control characters", label)
	case composed == "":
		f.Add(field, "%s is required", label)
	case utf8.RuneCountInString(composed) > maxName:
		f.Add(field, "%s must be at most %d characters long", label, maxName)
	}
	return composed
}

// isText reports whether s is valid UTF-8 without control characters, line separators, and the replacement
// character that decoders put where the input was broken: two different broken inputs would become one.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
	}) < 0
}

// checkEmail notes what is wrong with an e-mail address, which is kept as written. It takes what mail is sent
// to: a dot-atom (RFC 5322 3.2.3) at a domain name of at least two labels, in ASCII (an international
// domain in its "xn--" form). Not taken although RFC 5322 has them: display names, quoted strings, comments, address literals.
func checkEmail(f *fault.Fields, s string) string {
	switch {
	case s == "":
		f.Add("email", "Email is required")
	case utf8.RuneCountInString(s) > maxEmail:
		f.Add("email", "Email must be at most %d characters long", maxEmail)
	case !isEmail(s):
		f.Add("email", "Invalid email format")
	}
	return s
}

func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > maxEmailLocal {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.IndexFunc(atom, func(r rune) bool {
			return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) >= 0 {
			return false
		}
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxDomainLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.IndexFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) >= 0 {
			return false
		}
	}
	top := labels[len(labels)-1]
	// No top-level domain begins with a digit, and so an IPv4 address is none.
	return len(labels) >= 2 && len(top) >= 2 && top[0] > '9'
}

// fold is how usernames and e-mails are compared. Both are ASCII.
func fold(s string) string { return strings.ToLower(s) }

// checkPhone notes what is wrong with a phone number and returns it in E.164. A number is taken if it is possible in
// its country's plan; whether its range is in use changes faster than any library.
func checkPhone(f *fault.Fields, s string) string {
	const field = "phoneNumber"
	if utf8.RuneCountInString(s) > maxPhone {
		f.Add(field, "Invalid phone number")
		return ""
	}
	written := strings.TrimSpace(norm.NFKC.String(s)) // full-width digits become ASCII
	digits := strings.TrimPrefix(written, "+")
	switch {
	case written == "":
		f.Add(field, "Phone number is required")
		return ""
	case strings.ContainsFunc(digits, notOfPhone):
		f.Add(field, "Invalid phone number")
		return ""
	case digits == written:
		f.Add(field, "Phone number must include a country code")
		return ""
	}
	number, err := phonenumbers.Parse(written, "")
	switch {
	case err == phonenumbers.ErrInvalidCountryCode: //nolint:errorlint // returned bare
		f.Add(field, "Phone number must include a country code")
		return ""
	case err != nil, phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE:
		f.Add(field, "Invalid phone number")
		return ""
	}
	return phonenumbers.Format(number, phonenumbers.E164)
}

func notOfPhone(r rune) bool { return !strings.ContainsRune("0123456789 ().-/", r) }

// checkPassword notes what is wrong with a new password and returns it as it is hashed, empty where it is wrong.
func checkPassword(f *fault.Fields, s string) string {
	const field = "password"
	switch n := utf8.RuneCountInString(s); {
	case s == "":
		f.Add(field, "Password is required")
	case n < minPassword:
		f.Add(field, "Password must be at least %d characters long", minPassword)
	case n > maxPassword:
		f.Add(field, "Password must be at most %d characters long", maxPassword)
	case !isText(s):
		f.Add(field, "Password must not contain control characters")
	default:
		return preparePassword(s)
	}
	return ""
}

// preparePassword returns what of a password is hashed, after the OpaqueString profile of RFC 8265: composed
// (NFC) and with every kind of space as U+0020, because keyboards differ in what they send for the same keys.
// Nothing is trimmed or folded.
func preparePassword(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s))
}

// check returns the registration with its fields normalized, or an error that names all that are wrong.
func (r Registration) check() (Registration, error) {
	var f fault.Fields
	r.Username = checkUsername(&f, r.Username)
	r.FirstName = checkName(&f, "firstName", "First name", r.FirstName)
	r.LastName = checkName(&f, "lastName", "Last name", r.LastName)
	r.Email = checkEmail(&f, r.Email)
	r.PhoneNumber = checkPhone(&f, r.PhoneNumber)
	if r.Password != "" || r.Identity == nil && !r.Passwordless {
		r.Password = checkPassword(&f, r.Password)
	}
	if r.Identity != nil && !r.Identity.valid() {
		f.Add("identity", "Issuer and subject must be 1 to %d bytes of UTF-8", maxIdentity)
	}
	return r, f.Err()
}

func (i Identity) valid() bool {
	return i.Issuer != "" && len(i.Issuer) <= maxIdentity && i.Subject != "" && len(i.Subject) <= maxIdentity &&
		utf8.ValidString(i.Issuer) && utf8.ValidString(i.Subject)
}

// check returns the changes with their fields normalized, or an error that names all that are wrong.
func (c Changes) check() (Changes, error) {
	var f fault.Fields
	set := func(p **string, check func(string) string) {
		if *p != nil {
			s := check(**p)
			*p = &s
		}
	}
	set(&c.Username, func(s string) string { return checkUsername(&f, s) })
	set(&c.FirstName, func(s string) string { return checkName(&f, "firstName", "First name", s) })
	set(&c.LastName, func(s string) string { return checkName(&f, "lastName", "Last name", s) })
	set(&c.PhoneNumber, func(s string) string { return checkPhone(&f, s) })
	set(&c.Password, func(s string) string { return checkPassword(&f, s) })
	if c.Email != nil {
		f.Add("email", "Email cannot be changed")
	}
	return c, f.Err()
}

func indexed(list string, i int, field string) string {
	return fmt.Sprintf("%s[%d].%s", list, i, field)
}
