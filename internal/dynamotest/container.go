package dynamotest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"
)

// local is the container of this test process: starting one takes longer than most tests, and tables have names of their own.
var local container

// container is started once, by the first who asks.
type container struct {
	mu       sync.Mutex
	asked    bool
	endpoint string
	err      error
	running  *testcontainers.DockerContainer
}

// start starts the container if nobody did, and returns its URL, or why there is none.
func (c *container) start(ctx context.Context, image string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		c.asked = true
		c.endpoint, c.err = c.run(ctx, image)
	}
	return c.endpoint, c.err
}

func (c *container) run(ctx context.Context, image string) (string, error) {
	if err := reachable(ctx, os.Getenv("DOCKER_HOST")); err != nil {
		return "", err
	}
	// Long enough to pull an image; where that cannot be done it would be tried for a quarter of an hour.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tclog.SetDefault(tclog.NewNoopLogger()) // it would tell the standard error about Docker
	var err error
	c.running, err = testcontainers.Run(
		ctx, image,
		testcontainers.WithExposedPorts("8000/tcp"),
		// Docker listens on the port before the server does, so only an answer will do: to a request that is none of DynamoDB's, 400.
		testcontainers.WithWaitStrategy(wait.ForHTTP("/").WithPort("8000/tcp").WithStartupTimeout(time.Minute).
			WithStatusCodeMatcher(func(status int) bool { return status == http.StatusBadRequest })),
	)
	if err != nil {
		return "", fmt.Errorf("no container of %s: %w", image, err)
	}
	return c.running.PortEndpoint(ctx, "8000/tcp", "http")
}

// reachable spares those who name a Docker that is not there the time it takes to find out otherwise. Where none is
// named, the usual sockets are looked for, which is quick.
func reachable(ctx context.Context, host string) error {
	if host == "" {
		return nil
	}
	u, err := url.Parse(host)
	if err != nil {
		return err
	}
	network, address := u.Scheme, u.Host
	switch network {
	case "unix":
		address = u.Path
	case "tcp", "http", "https":
		network = "tcp"
	default:
		return nil // Docker's client knows of more ways
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("DOCKER_HOST does not answer: %w", err)
	}
	return conn.Close()
}

// end ends the container, if there is one.
func (c *container) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return testcontainers.TerminateContainer(c.running, testcontainers.StopTimeout(0)) // it has nothing to save
}
