//! Kind `logging-service`: a service that writes lines about its requests into a bounded buffer, and from there onto a disk
//! that it may share with its own work. What its log costs and loses is in its numbers.

mod settings;
mod writer;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
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
        service::node(service, plan, writer::Writer::new(&plan.services[service.index()], DEFECT))
    }
}
