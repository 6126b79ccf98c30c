package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// healthTimeout is how long the store may take to answer a check of health: shorter than a load balancer waits.
const healthTimeout = 2 * time.Second

// health says whether requests can be served at present, which needs the store. It reads a key that is never written.
func (h *Handler) health(c *call) (reply, error) {
	ctx, cancel := context.WithTimeout(c.ctx, healthTimeout)
	defer cancel()
	_, err := h.app.Store().Get(ctx, store.Key{Table: store.Users, Sort: "health"}, store.Eventual)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return reply{}, fault.Wrap(err, fault.Unavailable, messageUnavailable)
	}
	return reply{value: struct {
		Status string `json:"status"`
	}{"ok"}}, nil
}

// document serves the OpenAPI document, whose one server is where the Handler is mounted.
func (h *Handler) document(c *call) (reply, error) {
	prefix := c.location("")
	if prefix == "" {
		return reply{raw: document, hashed: true}, nil
	}
	url, err := json.Marshal(prefix)
	if err != nil {
		return reply{}, err
	}
	return reply{raw: bytes.Replace(document, []byte(`"url": "/"`), append([]byte(`"url": `), url...), 1), hashed: true}, nil
}
