// Package faults stands between a DynamoDB client and DynamoDB and makes the network and the service as bad as they can be: requests and
// answers that come late, are cut short or never come, connections that are reset, a service that is down and up again (by toxiproxy), and
// answers of the service itself: conflicts of transactions, which DynamoDB Local never has, throttling, and
// errors of the server before or after the request was made.
//
//	network := faults.Start(t, dynamotest.Endpoint(t))
//	line := network.Line(t, seed)
//	s, err := dynamostore.New(line.Client, &dynamostore.Options{Prefix: prefix, AttemptTimeout: 150 * time.Millisecond})
//	...
//	line.Heal()
//
// What befalls a line is drawn by its seed; when that happens depends on the moment, so that a seed repeats the kind of trouble
// and not the trouble itself. It is for tests only.
package faults

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
)

// fate is what befalls a connection from its beginning to its end.
type fate struct {
	name   string
	weight int // how often, among all of them
	toxics []string
}

// steady is the fate of connections that nothing befalls.
const steady = 0

// unsteady is the name of the fate that goes down and up again.
const unsteady = "down and up again"

// fates are in toxiproxy's terms: upstream is the request, downstream the answer. A toxic without an end in time hangs until the client
// gives up. Latencies and jitters are in milliseconds, and those called late are beyond what an attempt waits for.
var fates = []fate{
	steady: {"steady", 150, nil},
	{"slow", 8, []string{toxic("latency", "upstream", `"latency": 15, "jitter": 15`), toxic("latency", "downstream", `"latency": 15, "jitter": 15`)}},
	{"late request", 4, []string{toxic("latency", "upstream", `"latency": 300, "jitter": 200`)}},
	{"late answer", 4, []string{toxic("latency", "downstream", `"latency": 300, "jitter": 200`)}},
	{"lost request", 4, []string{toxic("timeout", "upstream", `"timeout": 0`)}},
	{"lost answer", 4, []string{toxic("timeout", "downstream", `"timeout": 0`)}},
	{"request dropped", 2, []string{toxic("timeout", "upstream", `"timeout": 40`)}},
	{"answer dropped", 2, []string{toxic("timeout", "downstream", `"timeout": 40`)}},
	{"reset at the request", 3, []string{toxic("reset_peer", "upstream", `"timeout": 0`)}},
	{"reset at the answer", 3, []string{toxic("reset_peer", "downstream", `"timeout": 5`)}},
	{"request cut short", 2, []string{toxic("limit_data", "upstream", `"bytes": 900`)}},
	{"head of the answer cut short", 2, []string{toxic("limit_data", "downstream", `"bytes": 40`)}},
	{"answer cut short", 2, []string{toxic("limit_data", "downstream", `"bytes": 260`)}},
	{unsteady, 10, nil},
}

func toxic(kind, stream, attributes string) string {
	return fmt.Sprintf(`{"type": %q, "stream": %q, "attributes": {%s}}`, kind, stream, attributes)
}

// Network is one proxy for each fate, shared by all lines. A connection keeps its fate: toxiproxy's toxics can only be taken off a connection
// that is still being read at the other end, and here many are not.
type Network struct {
	endpoint string
	proxies  []*toxiproxy.Proxy
	mu       sync.Mutex
	counts   map[string]int
}

// Start starts the proxies before endpoint, a URL. They end with the test.
func Start(t testing.TB, endpoint string) *Network {
	t.Helper()
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	n := &Network{endpoint: endpoint, counts: map[string]int{}}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	for _, f := range fates {
		p := toxiproxy.NewProxy(server, f.name, "127.0.0.1:0", u.Host)
		for _, toxic := range f.toxics {
			_, err := p.Toxics.AddToxicJson(strings.NewReader(toxic))
			require.NoError(t, err)
		}
		require.NoError(t, p.Start())
		t.Cleanup(p.Stop)
		n.proxies = append(n.proxies, p)
	}
	n.shake(t)
	return n
}

// shake lets the unsteady proxy go down and up again until the test ends.
func (n *Network) shake(t testing.TB) {
	p := n.proxies[slices.IndexFunc(fates, func(f fate) bool { return f.name == unsteady })]
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for up := true; ; up = !up {
			pause := rand.N(100 * time.Millisecond)
			if !up {
				pause /= 2
			}
			select {
			case <-end:
				return
			case <-time.After(pause):
			}
			if up {
				p.Stop()
			} else if err := p.Start(); err != nil {
				up = true // somebody has taken the port: it stays down a little longer
			}
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-ended
	})
}

// address returns where connections of a fate go. Proxies keep their ports.
func (n *Network) address(fate int) string {
	p := n.proxies[fate]
	p.Lock()
	defer p.Unlock()
	return p.Listen
}

func (n *Network) count(trouble string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[trouble]++
}

// Counts returns how often there was each trouble, by name.
func (n *Network) Counts() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.counts)
}

// Troubles names everything that can happen, in the terms of Counts.
func Troubles() []string {
	var names []string
	for _, f := range fates[steady+1:] {
		names = append(names, f.name)
	}
	for _, a := range answers {
		names = append(names, a.name)
	}
	return names
}

// Leaks are for goleak: toxiproxy leaves a goroutine to each connection that was cut while there was more to read.
func Leaks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*NoopToxic).Pipe"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*LatencyToxic).Pipe"),
	}
}

// Line is a client's way to DynamoDB.
type Line struct {
	// Client is in trouble until Heal is called.
	Client *dynamodb.Client

	network   *Network
	transport *http.Transport
	healed    atomic.Bool
	mu        sync.Mutex
	rand      *rand.Rand
}

// connections is how many a line has at a time.
const connections = 128

// Line returns a new line, whose troubles are drawn by seed. Its connections are closed when the test ends.
func (n *Network) Line(t testing.TB, seed uint64) *Line {
	t.Helper()
	l := &Line{network: n, rand: rand.New(rand.NewPCG(seed, 0x6c696e65))}
	l.transport = awshttp.NewBuildableClient().GetTransport()
	l.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, n.address(l.fate()))
	}
	// What waits for a connection does not keep DynamoDB busy with requests that were given up meanwhile.
	l.transport.MaxConnsPerHost = connections
	t.Cleanup(l.transport.CloseIdleConnections)
	l.Client = dynamotest.Client(t, n.endpoint, func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: l} })
	return l
}

// Heal ends the line's troubles. What is on its way meets them still.
func (l *Line) Heal() {
	l.healed.Store(true)
	l.transport.CloseIdleConnections()
}

// draw returns a number below n, 0 once the line is healed.
func (l *Line) draw(n int) int {
	if l.healed.Load() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rand.IntN(n)
}

// fate draws the fate of a new connection.
func (l *Line) fate() int {
	sum := 0
	for _, f := range fates {
		sum += f.weight
	}
	at := l.draw(sum)
	for i, f := range fates {
		if at -= f.weight; at < 0 {
			if i != steady {
				l.network.count(f.name)
			}
			return i
		}
	}
	return steady
}
