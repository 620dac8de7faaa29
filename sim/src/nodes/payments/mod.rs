//! Card payments: kind `payment-client` turns requests into orders and pays them, kind `payments` is the merchant's
//! processor, kind `payment-provider` an acquirer beyond it. They know each other only by calls and webhooks.

mod afterwards;
mod books;
mod client;
mod defects;
mod known;
mod processor;
mod provider;
mod settings;
pub(in crate::nodes) mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{EdgeId, KindTraits, Plan, ServiceId};

pub(crate) use self::afterwards::SettlementFile;
pub(super) use self::defects::{DEFECTS, Defective};
use self::processor::Defect;

/// Kind `payments`.
pub(super) struct Payments;

impl Kind for Payments {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::processor(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        processor_node(service, plan, None)
    }
}

fn processor_node(service: ServiceId, plan: &Arc<Plan>, defect: Option<Defect>) -> Box<dyn Node> {
    let behaviour = processor::Payments::new(service, plan, defect);
    service::node(service, plan, behaviour)
}

/// A provider that does what it should.
pub(super) const SOUND: u8 = 0;
/// A provider that gives back what the payer's bank has taken back already.
pub(super) const PAYS_BACK_TWICE: u8 = 1;

/// Kind `payment-provider`.
pub(super) struct PaymentProvider<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for PaymentProvider<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::provider(written).err().unwrap_or_default()
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        settings::provider_around(written, around)
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let behaviour = provider::Provider::new(service, plan, PAYS_BACK_TWICE == DEFECT);
        service::node(service, plan, behaviour)
    }
}

/// Kind `payment-client`.
pub(super) struct PaymentClient;

impl Kind for PaymentClient {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::client(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let behaviour = client::Client::new(service, plan);
        service::node(service, plan, behaviour)
    }
}

/// The calls of a service in the order in which they are written.
pub(in crate::nodes) fn calls_of(plan: &Plan, service: ServiceId) -> Vec<EdgeId> {
    let steps = &plan.services[service.index()].steps;
    steps.iter().flat_map(|step| step.branches.iter().map(|branch| branch.edge)).collect()
}
