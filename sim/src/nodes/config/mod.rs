//! Configuration in the simulator: kind `config-server`, and what follows it inside any replica. Both are the library's
//! state machines; here are the store, the clock and the way over links. What was truly released, and to whom, is in the
//! books of the harness (`measure/configs`), which neither of them sees.

mod client;
mod defects;
mod server;
mod settings;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

pub(super) use self::client::ConfigClient;
pub(super) use self::defects::{DEFECTS, Defective, Naive};
pub use self::wire::{Told, What};
use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::plan::{ConfigRole, KindTraits, Plan, ServiceId};

/// What a server of the family `negative/` does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// Nothing.
    None,
    /// Of two releases to be told, it tells the later first.
    SwapsReleases,
    /// It tells the first event of a release twice.
    DoublesEvents,
    /// It tells a release in pieces.
    SplitsReleases,
    /// It does not tell every third release.
    DropsReleases,
    /// Whoever begins anew begins one revision too late.
    SkipsOnResume,
    /// It says that all has been told before it tells it.
    BookmarksEarly,
    /// Its canaries are for everybody.
    CanaryForAll,
}

/// Kind `config-server`.
pub(super) struct ConfigServer;

impl Kind for ConfigServer {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { config: ConfigRole::Serves, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        server(service, plan, Defect::None)
    }
}

/// A server with a defect, or without.
fn server(service: ServiceId, plan: &Arc<Plan>, defect: Defect) -> Box<dyn Node> {
    let server = server::Desk::new(service, plan, defect);
    service::node(service, plan, server)
}

/// The name of a replica, by its number from 0, as canaries know it.
fn instance(plan: &Plan, service: ServiceId, replica: u32) -> String {
    format!("{}/{}", plan.services[service.index()].name, replica + 1)
}
