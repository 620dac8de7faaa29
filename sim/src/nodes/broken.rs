//! Kinds that break the laws on purpose, for tests of the checks that have to notice: never in a user's table.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Kind;
use super::flags::Bucketing;
use super::metrics::Collector;
use super::service::ServiceNode;
use crate::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Probes, Reply, Request, Token};
use crate::kernel::time::Span;
use crate::measure::OutcomeKind;
use crate::scenario::plan::{KindTraits, Plan, ServiceId, TelemetryRole};

/// Works for a time that depends on where the operating system put it: the order of a hash table with a random key.
pub(super) struct AddressReader {
    request: Option<Request>,
}

impl Kind for AddressReader {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn build(_service: ServiceId, _replica: u32, _plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(AddressReader { request: None })
    }
}

/// A number that differs from process to process.
#[allow(clippy::disallowed_types, reason = "this is the mistake that `verify` has to find")]
fn ambient() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u64) % 1_000_000
}

impl Node for AddressReader {
    fn start(&mut self, _cx: &mut Cx<'_>) {}

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        if let Message::Request(request) = message {
            match self.request {
                None => {
                    self.request = Some(request);
                    cx.work(Token(0), Span::from_nanos(1_000 + ambient()));
                }
                Some(_) => cx.reply(&request, Reply::refusal(OutcomeKind::Rejected)),
            }
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token != Token::RECONFIGURED
            && let Some(request) = self.request.take()
        {
            cx.reply(&request, Reply::refusal(OutcomeKind::Ok));
        }
    }

    fn crash(&mut self, _keep: Durable, lost: &mut dyn FnMut(&Request)) {
        if let Some(request) = self.request.take() {
            lost(&request);
        }
    }

    fn reconfigure(&mut self, _edit: &ConfigEdit<'_>) -> Result<(), String> {
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        out.in_system = u64::from(self.request.is_some());
    }
}

/// A service that loses every hundredth request without a trace: what the conservation check is for.
pub(super) struct Forgetful {
    inner: ServiceNode,
    seen: u64,
}

impl Kind for Forgetful {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(Forgetful { inner: ServiceNode::new(service, plan, None), seen: 0 })
    }
}

impl Node for Forgetful {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.inner.start(cx);
    }

    fn deliver(&mut self, from: NodeId, message: Message, cx: &mut Cx<'_>) {
        if matches!(message, Message::Request(_)) {
            self.seen += 1;
            if self.seen.is_multiple_of(100) {
                return;
            }
        }
        self.inner.deliver(from, message, cx);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        self.inner.wake(token, cx);
    }

    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request)) {
        self.inner.crash(keep, lost);
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.inner.reconfigure(edit)
    }

    fn probe(&self, out: &mut Probes) {
        self.inner.probe(out);
    }
}

/// Collects reports and loses every tenth without a trace: what the conservation of telemetry is for.
pub(super) struct LeakyMetrics {
    inner: Collector,
    seen: u64,
}

impl Kind for LeakyMetrics {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn traits() -> KindTraits {
        KindTraits { telemetry: TelemetryRole::Collects, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(LeakyMetrics { inner: Collector::new(service, plan), seen: 0 })
    }
}

impl Node for LeakyMetrics {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.inner.start(cx);
    }

    fn deliver(&mut self, from: NodeId, message: Message, cx: &mut Cx<'_>) {
        if matches!(message, Message::Note(_)) {
            self.seen += 1;
            if self.seen.is_multiple_of(10) {
                return;
            }
        }
        self.inner.deliver(from, message, cx);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        self.inner.wake(token, cx);
    }

    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request)) {
        self.inner.crash(keep, lost);
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.inner.reconfigure(edit)
    }

    fn probe(&self, out: &mut Probes) {
        self.inner.probe(out);
    }
}

/// A service that tells users apart by the request: what the check of stickiness is for.
pub(super) struct BucketsByRequest;

impl Kind for BucketsByRequest {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn traits() -> KindTraits {
        KindTraits { telemetry: TelemetryRole::Reports, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ServiceNode::bucketing(service, plan, Bucketing::Request))
    }
}

/// A service that puts users into other buckets with each revision: what the check of rollouts is for.
pub(super) struct BucketsAnew;

impl Kind for BucketsAnew {
    fn check_settings(_settings: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn traits() -> KindTraits {
        KindTraits { telemetry: TelemetryRole::Reports, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ServiceNode::bucketing(service, plan, Bucketing::Reseeded))
    }
}
