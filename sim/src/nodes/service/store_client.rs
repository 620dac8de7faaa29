//! A replica's way to the store that keeps its limit: the library's messages as the arguments and the value of calls.
//!
//! A question is [`Request::arguments`](crate::cluster::Request): cost and wanted permits, or both totals of a report;
//! the third word is 0 for a question and otherwise holds the life of the replica, how many share the limit, and
//! whether this one takes leave. The answer is the value: permits granted, or with `missed` the nanoseconds to wait.

use std::collections::BTreeMap;

use foreshock_systems::rate_limiter::RetryAt;
use foreshock_systems::rate_limiter::distributed::{
    FromStore, LimiterNode, NodeConfig, NodeIdentity, Ticket, ToStore,
};

use crate::cluster::{Done, NodeId, Ref};
use crate::kernel::agenda::Handle;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::{EdgeId, LimitStorePlan};

/// A replica's part of a shared limit.
pub(super) struct StoreClient {
    pub(super) edge: EdgeId,
    pub(super) node: LimiterNode,
    config: NodeConfig,
    pub(super) incarnation: u32,
    /// Requests that wait for a decision, by ticket.
    pub(super) asked: BTreeMap<Ticket, Ref>,
    /// When it is woken, on its own clock.
    pub(super) armed: Option<(Time, Handle)>,
}

impl StoreClient {
    pub(super) fn new(plan: &LimitStorePlan, incarnation: u32) -> StoreClient {
        StoreClient {
            edge: plan.edge,
            node: LimiterNode::new(plan.node).expect("the plan's limits were checked"),
            config: plan.node,
            incarnation,
            asked: BTreeMap::new(),
            armed: None,
        }
    }

    pub(super) fn reconfigure(&mut self, plan: &LimitStorePlan, local: Time) {
        if plan.node != self.config {
            self.node.reconfigure(local, plan.node).expect("the plan's limits were checked");
            self.config = plan.node;
        }
    }

    /// The answer to a call is back, or there is none.
    pub(super) fn answered(&mut self, done: &Done, local: Time) {
        let answer = match done.outcome {
            OutcomeKind::Ok => decode_answer(done.token, done.missed, done.value),
            // It waits for the time-out in any case.
            OutcomeKind::Timeout => return,
            // No answer will come, and waiting for it is of no use.
            _ => unfitting(done.token),
        };
        self.node.handle(local, answer);
    }
}

const LEAVING: u64 = 1;
const IS_REPORT: u64 = 1;

/// Token, key and arguments of the call that carries a message.
pub(super) fn encode(message: ToStore, incarnation: u32) -> (u64, u64, [u64; 3]) {
    match message {
        ToStore::Take { request, key, cost, wanted } => (request << 1, key, [cost, wanted, 0]),
        ToStore::Report { request, key, used_total, confirmed_total, nodes, leaving } => {
            let nodes = u64::from(nodes.max(1)) << 1 | if leaving { LEAVING } else { 0 };
            let third = u64::from(incarnation) << 32 | nodes & 0xFFFF_FFFF;
            (request << 1 | IS_REPORT, key, [used_total, confirmed_total, third])
        }
    }
}

/// At the store: who asks, and what.
pub(in crate::nodes) fn decode(caller: NodeId, key: u64, arguments: [u64; 3]) -> (NodeIdentity, ToStore) {
    let [first, second, third] = arguments;
    let from = NodeIdentity { node: caller.0, incarnation: (third >> 32) as u32 };
    let message = match third {
        0 => ToStore::Take { request: 0, key, cost: first, wanted: second },
        _ => ToStore::Report {
            request: 0,
            key,
            used_total: first,
            confirmed_total: second,
            nodes: (third as u32) >> 1,
            leaving: third & LEAVING != 0,
        },
    };
    (from, message)
}

/// At the store: an answer as `missed` and `value` of a reply.
pub(in crate::nodes) fn encode_answer(answer: FromStore) -> (bool, u64) {
    match answer {
        FromStore::Granted { permits, .. } => (false, permits),
        FromStore::Refused { retry_at: RetryAt(wait), .. } => (true, wait.as_nanos()),
        FromStore::Part { permits, .. } => (false, permits as u64),
    }
}

fn decode_answer(token: u64, missed: bool, value: u64) -> FromStore {
    let request = token >> 1;
    match (token & IS_REPORT == IS_REPORT, missed) {
        (true, _) => FromStore::Part { request, permits: value as i64 },
        (false, false) => FromStore::Granted { request, permits: value },
        (false, true) => FromStore::Refused { request, retry_at: RetryAt(Span::from_nanos(value)) },
    }
}

/// An answer that no question has: as good as none, at once.
fn unfitting(token: u64) -> FromStore {
    let request = token >> 1;
    match token & IS_REPORT {
        IS_REPORT => FromStore::Refused { request, retry_at: RetryAt(Span::ZERO) },
        _ => FromStore::Part { request, permits: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(message: ToStore) -> (NodeIdentity, ToStore) {
        let (_, key, arguments) = encode(message, 7);
        decode(NodeId(3), key, arguments)
    }

    #[test]
    fn messages_survive_being_arguments() {
        let take = ToStore::Take { request: 0, key: u64::MAX, cost: u64::MAX, wanted: 1 };
        assert_eq!(carried(take).1, take);
        for (leaving, nodes) in [(false, 1), (true, 100_000)] {
            let report = ToStore::Report {
                request: 0,
                key: 4,
                used_total: u64::MAX,
                confirmed_total: 2,
                nodes,
                leaving,
            };
            assert_eq!(carried(report), (NodeIdentity { node: 3, incarnation: 7 }, report));
        }
    }

    #[test]
    fn answers_survive_being_values() {
        let request = 12;
        let (take, report) = (request << 1, request << 1 | IS_REPORT);
        for (token, answer) in [
            (take, FromStore::Granted { request, permits: 3 }),
            (take, FromStore::Refused { request, retry_at: RetryAt(Span::MAX) }),
            (report, FromStore::Part { request, permits: -5 }),
        ] {
            let (missed, value) = encode_answer(answer);
            assert_eq!(decode_answer(token, missed, value), answer);
        }
    }
}
