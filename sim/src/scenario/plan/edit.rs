//! Keys of a scenario with new values, from inside (config, deploy) or outside (`--set`, `--without`).

use serde_json::Value;

/// One key of the scenario and its new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted path, as in `services.checkout.calls.orders-db.timeout`; a leading `services.` may be left out.
    pub path: String,
    /// The new value, as it would stand in the file.
    pub value: Value,
}

/// A change to a scenario made from outside: what `--set` and `--without` do.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Give a key another value.
    Set(Setting),
    /// Leave out what bears this id: a timeline entry, or a policy by its path (as in `gateway.calls.db.retry`).
    Without(String),
}
