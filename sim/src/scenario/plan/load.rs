//! Groups of clients: when requests start, and which.

use std::sync::Arc;

use super::{EdgeId, OperationId, PoolPlan};
use crate::kernel::draw::Distribution;
use crate::kernel::time::{Span, Time};

/// A group of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPlan {
    /// Its name.
    pub name: String,
    /// Over which edge requests enter the system.
    pub edge: EdgeId,
    /// When requests start.
    pub arrivals: Arrivals,
    /// Operations with their shares, which add up to a million.
    pub mix: Vec<(OperationId, u32)>,
    /// Which key a request bears.
    pub keys: Keys,
    /// How long a client waits in all before it walks away.
    pub patience: Option<Span>,
    /// Added to the priority of the operation.
    pub priority: u8,
    /// Connection pools of the clients.
    pub pools: Vec<PoolPlan>,
}

/// When requests start.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent of each other at a given rate (open).
    Poisson(Vec<StagePlan>),
    /// Evenly spaced (open).
    Constant(Vec<StagePlan>),
    /// As recorded (open), in order of time.
    Trace(Arc<Vec<TraceArrival>>),
    /// So many clients, each starting a pause after its last answer (closed).
    Closed {
        /// Number of clients.
        clients: u32,
        /// Pause between an answer and the next request.
        think: Distribution,
    },
}

/// A stretch of time with a rate that is level or changes linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// How long it lasts.
    pub lasts: Span,
    /// Requests per 1000 s at its start.
    pub from_milli_per_s: u64,
    /// Requests per 1000 s at its end.
    pub to_milli_per_s: u64,
}

/// One recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceArrival {
    /// When it starts.
    pub at: Time,
    /// Operation, or `None` to draw from the mix.
    pub operation: Option<OperationId>,
    /// Key, or `None` to draw one.
    pub key: Option<u64>,
}

/// Which key a request bears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    /// Every one with the same chance.
    Uniform {
        /// How many there are, at least 1.
        items: u64,
    },
    /// The item of rank r with a weight of r^-s.
    Zipf {
        /// How many there are, at least 1.
        items: u64,
        /// The exponent, at least 0.
        s: f64,
    },
}
