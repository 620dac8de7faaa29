//! The laws of the simulated world, tested from outside: through scenarios, the run function and kinds of nodes that a
//! user could have written. One module for each law or family of policies; none of them looks at a wall clock.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

#[path = "laws/abandoned_work.rs"]
mod abandoned_work;
#[path = "laws/afterwards.rs"]
mod afterwards;
#[path = "laws/alert_pairs.rs"]
mod alert_pairs;
#[path = "laws/auth.rs"]
mod auth;
#[path = "laws/bookings.rs"]
mod bookings;
#[path = "laws/bounds.rs"]
mod bounds;
#[path = "laws/brokers.rs"]
mod brokers;
#[path = "laws/caches.rs"]
mod caches;
#[path = "laws/clocks.rs"]
mod clocks;
#[path = "laws/config.rs"]
mod config;
#[path = "laws/counterfactuals.rs"]
mod counterfactuals;
#[path = "laws/cuts.rs"]
mod cuts;
#[path = "laws/decoys.rs"]
mod decoys;
#[path = "laws/every_fault.rs"]
mod every_fault;
#[path = "laws/fault_edges.rs"]
mod fault_edges;
#[path = "laws/flags.rs"]
mod flags;
#[path = "laws/generator.rs"]
mod generator;
#[path = "laws/harness.rs"]
mod harness;
#[path = "laws/intended_start.rs"]
mod intended_start;
#[path = "laws/job_plans.rs"]
mod job_plans;
#[path = "laws/jobs.rs"]
mod jobs;
#[path = "laws/keyed_draws.rs"]
mod keyed_draws;
#[path = "laws/lifts.rs"]
mod lifts;
#[path = "laws/limiter.rs"]
mod limiter;
#[path = "laws/logins.rs"]
mod logins;
#[path = "laws/logs.rs"]
mod logs;
#[path = "laws/notifications.rs"]
mod notifications;
#[path = "laws/parking.rs"]
mod parking;
#[path = "laws/payments.rs"]
mod payments;
#[path = "laws/planted.rs"]
mod planted;
#[path = "laws/policies/mod.rs"]
mod policies;
#[path = "laws/probe.rs"]
mod probe;
#[path = "laws/quiet_gap.rs"]
mod quiet_gap;
#[path = "laws/random_worlds.rs"]
mod random_worlds;
#[path = "laws/redraw.rs"]
mod redraw;
#[path = "laws/redraw_kinds.rs"]
mod redraw_kinds;
#[path = "laws/settings.rs"]
mod settings;
#[path = "laws/settings_told.rs"]
mod settings_told;
#[path = "laws/shipping.rs"]
mod shipping;
#[path = "laws/shrinking.rs"]
mod shrinking;
#[path = "laws/telemetry.rs"]
mod telemetry;
#[path = "laws/timelines.rs"]
mod timelines;
