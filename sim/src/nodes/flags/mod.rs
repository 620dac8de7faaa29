//! Feature flags: kind `flag-server`, which keeps them, and the client inside every replica that follows them. What they
//! say to each other goes over links; what a flag comes to is the library's business.

mod client;
pub(crate) mod definition;
mod server;
mod settings;

use foreshock_systems::feature_flags::Input;

pub(crate) use client::decimal;
pub(super) use client::{Bucketing, FlagClient};
pub(super) use server::FlagServer;

use crate::scenario::plan::ServiceId;

/// A replica asks for flags.
#[derive(Clone, Copy, Debug)]
pub struct FlagsAsked {
    /// Whose replica asks.
    pub service: ServiceId,
    /// The revision that it has, if it has any.
    pub have: Option<u64>,
    /// Whether it wants to be told of changes by themselves.
    pub stream: bool,
}

/// What whoever keeps flags tells a replica.
#[derive(Clone, Debug)]
pub struct FlagsTold {
    /// The message.
    pub input: Input,
}

impl FlagsTold {
    /// Bytes it takes while it is under way, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        const FLAG_BYTES: usize = 512;
        let flags = match &self.input {
            Input::Hydration { state, .. } => state.features.len() + state.segments.len(),
            Input::Delta { events, .. } => events.len(),
            Input::Start
            | Input::NotModified
            | Input::FetchFailed
            | Input::Refused
            | Input::StreamOpened
            | Input::StreamClosed => 0,
        };
        ((flags + 1) * FLAG_BYTES) as u64
    }
}
