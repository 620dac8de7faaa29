//! How event-time windows are laid out, and what happens to events that come too late or from too far ahead.

use crate::time::Span;
use std::fmt;

/// What happens to an event whose windows are past their allowed lateness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatePolicy {
    /// It is counted as dropped.
    Drop,
    /// It is counted in the window that is filling now.
    CountIntoCurrent,
    /// Its windows are told once more, as an addition to what was told.
    Reopen,
}

/// What happens to an event that claims to come from too far in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyPolicy {
    /// It is counted as dropped.
    Drop,
    /// It is counted as if it had happened now.
    CountIntoCurrent,
}

/// Windows by event time. All times are in event time but `idle_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventWindowConfig {
    /// Length of a window; a multiple of `hop`.
    pub length: Span,
    /// Distance from one window's begin to the next; as long as the window for tumbling windows.
    pub hop: Span,
    /// How far behind the latest event of its source an event may be without being late.
    pub out_of_order: Span,
    /// How long after the watermark has passed its end a window is still revised.
    pub allowed_lateness: Span,
    /// How far an event may be ahead of the receiver's clock. [`Span::MAX`] believes everybody.
    pub max_ahead: Span,
    /// What happens to events later than allowed.
    pub late: LatePolicy,
    /// What happens to events further ahead than allowed.
    pub early: EarlyPolicy,
    /// Sources whose event time is followed apart. At least 1.
    pub sources: u32,
    /// A source silent for this long no longer holds the windows back.
    pub idle_after: Span,
}

/// Why a config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventWindowError {
    /// A hop of no length.
    NoHop,
    /// A window that is not one hop or several.
    NotAMultiple {
        /// As asked for.
        length: Span,
        /// As asked for.
        hop: Span,
    },
    /// No source.
    NoSource,
    /// More than 65 536 hops would have to be kept at once.
    TooManySlices {
        /// As many as would be needed.
        slices: u128,
    },
}

impl fmt::Display for EventWindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventWindowError::NoHop => f.write_str("a hop has to have a length: use that of the window"),
            EventWindowError::NotAMultiple { length, hop } => {
                write!(f, "a window of {length} is not a whole number of hops of {hop}: change one of them")
            }
            EventWindowError::NoSource => f.write_str("no source: use 1 or more"),
            EventWindowError::TooManySlices { slices } => {
                write!(
                    f,
                    "{slices} hops would have to be kept: use a longer hop, or less lateness; 65536 is the most"
                )
            }
        }
    }
}

impl std::error::Error for EventWindowError {}

const MAX_SLICES: u128 = 65_536;

impl EventWindowConfig {
    /// Tumbling windows of one source with events in order; late events are dropped and counted, and nobody is
    /// believed who is more than a window ahead.
    pub const fn tumbling(length: Span) -> EventWindowConfig {
        EventWindowConfig {
            length,
            hop: length,
            out_of_order: Span::ZERO,
            allowed_lateness: Span::ZERO,
            max_ahead: length,
            late: LatePolicy::Drop,
            early: EarlyPolicy::CountIntoCurrent,
            sources: 1,
            idle_after: Span::MAX,
        }
    }

    /// As [`tumbling`](Self::tumbling), with a window of `length` every `hop`.
    pub const fn hopping(length: Span, hop: Span) -> EventWindowConfig {
        EventWindowConfig { hop, ..EventWindowConfig::tumbling(length) }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EventWindowError`] names what is out of range.
    pub fn validate(&self) -> Result<(), EventWindowError> {
        self.slices().map(|_| ())
    }

    /// Slices to be kept so that no window has to be told before its time while sources lag by no more than the
    /// config says.
    pub(super) fn slices(&self) -> Result<usize, EventWindowError> {
        let (length, hop) = (self.length.as_nanos(), self.hop.as_nanos());
        if hop == 0 {
            return Err(EventWindowError::NoHop);
        }
        if length == 0 || !length.is_multiple_of(hop) {
            return Err(EventWindowError::NotAMultiple { length: self.length, hop: self.hop });
        }
        if self.sources == 0 {
            return Err(EventWindowError::NoSource);
        }
        // With one source the watermark is never further behind than the disorder; with several, until idle.
        let lag =
            if self.sources > 1 && self.idle_after != Span::MAX { self.idle_after.as_nanos() } else { 0 };
        let behind = [length, self.out_of_order.as_nanos(), self.allowed_lateness.as_nanos(), lag];
        let slices = behind.iter().map(|ns| u128::from(*ns)).sum::<u128>() / u128::from(hop) + 3;
        if slices > MAX_SLICES || self.sources > 65_536 {
            return Err(EventWindowError::TooManySlices { slices });
        }
        Ok(slices as usize)
    }
}
