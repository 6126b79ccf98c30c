package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rhythmiq/rhythmiq"
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

// handler serves GET /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
