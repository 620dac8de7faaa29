//! A kind of node as a user could write it: works for the drawn time and writes down what it sees of every request.
//! Never refuses, never calls anybody.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Probes, Reply, Request, Token};
use foreshock::kernel::draw::Sampler;
use foreshock::measure::OutcomeKind;
use foreshock::nodes::{Kind, Kinds};
use foreshock::scenario::plan::{Plan, ServiceId};
use serde_json::{Map, Value};

/// What a probe saw of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Identity in keyed draws.
    pub(crate) lineage: u64,
    /// Position in the plan's list of operations.
    pub(crate) operation: usize,
    /// Its key.
    pub(crate) key: u64,
    /// Time on the last link.
    pub(crate) network_ns: u64,
    /// Processor time it takes.
    pub(crate) demand_ns: u64,
}

thread_local! {
    static LOG: RefCell<BTreeMap<u64, Seen>> = const { RefCell::new(BTreeMap::new()) };
}

/// What was seen since the last time, by identity.
pub(crate) fn take_log() -> BTreeMap<u64, Seen> {
    LOG.with(RefCell::take)
}

/// The kinds that Foreshock brings along, and `probe`.
pub(crate) fn kinds() -> Kinds {
    Kinds::default().with::<Probe>("probe")
}

/// Kind `probe`.
pub(crate) struct Probe;

impl Kind for Probe {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ProbeNode { service, plan: Arc::clone(plan), requests: Vec::new() })
    }
}

struct ProbeNode {
    service: ServiceId,
    plan: Arc<Plan>,
    /// By token.
    requests: Vec<Option<Request>>,
}

impl Node for ProbeNode {
    fn start(&mut self, _cx: &mut Cx<'_>) {}

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        let Message::Request(request) = message else { return };
        let own = &self.plan.services[self.service.index()];
        let sampler = Sampler::new(&own.operations[request.operation.index()].service_time).unwrap();
        let demand = sampler.sample(cx.key("service_time"), request.lineage.raw());
        let seen = Seen {
            lineage: request.lineage.raw(),
            operation: request.operation.index(),
            key: request.key,
            network_ns: request.path.network_ns,
            demand_ns: demand.as_nanos(),
        };
        LOG.with_borrow_mut(|log| {
            log.entry(seen.lineage).or_insert(seen);
        });
        let token = self.requests.len() as u32;
        self.requests.push(Some(request));
        cx.work(Token(token), demand);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        let request = self.requests.get_mut(token.0 as usize).and_then(Option::take);
        if let Some(request) = request {
            cx.reply(&request, Reply::refusal(OutcomeKind::Ok));
        }
    }

    fn crash(&mut self, _keep: Durable, lost: &mut dyn FnMut(&Request)) {
        for request in self.requests.iter_mut().filter_map(Option::take) {
            lost(&request);
        }
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        out.in_system = self.requests.iter().flatten().count() as u64;
    }
}
