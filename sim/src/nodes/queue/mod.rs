//! A message queue in the simulator: kinds `message-queue` (each request is a message) and `queue-consumer` (receives one at
//! a time, works on it, deletes it). Both are driven over real calls; the queue is the library's state machine, and what it
//! says is held against what it may say as it says it.

mod consumer;
mod server;
mod settings;
mod words;

use std::sync::Arc;

use foreshock_systems::broker::queue::QueueSabotage;
use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// Queues with one defect each, for tests of the books that have to notice, with the names of their kinds.
pub(super) const DEFECTS: [(&str, QueueSabotage); 5] = [
    ("test-queue-ignores-handles", QueueSabotage::IgnoresHandles),
    ("test-queue-gives-twice", QueueSabotage::GivesTwice),
    ("test-queue-overtakes", QueueSabotage::OvertakesInGroups),
    ("test-queue-never-dead", QueueSabotage::NeverDead),
    ("test-queue-forgets", QueueSabotage::ForgetsOnTimeout),
];

/// Kind `message-queue`.
pub(super) struct MessageQueue;

impl Kind for MessageQueue {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::queue(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, server::QueueServer::new(service, plan, None))
    }
}

/// Kind `message-queue` with a defect of the table.
pub(super) struct Defective<const DEFECT: usize>;

impl<const DEFECT: usize> Kind for Defective<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        MessageQueue::check_settings(written)
    }

    fn traits() -> KindTraits {
        MessageQueue::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let defect = DEFECTS.get(DEFECT).map(|(_, defect)| *defect);
        service::node(service, plan, server::QueueServer::new(service, plan, defect))
    }
}

/// Kind `queue-consumer`.
pub(super) struct QueueConsumer;

impl Kind for QueueConsumer {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::consumer(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(consumer::Consumer::new(service, plan))
    }
}
