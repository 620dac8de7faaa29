//! Auth: kind `auth-server` logs in, refreshes and publishes keys, kind `auth-client` holds a token for each key of its
//! load and refreshes it in time, kind `token-verifier` checks tokens with the keys it has fetched. They know each other
//! only by calls.

mod client;
mod server;
mod verifier;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::plan::{EdgeId, KindTraits, Plan, ServiceId};

/// Kind `auth-server`; a forgiving one goes on with a family although one of its old tokens has come again.
pub(super) struct AuthServer<const FORGIVES: bool>;

impl<const FORGIVES: bool> Kind for AuthServer<FORGIVES> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        server::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let server = server::Server::new(&plan.services[service.index()], FORGIVES);
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

/// Kind `token-verifier`; a lax one counts its leeway twice.
pub(super) struct TokenVerifier<const LAX: bool>;

impl<const LAX: bool> Kind for TokenVerifier<LAX> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        verifier::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let edge = calls_of(plan, service).first().copied();
        let issuer = edge.map(|edge| plan.edges[edge.index()].callee);
        let issuer = issuer.map_or(String::new(), |to| plan.services[to.index()].name.clone());
        let verifier = verifier::Verifying::new(&plan.services[service.index()], edge, issuer, LAX);
        service::node(service, plan, verifier)
    }
}

/// The calls of a service in the order in which they are written.
fn calls_of(plan: &Plan, service: ServiceId) -> Vec<EdgeId> {
    let steps = &plan.services[service.index()].steps;
    steps.iter().flat_map(|step| step.branches.iter().map(|branch| branch.edge)).collect()
}
