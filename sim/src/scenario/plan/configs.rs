//! Who follows which configuration server, and what is released when.

use foreshock_systems::config_manager::{CanaryRule, ClientConfig, Value};

use super::{EdgeId, ServiceId, Setting};

/// What a kind of node has to do with configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigRole {
    /// Nothing.
    #[default]
    None,
    /// It keeps and tells: one replica, whose store everybody shares.
    Serves,
    /// Its replicas may follow a server.
    Follows,
}

/// How the replicas of a service follow a configuration server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigClientPlan {
    /// The questions; what the server says comes over the link of their answers.
    pub edge: EdgeId,
    /// The client as the library knows it, with the scopes it reads; the instance and the seed are each replica's own.
    pub client: ClientConfig,
    /// Whether the last known good outlives the process.
    pub is_cached: bool,
    /// What the process says itself, where the server says nothing.
    pub defaults: Vec<(String, Value)>,
}

/// A release of settings.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishPlan {
    /// By which server.
    pub server: ServiceId,
    /// Whose settings change.
    pub application: String,
    /// What changes, by name.
    pub set: Vec<(String, Value)>,
    /// The same, as it was written: names are paths.
    pub written: Vec<Setting>,
    /// Whom it reaches; `None` is everybody.
    pub canary: Option<CanaryRule>,
}
