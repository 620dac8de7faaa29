//! Decides who is told, through which channel, when, grouped with what, and what happens if that fails. Sends nothing,
//! reads no clock.
//!
//! ```text
//! Alert   -> dispatch: routes, groups, inhibition, silences, repeats -> Notify a receiver
//! Trigger -> delivery: preferences, quiet hours, digest, throttle, priorities, failover -> Send by a provider
//! ```
//!
//! The two stand alone: [`dispatch`] is what stands in an on-call setup, [`delivery`] what stands behind a product's mails,
//! pushes and codes; a receiver of the first may be a trigger of the second.

pub mod audit; // the invariants, counted from outside
mod cluster; // several nodes
pub mod delivery; // triggers in, messages out
pub mod dispatch; // alerts in, notifications out
mod inhibit; // alerts that explain others
mod interval; // times of the calendar
mod label; // what an alert is known by
mod log; // who was told what
mod matcher; // conditions on labels
mod route; // the routing tree
mod silence; // muted by people
pub mod template; // what a message says

#[cfg(feature = "time_zones")]
pub use crate::zone::NamedZone;
pub use crate::zone::{FixedOffset, Zone};
pub use cluster::{Cluster, ClusterConfig, ClusterError, Gossip, HaMode, PeerId};
pub use inhibit::{InhibitRule, Inhibitor};
pub use interval::{Civil, Minutes, TimeInterval, TimePattern, WallClock};
pub use label::Labels;
pub use log::{LogEntry, NotificationLog};
pub use matcher::{MatchOp, Matcher, MatcherError, Matchers};
pub use route::{GroupBy, MAX_DEPTH, Route, RouteConfig, RouteError, RouteId, RouteOptions, RouteTree};
pub use silence::{Silence, SilenceError, SilenceState, Silences};

#[cfg(test)]
mod tests;
