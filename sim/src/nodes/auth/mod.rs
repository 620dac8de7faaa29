//! Auth: kind `auth-server` logs in, refreshes and publishes keys, kind `auth-client` holds a token for each key of its
//! load and refreshes it in time, kind `token-verifier` checks tokens with the keys it has fetched. They know each other
//! only by calls.

mod client;
mod introspection;
mod roles;
mod server;
mod throttle;
mod verifier;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{EdgeId, KindTraits, Plan, ServiceId};

/// An issuer without a defect, and those with one each, for tests of the checks that have to notice.
pub(super) const SOUND: u8 = server::SOUND;
/// It goes on with a family although one of its old tokens has come again.
pub(super) const FORGIVES: u8 = server::FORGIVES;
/// It lets everybody try to log in.
pub(super) const UNGUARDED: u8 = server::UNGUARDED;
/// It syncs nothing.
pub(super) const UNSYNCED: u8 = server::UNSYNCED;
/// A verifier without a defect, and those with one each.
pub(super) const SOUND_VERIFIER: u8 = verifier::SOUND;
/// It counts its leeway twice.
pub(super) const LAX: u8 = verifier::LAX;
/// It does not hear what is revoked.
pub(super) const DEAF: u8 = verifier::DEAF;
/// It forgets what roles forbid.
pub(super) const PERMISSIVE: u8 = verifier::PERMISSIVE;

/// Kind `auth-server`, with a defect or without one.
pub(super) struct AuthServer<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for AuthServer<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        server::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let server = server::Server::new(&plan.services[service.index()], DEFECT);
        service::node(service, plan, server)
    }
}

/// Kind `auth-client`.
pub(super) struct AuthClient;

impl Kind for AuthClient {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        client::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        service::node(service, plan, client::Client::new(own, calls_of(plan, service)))
    }
}

/// Kind `token-verifier`, with a defect or without one.
pub(super) struct TokenVerifier<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for TokenVerifier<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        verifier::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..service::traits() }
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        roles::check_around(written, around)
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let edge = calls_of(plan, service).first().copied();
        let verifier = verifier::Verifying::new(&plan.services[service.index()], edge, plan, DEFECT);
        service::node(service, plan, verifier)
    }
}

/// The calls of a service in the order in which they are written.
fn calls_of(plan: &Plan, service: ServiceId) -> Vec<EdgeId> {
    let steps = &plan.services[service.index()].steps;
    steps.iter().flat_map(|step| step.branches.iter().map(|branch| branch.edge)).collect()
}
