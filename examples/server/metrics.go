package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// metrics is a rhythmiq.Observer that counts for Prometheus, and tells each event to the log at level debug. Its labels are operations, statuses and the names of values:
// small fixed sets, with nothing personal in them.
type metrics struct {
	registry *prometheus.Registry
	duration *prometheus.HistogramVec
	values   *prometheus.SummaryVec
	log      *slog.Logger
}

var _ rhythmiq.Observer = (*metrics)(nil)

func newMetrics(log *slog.Logger) *metrics {
	m := &metrics{
		log:      log,
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rhythmiq_operation_duration_seconds",
			Help: "How long operations took, by operation and status; its count is the number of operations.",
			// From a cached read (under a millisecond) to a plan of a day of music (seconds).
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation", "status"}),
		values: prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Name: "rhythmiq_operation_value",
			Help: "What operations counted: sum and number, by operation and name.",
		}, []string{"operation", "name"}),
	}
	m.registry.MustRegister(m.duration, m.values, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe counts one event.
func (m *metrics) Observe(ctx context.Context, e rhythmiq.Event) {
	m.log.LogAttrs(ctx, slog.LevelDebug, "done", slog.String("operation", e.Operation), slog.String("status", e.Status), slog.Duration("duration", e.Duration))
	m.duration.WithLabelValues(e.Operation, e.Status).Observe(e.Duration.Seconds())
	for _, v := range e.Values {
		m.values.WithLabelValues(e.Operation, v.Name).Observe(v.Number)
	}
}

// dynamoDB returns what counts requests to DynamoDB.
func (m *metrics) dynamoDB() func(context.Context, dynamostore.Request) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rhythmiq_dynamodb_request_duration_seconds",
		Help:    "How long attempts of requests to DynamoDB took, by operation and outcome; its count is the number of requests.",
		Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"operation", "outcome"})
	units := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rhythmiq_dynamodb_capacity_units_total",
		Help: "Capacity units that DynamoDB says it charged, by operation, table (several, where a request may be of more than one) and kind.",
	}, []string{"operation", "table", "kind"})
	m.registry.MustRegister(duration, units)
	return func(_ context.Context, r dynamostore.Request) {
		duration.WithLabelValues(r.Operation, outcome(r.Err)).Observe(r.Duration.Seconds())
		table := string(r.Table)
		if table == "" {
			table = "several"
		}
		for _, u := range []struct {
			kind   string
			number float64
		}{{"read", r.ReadUnits}, {"write", r.WriteUnits}} {
			if u.number > 0 {
				units.WithLabelValues(r.Operation, table, u.kind).Add(u.number)
			}
		}
	}
}

// outcomes says what DynamoDB's error codes mean, and its reasons for the end of a transaction. Each stands before those that say less.
var outcomes = []struct{ code, outcome string }{
	{"ConditionalCheckFailed", "condition"},
	{"TransactionConflict", "conflict"},
	{"ReplicatedWriteConflict", "conflict"},
	{"TransactionInProgress", "conflict"},
	{"Throttling", "throttled"},
	{"ProvisionedThroughputExceeded", "throttled"},
	{"RequestLimitExceeded", "throttled"},
	{"LimitExceeded", "throttled"},
}

// outcome names how a request to DynamoDB ended: ok, condition (one did not hold), conflict (with a transaction), throttled, failed (DynamoDB did),
// refused (for another reason), or unanswered.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var said smithy.APIError
	if !errors.As(err, &said) {
		return "unanswered"
	}
	codes := []string{said.ErrorCode()}
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		for _, reason := range canceled.CancellationReasons {
			codes = append(codes, aws.ToString(reason.Code))
		}
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return "failed"
	}
	for _, o := range outcomes {
		if slices.ContainsFunc(codes, func(code string) bool { return strings.HasPrefix(code, o.code) }) {
			return o.outcome
		}
	}
	return "refused"
}

// cache adds what a cache tells of itself.
func (m *metrics) cache(c *cachestore.Store) { m.registry.MustRegister(cacheStats{c}) }

// cacheStats is a prometheus.Collector that asks once for all of its metrics, so that they fit together.
type cacheStats struct{ cache *cachestore.Store }

// cacheMetrics are those of a cache.
var cacheMetrics = []struct {
	metric *prometheus.Desc
	kind   prometheus.ValueType
	label  []string
	number func(cachestore.Stats) float64
}{
	{cacheReads, prometheus.CounterValue, []string{"hit"}, func(s cachestore.Stats) float64 { return float64(s.Hits) }},
	{cacheReads, prometheus.CounterValue, []string{"negative_hit"}, func(s cachestore.Stats) float64 { return float64(s.NegativeHits) }},
	{cacheReads, prometheus.CounterValue, []string{"miss"}, func(s cachestore.Stats) float64 { return float64(s.Misses) }},
	{describe("hit_ratio", "The part of the reads that may be answered by the cache that were, since the start."), prometheus.GaugeValue, nil, cachestore.Stats.HitRatio},
	{describe("bytes", "What the cache keeps."), prometheus.GaugeValue, nil, func(s cachestore.Stats) float64 { return float64(s.Bytes) }},
	{describe("entries", "How many items the cache keeps."), prometheus.GaugeValue, nil, func(s cachestore.Stats) float64 { return float64(s.Entries) }},
	{describe("evictions_total", "Items that had to make room."), prometheus.CounterValue, nil, func(s cachestore.Stats) float64 { return float64(s.Evictions) }},
}

var cacheReads = describe("reads_total", "Reads that may be answered by the cache, by result.", "result")

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rhythmiq_cache_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (cacheStats) Describe(to chan<- *prometheus.Desc) {
	for _, c := range cacheMetrics {
		to <- c.metric
	}
}

// Collect implements prometheus.Collector.
func (s cacheStats) Collect(to chan<- prometheus.Metric) {
	stats := s.cache.Stats()
	for _, c := range cacheMetrics {
		to <- prometheus.MustNewConstMetric(c.metric, c.kind, c.number(stats), c.label...)
	}
}

// handler serves GET /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
