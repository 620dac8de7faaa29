//! Public test suites and published results, walked case by case. The data stands outside the project: in the folder
//! that `FORESHOCK_VECTORS` names, else in `../shared/vectors` beside the checkout if it is there. One file per
//! system.
#![allow(clippy::print_stdout, reason = "a walker says how many cases it ran")]

mod booking; // loss systems, a line let in at one rate
mod broker; // jump hashing, keys that move, two of three replicas
mod cache; // block and web traces, misses to the last one
mod feature_flags; // Unleash's client specification, GrowthBook's cases
mod folder;
mod job_scheduler; // cron rows of robfig, waits of worker pools
mod metrics; // HdrHistogram's interval logs, Prometheus' scripts
mod notification; // Alertmanager's routes and inhibition
mod rate_limiter; // published results of GCRA and of the sliding window counter
mod retry; // the adaptive limit of the AWS SDKs
