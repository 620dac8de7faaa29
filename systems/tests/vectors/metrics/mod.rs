//! The metrics aggregator against HdrHistogram's interval logs, Prometheus' test scripts and published percentiles.

mod hdr_logs;
mod percentiles;
mod promql;
