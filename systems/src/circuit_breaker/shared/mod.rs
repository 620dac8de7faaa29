//! Fronts for breakers that many threads use at once: every method takes `&self`. While calls pass freely,
//! asking takes no lock; neither does being refused while open. Never blocks on anything but its own short
//! critical sections, and never calls anybody while in one.

mod breaker;
mod guard;
mod registry;
mod word;

pub use breaker::SharedBreaker;
pub use guard::CallGuard;
pub use registry::{BreakerRegistry, RegistryFull};
