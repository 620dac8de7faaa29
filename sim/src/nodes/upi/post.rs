//! Sends a party's messages: one call each, to whoever it is for.

use std::collections::BTreeMap;

use foreshock_systems::payment::upi::{Body, TxnId};

use super::wire;
use crate::cluster::{CallSpec, Cx, Ref};
use crate::kernel::draw::{Lineage, name_hash};
use crate::nodes::payments::calls_of;
use crate::scenario::plan::{EdgeId, LoadId, Plan, ServiceId};

/// A message of which the sender wants to know whether it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) txn: TxnId,
    pub(super) is_check: bool,
}

/// The way to another party, and its name in keyed draws: its number would be another one beside other services.
#[derive(Clone, Copy)]
struct Way {
    edge: EdgeId,
    name: u64,
}

/// The ways from a party to the others.
pub(super) struct Post {
    ways: BTreeMap<ServiceId, Way>,
    first: Option<ServiceId>,
    own: u64,
    /// How often a payment's message was sent, where it can be more than once.
    times: BTreeMap<(TxnId, u32), u32>,
    under_way: BTreeMap<u64, Sent>,
    next: u64,
    pub(super) unsendable: u64,
}

impl Post {
    pub(super) fn new(service: ServiceId, plan: &Plan) -> Post {
        let edges = calls_of(plan, service);
        let callee = |edge: EdgeId| plan.edges[edge.index()].callee;
        let way = |edge: EdgeId| {
            let to = callee(edge);
            (to, Way { edge, name: name_hash(&plan.services[to.index()].name) })
        };
        Post {
            ways: edges.iter().map(|edge| way(*edge)).collect(),
            first: edges.first().map(|edge| callee(*edge)),
            own: name_hash(&plan.services[service.index()].name),
            times: BTreeMap::new(),
            under_way: BTreeMap::new(),
            next: 0,
            unsendable: 0,
        }
    }

    /// The only party it calls, or the first.
    pub(super) fn first(&self) -> Option<ServiceId> {
        self.first
    }

    pub(super) fn send(&mut self, to: ServiceId, body: &Body, load: LoadId, cx: &mut Cx<'_>) {
        let Some(way) = self.ways.get(&to).copied() else {
            self.unsendable += 1;
            return;
        };
        let (txn, kind) = (wire::txn_id(body), wire::kind_of(body));
        let (key, arguments) = wire::words(body);
        let token = self.note(body, txn);
        let times = self.times.entry((txn, kind)).or_insert(0);
        *times = times.saturating_add(1);
        let lineage = Lineage(txn.0).call(self.own, kind).call(way.name, *times);
        cx.call(
            CallSpec { load, key, arguments, token, ..CallSpec::of_its_own(way.edge, lineage, cx.now()) },
            Ref::NONE,
        );
    }

    /// The token of a message: 0 if nobody has to know what becomes of it.
    fn note(&mut self, body: &Body, txn: TxnId) -> u64 {
        let is_check = matches!(body, Body::ReqChkTxn(_));
        if !is_check && !matches!(body, Body::ReqPay(_)) {
            return 0;
        }
        self.next += 1;
        self.under_way.insert(self.next, Sent { txn, is_check });
        self.next
    }

    /// What a call that has ended had carried.
    pub(super) fn ended(&mut self, token: u64) -> Option<Sent> {
        self.under_way.remove(&token)
    }

    /// A payment is over: what was counted of it is of no use any more.
    pub(super) fn forget(&mut self, txn: TxnId) {
        let of_txn: Vec<(TxnId, u32)> =
            self.times.range((txn, 0)..=(txn, u32::MAX)).map(|(name, _)| *name).collect();
        for name in of_txn {
            self.times.remove(&name);
        }
    }

    /// The calls of a process that has died tell nobody how they ended.
    pub(super) fn crash(&mut self) {
        self.under_way.clear();
    }
}
