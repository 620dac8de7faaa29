//! Logs. Kind `logging-service` is a service that writes lines about its requests into a bounded buffer, and from there
//! onto a disk that it may share with its own work. Kind `log-shipper` runs beside it and sends what is synced there to a
//! service of kind `log-store`. Where each line is that is not in the store is in the books.

mod collector;
mod lost;
mod settings;
mod shipper;
mod words;
mod writer;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// No defect.
pub(super) const SOUND: u8 = 0;
/// For tests of the checks that have to notice: now and then a line is not written and not counted.
pub(super) const FORGETS: u8 = 1;
/// Its buffer holds more than it may.
pub(super) const GROWS: u8 = 2;
/// Drops are never reported.
pub(super) const HIDES: u8 = 3;
/// A request that is audited is answered before its line is stored, and the line may be lost.
pub(super) const HURRIES: u8 = 4;
/// It says that every line is synced, and syncs none.
pub(super) const LIES: u8 = 5;

/// Kind `logging-service`, with a defect or without one.
pub(super) struct LoggingService<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for LoggingService<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        service::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        service::node(service, plan, writer::Writer::new(own, shipper::is_shipped(own, plan), DEFECT))
    }
}

/// Kind `log-shipper`; a hurried one saves its place before the store has answered.
pub(super) struct LogShipper<const HURRIES: bool>;

impl<const HURRIES: bool> Kind for LogShipper<HURRIES> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        shipper::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..service::traits() }
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        shipper::check_around(written, around)
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let steps = &plan.services[service.index()].steps;
        let first = steps.iter().flat_map(|step| &step.branches).next();
        let store = first.map(|branch| branch.edge);
        service::node(service, plan, shipper::ShipperNode::new(service, plan, store, HURRIES))
    }
}

/// A store without a defect.
pub(super) const SOUND_STORE: u8 = collector::SOUND;
/// A store that takes again what comes again.
pub(super) const TAKES_AGAIN: u8 = collector::TAKES_AGAIN;
/// A store that answers before its disk has what it took.
pub(super) const ANSWERS_EARLY: u8 = collector::HURRIES;

/// Kind `log-store`, with a defect or without one.
pub(super) struct LogStoreKind<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for LogStoreKind<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        collector::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, collector::Collector::new(&plan.services[service.index()], DEFECT))
    }
}
