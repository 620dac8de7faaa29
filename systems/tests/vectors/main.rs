//! Public test suites and published results, walked case by case. The data stands outside the project: in the folder
//! that `FORESHOCK_VECTORS` names, else in `../shared/vectors` beside the checkout if it is there. One file per
//! system.
#![allow(clippy::print_stdout, reason = "a walker says how many cases it ran")]

mod cache;
mod folder;
mod metrics;
mod rate_limiter; // HdrHistogram's interval logs, Prometheus' scripts
