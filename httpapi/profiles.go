package httpapi

import (
	"bytes"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

var (
	registration = fields(map[string]*shape{
		"username": aText, "firstName": aText, "lastName": aText, "email": aText, "phoneNumber": aText, "password": aText,
	})
	profileChanges = registration // an e-mail is well-formed, and refused by the service
)

type profileDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"profileId"`
}

func (h *Handler) createProfile(c *call) (reply, error) {
	r, err := decode(c, registration, func(r profile.Registration) error {
		r.Identity = c.who.Identity
		return r.Validate()
	})
	if err != nil {
		return reply{}, err
	}
	r.Identity = c.who.Identity
	p, err := h.app.Profiles.Create(c.ctx, r)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: "/profiles/" + p.ID.String(),
		value: profileDone{"Profile created successfully", p.ID},
	}, nil
}

func (h *Handler) getProfile(c *call) (reply, error) {
	p, err := h.app.Profiles.Get(c.ctx, c.profileID)
	if err != nil {
		return reply{}, err
	}
	return reply{raw: appendProfile(make([]byte, 0, profileBytes), &p), version: p.Version}, nil
}

const profileBytes = 512 // holds most profiles

// appendProfile encodes a profile as encoding/json does, at less cost: this is what is asked for most.
func appendProfile(b []byte, p *profile.Profile) []byte {
	b = append(append(b, `{"profileId":"`...), p.ID.String()...)
	b = appendText(append(b, `","username":`...), p.Username)
	b = appendText(append(b, `,"firstName":`...), p.FirstName)
	b = appendText(append(b, `,"lastName":`...), p.LastName)
	b = appendText(append(b, `,"email":`...), p.Email)
	b = appendText(append(b, `,"phoneNumber":`...), p.PhoneNumber)
	b = p.CreatedAt.AppendFormat(append(b, `,"createdAt":"`...), time.RFC3339Nano)
	b = p.UpdatedAt.AppendFormat(append(b, `","updatedAt":"`...), time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// appendText appends a JSON string; what may need an escape is left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := marshal(s) // a string can always be encoded
			return append(b, bytes.TrimSuffix(quoted, []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// updatedFields are the new values of the fields that a change named.
type updatedFields struct {
	Username    *string `json:"username,omitempty"`
	FirstName   *string `json:"firstName,omitempty"`
	LastName    *string `json:"lastName,omitempty"`
	PhoneNumber *string `json:"phoneNumber,omitempty"`
	Password    *string `json:"password,omitempty"`
}

func (h *Handler) updateProfile(c *call) (reply, error) {
	changes, err := decode(c, profileChanges, profile.Changes.Validate)
	if err != nil {
		return reply{}, err
	}
	var p profile.Profile
	err = c.change(h.profileVersion(c), func(ifMatch store.Version) error {
		p, err = h.app.Profiles.Update(c.ctx, c.profileID, changes, ifMatch)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	hidden := "********"
	return reply{version: p.Version, value: struct {
		profileDone
		Updated updatedFields `json:"updatedFields"`
	}{
		profileDone{"Profile updated successfully", p.ID},
		updatedFields{
			Username: instead(changes.Username, &p.Username), FirstName: instead(changes.FirstName, &p.FirstName),
			LastName: instead(changes.LastName, &p.LastName), PhoneNumber: instead(changes.PhoneNumber, &p.PhoneNumber),
			Password: instead(changes.Password, &hidden),
		},
	}}, nil
}

// instead returns now where a change was given.
func instead(given, now *string) *string {
	if given == nil {
		return nil
	}
	return now
}

func (h *Handler) profileVersion(c *call) func() (store.Version, error) {
	return func() (store.Version, error) {
		p, err := h.app.Profiles.Get(c.ctx, c.profileID)
		return p.Version, err
	}
}

func (h *Handler) deleteProfile(c *call) (reply, error) {
	q := c.query()
	cascade := q.flag("cascade")
	if err := q.wrong.Err(); err != nil {
		return reply{}, err
	}
	err := c.change(h.profileVersion(c), func(ifMatch store.Version) error {
		return h.app.Profiles.Delete(c.ctx, c.profileID, cascade, ifMatch)
	})
	return reply{value: profileDone{"Profile deleted successfully", c.profileID}}, err
}

// exportProfile sends all that is held. What is short is sent as any answer is; from maxBuffer on it is
// sent as it comes, and a failure after that breaks the connection off, so that nobody takes a part for the whole.
func (h *Handler) exportProfile(c *call) (reply, error) {
	w := &exportWriter{c: c}
	if err := h.app.Export(c.ctx, c.profileID, w); err != nil {
		if w.streaming {
			abort()
		}
		return reply{}, err
	}
	if w.streaming {
		return reply{done: true}, nil
	}
	return reply{raw: w.buffer.Bytes(), hashed: true}, nil
}

const maxBuffer = 1 << 20

type exportWriter struct {
	c         *call
	buffer    bytes.Buffer
	streaming bool
}

func (w *exportWriter) Write(p []byte) (int, error) {
	if !w.streaming && w.buffer.Len()+len(p) <= maxBuffer {
		return w.buffer.Write(p)
	}
	if !w.streaming {
		w.streaming = true
		w.c.w.Header()["Content-Type"] = typeJSON
		w.c.w.Header()["X-Content-Type-Options"] = noSniffing
		w.c.sent = http.StatusOK
		w.c.w.WriteHeader(http.StatusOK)
		if _, err := w.c.w.Write(w.buffer.Bytes()); err != nil {
			return 0, err
		}
	}
	return w.c.w.Write(p)
}
