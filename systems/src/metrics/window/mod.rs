//! Time windows over any [`Accumulator`](super::Accumulator): sliding by the recorder's own clock, tumbling,
//! hopping and session windows by the time of the events, and a decaying average. An empty window is no window:
//! none of them ever makes up a zero.

mod event_time;
mod ewma;
mod session;
mod sliding;
mod watermark;

pub use event_time::{EarlyPolicy, EventWindowConfig, EventWindowError, EventWindows, LatePolicy, Placed};
pub use event_time::{Listener, Pane, PaneKind, WindowAccounts};
pub use ewma::{Ewma, EwmaConfig, EwmaError};
pub use session::{SessionConfig, SessionError, SessionWindows};
pub use sliding::{SlidingConfig, SlidingError, SlidingWindow};
pub use watermark::Watermark;

#[cfg(test)]
mod tests;
