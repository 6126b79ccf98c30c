package variable

import "github.com/rhythmiq/rhythmiq/internal/fault"

// Validate says what is wrong with the addition, field by field, or returns nil; [Service.Create] does so too.
func (a Addition) Validate() error {
	var f fault.Fields
	checkType(&f, a.Type)
	checkRetention(&f, a.RetentionDays)
	checkZone(&f, a.Type, a.TimeZone)
	return f.Err()
}

// Validate says what is wrong with the changes, field by field, as far as that can be told without the variable that
// they are for; [Service.Update] does so too.
func (c Changes) Validate() error { return c.check(record{}) }
