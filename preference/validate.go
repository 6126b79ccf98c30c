package preference

import "github.com/rhythmiq/rhythmiq/internal/fault"

// Validate says what is wrong with the addition, field by field, as far as that can be told without the list that
// it is for; [Service.Create] does so too.
func (a Addition) Validate() error {
	var f fault.Fields
	checkType(&f, a.Type)
	checkValue(&f, a.Type, a.Value)
	checkWeight(&f, a.Weight)
	checkIndex(&f, a.Index, MaxPreferences-1)
	return f.Err()
}

// Validate says what is wrong with the changes, field by field, as far as that can be told without the preference that
// they are for; [Service.Update] does so too.
func (c Changes) Validate() error { return c.check(nil, -1) }
