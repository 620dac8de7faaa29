//! Backend building blocks as pure state machines.
//!
//! No clock, no thread, no socket, no random source: time and chance are arguments. Whoever drives a system
//! hands it `now` and uniformly distributed random words, and does the waiting and the sending itself.
//!
#![doc = include_str!("../README.md")]

mod arithmetic; // shares, growth and uniform draws in exact integers
pub mod auth; // sessions, signed tokens, keys that rotate, refresh, throttled logins, permissions
pub mod booking; // holds, transactions and money: what hotels and theatres share
pub mod broker; // carries messages: a replicated log with consumer groups, and a queue with visibility timeouts
pub mod bulkhead; // bounds calls in flight and callers waiting; the core of a connection pool
pub mod cache; // bounded key-value cache with time to live and pluggable eviction
pub mod circuit_breaker; // stops sending to a dependency that fails, probes it, starts again
pub mod config_manager; // settings with revisions: releases, canaries, watches, layers
pub mod elevator; // cars, calls and riders, and the rule that brings them together
#[cfg(feature = "feature_flags")]
pub mod feature_flags; // which behaviour a request gets, by rules over whom it comes from
pub mod hashed_map; // asked by hash, walked in order when somebody wants that
pub mod hotel; // nights, rooms, overbooking, walks, channels
pub mod job_scheduler; // runs work later, elsewhere, again, and by the calendar
mod key_hash; // from key to 64 bits, the same everywhere
mod key_index; // from hash to slot
mod linked_slots; // the order of things that live in a `Vec`
pub mod logging; // lines with bounded buffers, a journal, a shipper and a store: every lost one counted
pub mod metrics; // counters, distributions, windows, rates and alerts
#[cfg(feature = "notification")]
pub mod notification; // who is told, through which channel, when, and grouped with what
pub mod outlier; // takes single endpoints out of rotation while they fail
pub mod parking_lot; // spots, tickets, tariffs and gates, some of them cut off
pub mod payment; // moves money once: intents, providers, webhooks, a ledger, sagas, UPI
pub mod rate_limiter; // bounds how fast, or how many at once, something may be used
pub mod retry; // whether, when and how often a failed call is sent again
pub mod store; // what must outlive a crash: atomic batches in memory or behind a write-ahead log
pub mod ticket_booking; // seats of shows: holds, payment, the rush, the waiting room
pub mod time; // the vocabulary all of them share
pub mod zone; // local time: offsets of places, days and dates

pub use time::{Span, Time};
