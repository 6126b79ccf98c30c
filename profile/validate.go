package profile

// Validate says what is wrong with the registration, field by field, or returns nil; [Service.Create] does so too.
func (r Registration) Validate() error {
	_, err := r.check()
	return err
}

// Validate says what is wrong with the changes, field by field, or returns nil; [Service.Update] does so too.
func (c Changes) Validate() error {
	_, err := c.check()
	return err
}

// Validate says what is missing in the credentials, or returns nil; [Service.Login] does so too.
func (c Credentials) Validate() error { return c.check() }
