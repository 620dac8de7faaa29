//! Notifications: kind `notifier` tells people what its requests are about, kind `notification-provider` carries it to
//! them, kind `alert-router` groups alerts and tells receivers. They know each other only by calls.

mod notifier;
mod notifier_settings;
mod peers;
mod people;
mod provider;
mod router;
mod router_settings;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

pub use self::peers::PeerMail;

/// No defect.
pub(super) const SOUND: u8 = 0;
/// For tests of the books that have to notice: every so often it takes for delivered what it never sent.
pub(super) const SWALLOWS: u8 = 1;
/// It does not ask whether people want it.
pub(super) const IGNORES_OPT_OUTS: u8 = 2;
/// It puts every event into its digest twice.
pub(super) const DIGESTS_AGAIN: u8 = 3;
/// It loses a part of what it writes.
pub(super) const LOSES_WRITES: u8 = 4;

/// It leaves everything to the routers before it, whatever they do.
pub(super) const LEAVES_IT_TO_OTHERS: u8 = 5;

/// Of a defect that strikes now and then: every so many times.
const NOW_AND_THEN: u64 = 50;

/// Kind `notifier`, with a defect or without one.
pub(super) struct Notifier<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for Notifier<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        notifier_settings::read(written).err().unwrap_or_default()
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        notifier_settings::check_around(written, around)
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let behaviour = notifier::Notifier::new(service, plan, DEFECT);
        service::node(service, plan, behaviour)
    }
}

/// Kind `notification-provider`.
pub(super) struct NotificationProvider;

impl Kind for NotificationProvider {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        provider::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let behaviour = provider::Provider::new(service, plan);
        service::node(service, plan, behaviour)
    }
}

/// Kind `alert-router`, with a defect or without one.
pub(super) struct AlertRouter<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for AlertRouter<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        router_settings::read(written).err().unwrap_or_default()
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        router_settings::check_around(written, around)
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let behaviour = router::Router::new(service, plan, DEFECT);
        service::node(service, plan, behaviour)
    }
}
