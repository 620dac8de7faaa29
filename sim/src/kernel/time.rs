//! `Time` and `Span` as the kernel sees them: the very types of `foreshock-systems`, under a shorter path.
//! Holds no code of its own, so that a system and the simulator can never disagree about time.

pub use foreshock_systems::time::{ParseSpanError, Span, Time};
