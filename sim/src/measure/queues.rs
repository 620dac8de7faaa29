//! The books on message queues: whose request each message was, so that whoever works on it draws as that request would,
//! and how often it was processed. Nobody in the simulated world reads them but to draw.

use std::collections::BTreeMap;

use foreshock_systems::broker::queue::QueueViolation;

use crate::cluster::Request;
use crate::kernel::draw::Lineage;
use crate::scenario::plan::{LoadId, OperationId, Plan, ServiceId};

/// What holds of every message queue.
pub(crate) mod queued {
    use super::QueueViolation;

    /// A message is in one pair of hands at a time.
    pub(crate) const HELD_ONCE: &str = "queue_held_once";
    /// Nothing is deleted by a void handle.
    pub(crate) const HANDLES: &str = "queue_handles_compared";
    /// Nothing is received more often than it may be.
    pub(crate) const RECEIVES: &str = "queue_receives_bounded";
    /// Messages of a group keep their order.
    pub(crate) const ORDER: &str = "queue_groups_ordered";
    /// Every message that was sent is there or accounted for.
    pub(crate) const CONSERVED: &str = "queue_messages_conserved";

    /// The invariant that is broken.
    pub(crate) const fn of(violation: &QueueViolation) -> &'static str {
        match violation {
            QueueViolation::TwoHolders(_) => HELD_ONCE,
            QueueViolation::StaleDelete(_) => HANDLES,
            QueueViolation::TooManyReceives(_) => RECEIVES,
            QueueViolation::Overtaken(_) => ORDER,
            QueueViolation::Unknown(_) | QueueViolation::Lost { .. } | QueueViolation::Index(_) => CONSERVED,
        }
    }
}

/// Whose request a message was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuedBody {
    pub(crate) lineage: Lineage,
    pub(crate) operation: OperationId,
    pub(crate) load: LoadId,
}

#[derive(Default)]
struct Kept {
    bodies: BTreeMap<u64, (QueuedBody, u64)>,
    distinct: u64,
    again: u64,
}

/// The books, by queue.
#[derive(Default)]
pub(crate) struct QueueBooks {
    queues: BTreeMap<ServiceId, Kept>,
}

impl QueueBooks {
    pub(crate) fn keep(&mut self, queue: ServiceId, message: u64, request: &Request) {
        let body = QueuedBody { lineage: request.call, operation: request.operation, load: request.load };
        self.queues.entry(queue).or_default().bodies.insert(message, (body, 0));
    }

    pub(crate) fn forget(&mut self, queue: ServiceId, message: u64) {
        self.queues.entry(queue).or_default().bodies.remove(&message);
    }

    pub(crate) fn body(&self, queue: ServiceId, message: u64) -> Option<QueuedBody> {
        self.queues.get(&queue)?.bodies.get(&message).map(|(body, _)| *body)
    }

    pub(crate) fn processed(&mut self, queue: ServiceId, message: u64) {
        let kept = self.queues.entry(queue).or_default();
        // One that was deleted meanwhile was processed by whoever did.
        let Some((_, times)) = kept.bodies.get_mut(&message) else {
            kept.again += 1;
            return;
        };
        *times += 1;
        *(if *times == 1 { &mut kept.distinct } else { &mut kept.again }) += 1;
    }

    pub(crate) fn add_to(&self, plan: &Plan, systems: &mut BTreeMap<String, BTreeMap<String, u64>>) {
        for (service, kept) in &self.queues {
            let values = systems.entry(plan.services[service.index()].name.clone()).or_default();
            values.insert("processed_distinct".to_string(), kept.distinct);
            values.insert("processed_again".to_string(), kept.again);
        }
    }
}
