//! A message broker in the simulator: kinds `broker` (a replica of every partition, beside others), `broker-controller`
//! (who leads, and the consumer group), `broker-producer` (each request is a record) and `broker-consumer`. All are the
//! library's state machines; what they say to each other are notes over the links of their calls. What was truly lost is
//! in the books of the harness, which sees all replicas.

mod consumer;
mod controller;
mod handlers;
mod post;
mod producer;
mod replica;
mod settings;
mod wire;

use std::sync::Arc;

use foreshock_systems::broker::group::GroupSabotage;
use foreshock_systems::broker::log::Sabotage;
use serde_json::{Map, Value};

pub use self::wire::Mail;
use super::{Kind, service};
use crate::cluster::Node;
use crate::kernel::time::Span;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// How long a party rests at least between two looks: messages take tens of microseconds.
const SHORTEST_NAP: Span = Span::from_micros(10);

const CONTROLLER: &str = "broker-controller";

/// Brokers with one defect each, for tests of the books that have to notice, with the names of their kinds.
pub(super) const DEFECTS: [(&str, Sabotage); 7] = [
    ("test-broker-answers-early", Sabotage::AnswersEarly),
    ("test-broker-watermark-of-leader", Sabotage::HighWatermarkOfLeader),
    ("test-broker-watermark-of-all", Sabotage::HighWatermarkOfAllReplicas),
    ("test-broker-keeps-tail", Sabotage::KeepsDivergentTail),
    ("test-broker-reads-too-far", Sabotage::ReadsBeyondHighWatermark),
    ("test-broker-ignores-sequences", Sabotage::IgnoresSequences),
    ("test-broker-forgets-records", Sabotage::ForgetsRecords),
];

/// Kind `broker`.
pub(super) struct BrokerKind;

impl Kind for BrokerKind {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::broker(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, most_replicas: Some(1), ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(replica::BrokerNode::new(service, plan, None))
    }
}

/// Kind `broker` with a defect of the table.
pub(super) struct Defective<const DEFECT: usize>;

impl<const DEFECT: usize> Kind for Defective<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        BrokerKind::check_settings(written)
    }

    fn traits() -> KindTraits {
        BrokerKind::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let defect = DEFECTS.get(DEFECT).map(|(_, defect)| *defect);
        Box::new(replica::BrokerNode::new(service, plan, defect))
    }
}

/// Kind `broker-controller`; with a defect, one of those that the books have to find.
pub(super) struct BrokerController<const DEFECT: u8>;

/// A controller without a defect.
pub(super) const SOUND: u8 = 0;
/// Elects whom it likes.
pub(super) const ELECTS_ANYBODY: u8 = 1;
/// Takes commits of any generation.
pub(super) const IGNORES_GENERATION: u8 = 2;
/// Gives a partition to two members.
pub(super) const ASSIGNS_TWICE: u8 = 3;

impl<const DEFECT: u8> Kind for BrokerController<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::controller(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        BrokerKind::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let log = (DEFECT == ELECTS_ANYBODY).then_some(Sabotage::ElectsAnybody);
        let group = match DEFECT {
            IGNORES_GENERATION => Some(GroupSabotage::IgnoresGeneration),
            ASSIGNS_TWICE => Some(GroupSabotage::AssignsTwice),
            _ => None,
        };
        Box::new(controller::ControllerNode::new(service, plan, log, group))
    }
}

/// Kind `broker-producer`.
pub(super) struct BrokerProducer;

impl Kind for BrokerProducer {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::producer(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..service::traits() }
    }

    fn build(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, producer::ProducerNode::new(service, replica, plan))
    }
}

/// Kind `broker-consumer`.
pub(super) struct BrokerConsumer;

impl Kind for BrokerConsumer {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::consumer(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, ..KindTraits::default() }
    }

    fn build(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(consumer::ConsumerNode::new(service, replica, plan))
    }
}
